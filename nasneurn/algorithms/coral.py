"""CORAL: domains whose features have the same covariances."""

from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn

from nasneurn.algorithms.interface import Criterion, Task
from nasneurn.algorithms.pseudo_domains import PseudoDomains
from nasneurn.algorithms.watching import last_linear, logits_and_features
from nasneurn.choices import check_known
from nasneurn.stems.stem_checks import check_number


class CORAL:
    """The covariances of the answers to two domains, or of their features, are drawn together.

    Sun and Saenko, "Deep CORAL: Correlation Alignment for Deep Domain Adaptation", ECCV 2016
    workshops, arXiv 1607.01719, section 3.1: |C - C'|^2 / (4 d^2), in the Frobenius norm, of the
    covariances C and C' (by n - 1) of d values. It is added to the loss of all images, as a mean
    over the pairs of domains, for those with two images or more in the batch. Domains are the
    sources, since no target is seen.

    Args:
        pseudo: an augmentation by which further domains are made; a single source needs one.
        weight: of the distance, lambda in the paper, which gives no number; DomainBed's is 1.
        of: ``logits``, the last layer as in the paper, or ``features``, what that layer makes its
            answer of, as in DomainBed.
    """

    def __init__(self, pseudo: str | None = None, weight: float = 1.0, of: str = "logits") -> None:
        check_number("weight", weight, lambda x: x > 0, "above 0")
        check_known("of", str(of), ("logits", "features"))
        self.pseudo = PseudoDomains(pseudo)
        self.least_sources = self.pseudo.least_sources
        self.least_images = self.pseudo.least_images
        self.weight = weight
        self.of = of

    def prepare(self, network: nn.Module, task: Task) -> None:
        """Find the last layer."""
        self._task = task
        self._head = last_linear(network, task.data.pixels(np.arange(2)), task.classes)

    def loss(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        criterion: Criterion,
        domains: Tensor | None = None,
    ) -> Tensor:
        """See :class:`nasneurn.algorithms.Algorithm`."""
        seen = self.pseudo.joined(images, labels, domains, self._task.sources)
        images, labels, domains = seen
        logits, features = logits_and_features(network, self._head, images)
        values = logits if self.of == "logits" else features
        parts = [values[domains == one] for one in range(self.pseudo.count(self._task.sources))]
        return criterion(logits, labels) + self.weight * coral_distance(parts)


def coral_distance(parts: list[Tensor]) -> Tensor:
    """The mean distance of the covariances of pairs of domains, each (n, d); 0 without a pair."""
    covariances = [covariance(part) for part in parts if len(part) > 1]
    distances = [
        (one - other).square().sum() / (4 * len(one) ** 2)
        for one, other in combinations(covariances, 2)
    ]
    return torch.stack(distances).mean() if distances else parts[0].new_zeros(())


def covariance(values: Tensor) -> Tensor:
    """Of values (n, d), by n - 1."""
    with torch.autocast(values.device.type, enabled=False):
        centred = values.float() - values.float().mean(0)
        return centred.mT @ centred / (len(values) - 1)
