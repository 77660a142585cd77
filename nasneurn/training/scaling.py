"""Standardizing what leaves a stem, so that no stem gains by the scale of its values alone."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Statistics:
    """Mean and deviation of each channel."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.mean_text} {self.deviation_text}"

    @property
    def mean_text(self) -> str:
        """The means as tables show them: ``0.131/0.131/0.131``."""
        return "/".join(f"{value:.4g}" for value in self.mean)

    @property
    def deviation_text(self) -> str:
        """The deviations likewise."""
        return "/".join(f"{value:.4g}" for value in self.deviation)


#: The choices of a protocol that are the same for all images.
FIXED = {
    "none": Statistics((0.0,) * 3, (1.0,) * 3),
    "half": Statistics((0.5,) * 3, (0.5,) * 3),
}


class Standardize(nn.Module):
    """(x - mean) / deviation, channel by channel, of images (N, C, H, W).

    Its numbers are fixed and are not part of a state dict: they follow from the source.

    >>> Standardize(Statistics((0.5,), (0.25,)))(torch.full((1, 1, 1, 1), 1.0))
    tensor([[[[2.]]]])
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        self.statistics = statistics
        mean = torch.tensor(statistics.mean).view(1, -1, 1, 1)
        deviation = torch.tensor(statistics.deviation).view(1, -1, 1, 1)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("scale", 1 / deviation, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Standardize images (N, C, H, W), float, to the same shape."""
        return (x - self.mean) * self.scale

    def extra_repr(self) -> str:
        """The numbers, for ``repr``."""
        return f"mean={self.statistics.mean_text}, deviation={self.statistics.deviation_text}"


@torch.no_grad()
def output_statistics(stem: nn.Module, batches: Iterable[Tensor]) -> Statistics:
    """Mean and deviation of each channel of what a stem makes of images.

    A stem that draws does so from a seed of its own, as in training; the caller's
    generator is left as it was. A channel without deviation is divided by 1.

    Args:
        stem: the stem, in training mode while it is measured.
        batches: float images (N, 3, H, W).
    """
    was_training = stem.training
    stem.train()
    count, anchor, total, squares = 0, torch.zeros(()), torch.zeros(()), torch.zeros(())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for images in batches:
            values = stem(images).double()
            if not count:  # a first mean to subtract, so that nothing cancels
                anchor = values.mean((0, 2, 3), keepdim=True)
                total, squares = torch.zeros_like(anchor), torch.zeros_like(anchor)
            centred = values - anchor
            total += centred.sum((0, 2, 3), keepdim=True)
            squares += centred.square().sum((0, 2, 3), keepdim=True)
            count += values.numel() // values.shape[1]
    stem.train(was_training)
    offset = total / count
    deviation = (squares / count - offset.square()).clamp_min(0).sqrt()
    deviation = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
    mean = (anchor + offset).flatten().tolist()
    return Statistics(tuple(mean), tuple(deviation.flatten().tolist()))
