"""GhostNet 1.0x: half of each layer's channels are cheap filters of the other half.

Han et al., GhostNet: More Features from Cheap Operations, CVPR 2020 (arXiv 1911.11907), section 3
and table 1. timm's ``ghostnet_100`` is the same with other modules around the convolutions.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import hardsigmoid

#: Kernel, hidden channels, channels, squeeze-and-excitation, stride: one row a bottleneck.
BOTTLENECKS = (
    (3, 16, 16, False, 1),
    (3, 48, 24, False, 2),
    (3, 72, 24, False, 1),
    (5, 72, 40, True, 2),
    (5, 120, 40, True, 1),
    (3, 240, 80, False, 2),
    (3, 200, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 480, 112, True, 1),
    (3, 672, 112, True, 1),
    (5, 672, 160, True, 2),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
)
STEM, LAST, HEAD = 16, 960, 1280


def _normed(
    entering: int, leaving: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    padding = kernel // 2
    convolution = nn.Conv2d(entering, leaving, kernel, stride, padding, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(leaving)]


class Ghost(nn.Module):
    """A pointwise convolution to half of the channels, and a filter of each for the others."""

    def __init__(self, channels_in: int, channels: int, *, relu: bool) -> None:
        super().__init__()
        half = channels // 2
        # An empty sequence is a module too, and runs.
        last = partial(nn.ReLU, inplace=True) if relu else nn.Sequential
        self.primary = nn.Sequential(*_normed(channels_in, half, 1), last())
        self.cheap = nn.Sequential(*_normed(half, half, 3, groups=half), last())

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels_in, H, W) to (N, channels, H, W)."""
        primary = self.primary(x)
        return torch.cat((primary, self.cheap(primary)), dim=1)


class SqueezeExcite(nn.Module):
    """Each channel by a weight between 0 and 1: same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # A quarter of the channels, as a multiple of four that is at least nine tenths of it.
        hidden = int(channels / 4 + 2) // 4 * 4
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.relu = nn.ReLU(inplace=True)
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        weights = hardsigmoid(self.expand(self.relu(self.reduce(self.pool(x)))))
        out: Tensor = x * weights
        return out


class Bottleneck(nn.Module):
    """Two ghost modules; between them a filter that moves by two pixels, and weights."""

    def __init__(
        self, channels_in: int, kernel: int, hidden: int, channels: int, weigh: bool, stride: int
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [Ghost(channels_in, hidden, relu=True)]
        if stride > 1:
            layers += _normed(hidden, hidden, kernel, stride, groups=hidden)
        if weigh:
            layers.append(SqueezeExcite(hidden))
        self.body = nn.Sequential(*layers, Ghost(hidden, channels, relu=False))
        same = channels_in == channels and stride == 1
        each = _normed(channels_in, channels_in, kernel, stride, groups=channels_in)
        self.shortcut = nn.Sequential(*([] if same else each + _normed(channels_in, channels, 1)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels_in, H, W) to (N, channels, H / stride, W / stride)."""
        out: Tensor = self.body(x) + self.shortcut(x)
        return out


class GhostNet(nn.Module):
    """A first convolution, bottlenecks, two pointwise convolutions around a mean, a classifier."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers = [*_normed(3, STEM, 3, stride=2), nn.ReLU(inplace=True)]
        entering = STEM
        for row in BOTTLENECKS:
            layers.append(Bottleneck(entering, *row))
            entering = row[2]
        layers += [*_normed(entering, LAST, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)]
        self.features = nn.Sequential(*layers, nn.Conv2d(LAST, HEAD, 1), nn.ReLU(inplace=True))
        self.linear = nn.Linear(HEAD, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, classes)."""
        out: Tensor = self.linear(self.features(x).flatten(1))
        return out


def ghostnet(classes: int = 1000) -> nn.Module:
    """GhostNet for images of 224 pixels: (N, 3, 224, 224) to (N, classes).

    5,182,508 parameters with 1000 classes.
    """
    return GhostNet(classes)
