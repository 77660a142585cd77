"""MixStyle: statistics of features are mixed between images."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Beta

from nasneurn.algorithms.interface import Criterion, Task
from nasneurn.algorithms.stages import stage_ends
from nasneurn.algorithms.watching import hooked
from nasneurn.stems.stem_checks import check_number

#: Added to variances, as in the authors' code.
EPS = 1e-6


class MixStyle:
    """Maps of early stages with statistics that are mixed between images.

    Zhou, Yang, Qiao and Xiang, "Domain Generalization with MixStyle", ICLR 2021, arXiv
    2104.02008, section 3: random shuffle.

    After the first ``stages`` of the network, maps x are standardized channel by channel and image
    by image and given the mixed statistics s std(x) + (1 - s) std(x'), and likewise for the means,
    x' being another image of the batch and s from Beta(``alpha``, ``alpha``) for each image. The
    statistics carry no gradients. A batch is mixed with the probability ``probability``, at each
    of the places by itself. In a ResNet the authors mix after two stages for Office-Home and after
    three for PACS; where stages end in other networks is said by
    :func:`nasneurn.algorithms.stages.stage_ends`.

    Args:
        probability: with which a batch is mixed.
        alpha: of the Beta distribution; the smaller, the nearer are shares to 0 or 1.
        stages: after how many stages statistics are mixed.
    """

    def __init__(self, probability: float = 0.5, alpha: float = 0.1, stages: int = 2) -> None:
        check_number("probability", probability, lambda x: 0 <= x <= 1, "0 to 1")
        check_number("alpha", alpha, lambda x: x > 0, "above 0")
        check_number("stages", stages, lambda x: x >= 1 and x == int(x), "a whole number from 1 up")
        self.probability = probability
        self.alpha = alpha
        self.stages = int(stages)
        self._places: list[nn.Module] = []

    def prepare(self, network: nn.Module, task: Task) -> None:
        """Find the places."""
        images = task.data.pixels(np.arange(2))
        self._places = stage_ends(network, images, self.stages)

    def loss(
        self, network: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion
    ) -> Tensor:
        """See :class:`nasneurn.algorithms.Algorithm`."""
        with hooked(network, self._places, self._change):
            return criterion(network(images), labels)

    def _change(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        if not float(torch.rand(())) < self.probability:
            return None
        shares = Beta(self.alpha, self.alpha).sample((len(output), 1, 1, 1))
        return mixed(
            output, torch.randperm(len(output)).to(output.device), shares.to(output.device)
        )


def mixed(maps: Tensor, others: Tensor, shares: Tensor) -> Tensor:
    """Maps (N, C, H, W) with statistics that are mixed with those of other images.

    Args:
        maps: features of a batch.
        others: the number of the other image, for each.
        shares: how much of its own each keeps, (N, 1, 1, 1).
    """
    with torch.no_grad():
        variance, mean = torch.var_mean(maps.float(), (2, 3), keepdim=True)
        deviation = (variance + EPS).sqrt()
        new_mean = torch.lerp(mean[others], mean, shares)
        new_deviation = torch.lerp(deviation[others], deviation, shares)
        # (x - mean) / deviation * new_deviation + new_mean, in one pass over the maps.
        scale = new_deviation / deviation
        shift = new_mean - mean * scale
    return torch.addcmul(shift.to(maps.dtype), maps, scale.to(maps.dtype))
