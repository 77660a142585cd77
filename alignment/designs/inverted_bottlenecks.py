"""The inverted bottleneck of mobile networks, with layers of its own for each step.

Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018 (arXiv
1801.04381), section 3.3. timm's block of the same design has batch norm and activation in one.
"""

from timm.layers.create_conv2d import create_conv2d
from torch import Tensor, nn


def normed(
    channels_in: int,
    channels: int,
    kernel: int,
    stride: int = 1,
    *,
    groups: int = 1,
    padding: str = "",
    activation: bool = True,
) -> list[nn.Module]:
    """A convolution without bias, batch norm and, if asked for, ReLU6.

    Args:
        channels_in, channels: of what enters and leaves.
        kernel, stride, groups: of the convolution.
        padding: "" for as much on both sides, "same" for TensorFlow's.
        activation: whether ReLU6 follows.
    """
    convolution = create_conv2d(
        channels_in, channels, kernel, stride=stride, padding=padding, groups=groups
    )
    layers = [convolution, nn.BatchNorm2d(channels, eps=1e-3)]
    return [*layers, nn.ReLU6(inplace=True)] if activation else layers


def inverted_bottleneck(
    channels_in: int,
    channels: int,
    kernel: int,
    stride: int,
    expansion: int,
    *,
    padding: str = "",
    between: tuple[nn.Module, ...] = (),
) -> nn.Sequential:
    """Expand (unless ``expansion`` is 1), filter each channel, project.

    Args:
        channels_in, channels: of what enters and leaves.
        kernel, stride: of the filter of each channel.
        expansion: channels of the filter, for each one that enters.
        padding: as for :func:`normed`.
        between: modules between the filter and the projection.
    """
    wide = channels_in * expansion
    expand = normed(channels_in, wide, 1, padding=padding) if expansion > 1 else []
    each = normed(wide, wide, kernel, stride, groups=wide, padding=padding)
    project = normed(wide, channels, 1, padding=padding, activation=False)
    return nn.Sequential(*expand, *each, *between, *project)


class Residual(nn.Module):
    """The sum of a module and what enters it: same shape."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """``body(x) + shortcut(x)``."""
        out: Tensor = self.body(x)
        return out + (x if self.shortcut is None else self.shortcut(x))
