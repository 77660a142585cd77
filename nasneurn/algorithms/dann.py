"""Domain-adversarial training: features from which the domain cannot be told."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasneurn.algorithms.interface import Criterion, Task
from nasneurn.algorithms.pseudo_domains import PseudoDomains
from nasneurn.algorithms.watching import last_linear, logits_and_features
from nasneurn.stems.stem_checks import check_number


class DANN:
    """A discriminator of domains whose gradient reaches the features reversed.

    Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand and Lempitsky,
    "Domain-Adversarial Training of Neural Networks", JMLR 2016, arXiv 1505.07818, sections 4 and 5.

    The discriminator (linear, ReLU, linear) sees the features, which are what the network's last
    linear layer makes its answer of. Its cross-entropy is added to the loss. Between it and the
    features the gradient is multiplied by -g, g = 2 / (1 + exp(-10 p)) - 1, p being the share of
    the training that is done (section 5.2.2). Domains are the sources, since no target is seen.

    Args:
        pseudo: an augmentation by which further domains are made; a single source needs one.
        weight: the greatest g.
        hidden: units of the discriminator; the paper has 100 for MNIST.
        slope: how fast g rises, gamma in the paper.
    """

    def __init__(
        self,
        pseudo: str | None = None,
        weight: float = 1.0,
        hidden: int = 100,
        slope: float = 10.0,
    ) -> None:
        check_number("weight", weight, lambda x: x > 0, "above 0")
        check_number("hidden", hidden, lambda x: x >= 1 and x == int(x), "a whole number from 1 up")
        check_number("slope", slope, lambda x: x > 0, "above 0")
        self.pseudo = PseudoDomains(pseudo)
        self.least_sources = self.pseudo.least_sources
        self.least_images = self.pseudo.least_images
        self.weight = weight
        self.hidden = int(hidden)
        self.slope = slope

    def prepare(self, network: nn.Module, task: Task) -> nn.Module:
        """Make the discriminator."""
        images = task.data.pixels(np.arange(2))
        self._task = task
        self._head = last_linear(network, images, task.classes)
        width = self._head.weight[0].numel()
        domains = self.pseudo.count(task.sources)
        self._own = Discriminator(width, self.hidden, domains).to(images.device)
        return self._own

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
        done = self._own.steps / self._task.steps
        gain = self.weight * (2 / (1 + torch.exp(-self.slope * done)) - 1)
        told = self._own(Reversed.apply(features, gain))
        return criterion(logits, labels) + F.cross_entropy(told, domains)

    def after_step(self, network: nn.Module, step: int) -> None:
        """Note how much is done."""
        self._own.steps.fill_(step)


class Discriminator(nn.Module):
    """Features (N, width) -> logits (N, domains)."""

    steps: Tensor

    def __init__(self, width: int, hidden: int, domains: int) -> None:
        super().__init__()
        self._layers = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, domains)
        )
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """Tell the domain."""
        told: Tensor = self._layers(features)
        return told


class Reversed(torch.autograd.Function):
    """The identity, whose gradient is multiplied by minus the gain."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, gain: Tensor) -> Tensor:
        """Features as they are."""
        ctx.save_for_backward(gain)
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        """The gradient turned round."""
        (gain,) = ctx.saved_tensors
        return -gain * slopes[0], None
