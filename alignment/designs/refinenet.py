"""The decoder of MiDaS: what an encoder gives at four sizes, fused from the smallest upwards.

Lin et al., RefineNet: Multi-Path Refinement Networks for High-Resolution Semantic Segmentation,
CVPR 2017 (arXiv 1611.06612), section 3; as used by Ranftl et al., Towards Robust Monocular Depth
Estimation, TPAMI 2022 (arXiv 1907.01341), and, with a projection after each fusion, by their
Vision Transformers for Dense Prediction, ICCV 2021 (arXiv 2103.13413), section 3 and figure 1.
"""

from collections.abc import Callable, Sequence
from operator import add

from torch import Tensor, nn
from torch.nn.functional import interpolate


class ObservedSum(nn.Module):
    """A sum that can be quantized: the observer sees it, and is an identity until then."""

    def __init__(self) -> None:
        super().__init__()
        self.observer = nn.Identity()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """``a + b``."""
        out: Tensor = self.observer(a + b)
        return out


def _sum(newer: bool) -> Callable[[Tensor, Tensor], Tensor]:
    return ObservedSum() if newer else add


class ResidualUnit(nn.Module):
    """Two convolutions, each after a ReLU, and a sum: same shape."""

    def __init__(self, width: int, *, newer: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        # In the first version the ReLU works in place, so that the sum has its output.
        self.relu = nn.ReLU(inplace=not newer)
        self.add = _sum(newer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        out: Tensor = self.conv2(self.relu(self.conv1(self.relu(x))))
        return self.add(out, x)


class Fusion(nn.Module):
    """Adds a finer map to a coarser one, refines, and enlarges by two."""

    def __init__(self, width: int, width_out: int, *, newer: bool) -> None:
        super().__init__()
        self.project = nn.Conv2d(width, width_out, 1) if newer else None
        self.finer = ResidualUnit(width, newer=newer)
        self.both = ResidualUnit(width, newer=newer)
        self.add = _sum(newer)

    def forward(self, coarser: Tensor, finer: Tensor | None = None) -> Tensor:
        """(N, width, H, W), twice or once, to (N, width_out, 2 H, 2 W)."""
        if finer is not None:
            coarser = self.add(coarser, self.finer(finer))
        out = interpolate(self.both(coarser), scale_factor=2, mode="bilinear", align_corners=True)
        return out if self.project is None else self.project(out)


class Decoder(nn.Module):
    """Four maps to one inverse depth for each pixel.

    Args:
        channels: of the four maps, the finest first.
        widths: to which they are brought.
        hidden: channels of the first convolution of the head.
        newer: the version with a projection after each fusion, and sums that can be quantized.
        align_corners: how the head enlarges.
    """

    def __init__(
        self,
        channels: Sequence[int],
        widths: Sequence[int],
        hidden: int,
        *,
        newer: bool,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.narrow = nn.ModuleList(
            nn.Conv2d(entering, width, 3, padding=1, bias=False)
            for entering, width in zip(channels, widths, strict=True)
        )
        # Each gives what the next finer one takes. The unit of the coarsest for a finer map is
        # never run; it is among the published parameters.
        outputs = (widths[0], *widths[:-1])
        self.fusions = nn.ModuleList(
            Fusion(width, output, newer=newer)
            for width, output in zip(widths, outputs, strict=True)
        )
        self.head = nn.Sequential(
            nn.Conv2d(widths[0], hidden, 3, padding=1),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=align_corners),
            nn.Conv2d(hidden, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 1, 1),
            nn.ReLU(inplace=True),
            *([nn.Identity()] if newer else []),
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps with strides of 4, 8, 16 and 32 pixels to (N, H, W), 0 or more."""
        narrow = [layer(one) for layer, one in zip(self.narrow, maps, strict=True)]
        x = None
        for fusion, finer in zip(reversed(self.fusions), reversed(narrow), strict=True):
            x = fusion(finer) if x is None else fusion(x, finer)
        out: Tensor = self.head(x)
        return out.squeeze(1)
