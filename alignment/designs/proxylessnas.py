"""ProxylessNAS: networks that a search has found for a kind of machine.

Cai et al., ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware, ICLR 2019
(arXiv 1812.00332), section 4.2 and figure 4. The blocks are those of the configurations that the
authors published with the weights. A block that the search left out is no layer.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from alignment.designs.inverted_bottlenecks import Residual, inverted_bottleneck, normed


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found.

    Attributes:
        widths: channels of the first convolution and block, each stage, the last convolution.
        stages: kernel and expansion of each block ("53" is 5 x 5 and 3), by stage.
    """

    widths: tuple[int, ...]
    stages: tuple[str, ...]


#: Strides of the stages.
STRIDES = (2, 2, 2, 1, 2, 1)

_MOBILE = ("53 33", "73 33 53 53", "76 53 53 53", "56 53 53 53", "76 76 73 73", "76")
FOUND = {
    "cpu": Found(
        (40, 24, 32, 48, 88, 104, 216, 360, 1432),
        ("36 33 33 33", "36 33 33 53", "36 33", "56 33 33 33", "56 53 53 33", "56"),
    ),
    "gpu": Found(
        (40, 24, 32, 56, 112, 128, 256, 432, 1728),
        ("53", "73 33", "76 53", "56 33 53", "76 76 76 56", "76"),
    ),
    "mobile": Found((32, 16, 32, 40, 80, 96, 192, 320, 1280), _MOBILE),
    "mobile_14": Found((48, 24, 40, 56, 112, 136, 256, 448, 1792), _MOBILE),
}


class ProxylessNAS(nn.Module):
    """A first convolution, inverted bottlenecks, a last convolution, a classifier."""

    def __init__(self, found: Found, classes: int) -> None:
        super().__init__()
        stem, channels, *widths, last = found.widths
        layers = [*normed(3, stem, 3, stride=2), inverted_bottleneck(stem, channels, 3, 1, 1)]
        for width, stride, blocks in zip(widths, STRIDES, found.stages, strict=True):
            for number, block in enumerate(blocks.split()):
                kernel, expansion = map(int, block)
                if number == 0:
                    layers.append(inverted_bottleneck(channels, width, kernel, stride, expansion))
                else:
                    body = inverted_bottleneck(width, width, kernel, 1, expansion)
                    layers.append(Residual(body, nn.Identity()))
            channels = width
        self.features = nn.Sequential(*layers, *normed(channels, last, 1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, classes)."""
        out: Tensor = self.linear(self.pool(self.features(x)).flatten(1))
        return out


def proxyless_cpu(classes: int = 1000) -> nn.Module:
    """Found for a CPU: (N, 3, 224, 224) to (N, classes); 4,361,648 parameters with 1000 classes."""
    return ProxylessNAS(FOUND["cpu"], classes)


def proxyless_gpu(classes: int = 1000) -> nn.Module:
    """Found for a GPU: (N, 3, 224, 224) to (N, classes); 7,119,848 parameters with 1000 classes."""
    return ProxylessNAS(FOUND["gpu"], classes)


def proxyless_mobile(classes: int = 1000) -> nn.Module:
    """Found for a phone: (N, 3, 224, 224) to (N, classes); 4,080,512 parameters, 1000 classes."""
    return ProxylessNAS(FOUND["mobile"], classes)


def proxyless_mobile_14(classes: int = 1000) -> nn.Module:
    """The phone's, 1.4 times as wide: the same shapes; 6,857,568 parameters, 1000 classes."""
    return ProxylessNAS(FOUND["mobile_14"], classes)
