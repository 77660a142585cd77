"""U-Net with batch norm, as published for the segmentation of brain tumours.

Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015
(arXiv 1505.04597), section 2; widths, padding and batch norm as in Buda et al., Association of
genomic subtypes of lower-grade gliomas with shape features automatically extracted by a deep
learning algorithm, Computers in Biology and Medicine 109, 2019 (arXiv 1906.03720), figure 2.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

WIDTHS = (32, 64, 128, 256)


def _twice(channels_in: int, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for entering in (channels_in, channels):
        layers += [
            nn.Conv2d(entering, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
    names = (f"{kind}{number}" for number in (1, 2) for kind in ("conv", "norm", "relu"))
    return nn.Sequential(OrderedDict(zip(names, layers, strict=True)))


class UNet(nn.Module):
    """Four levels down, a bottleneck, four levels up, each with what its level had before."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        channels = 3
        for level, width in enumerate(WIDTHS, 1):
            self.add_module(f"encoder{level}", _twice(channels, width))
            self.add_module(f"pool{level}", nn.MaxPool2d(2))
            channels = width
        self.bottleneck = _twice(channels, 2 * channels)
        for level, width in reversed(list(enumerate(WIDTHS, 1))):
            self.add_module(f"upconv{level}", nn.ConvTranspose2d(2 * width, width, 2, stride=2))
            self.add_module(f"decoder{level}", _twice(2 * width, width))
        self.conv = nn.Conv2d(WIDTHS[0], outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, outputs, H, W) between 0 and 1; H and W are multiples of 16."""
        levels = range(1, len(WIDTHS) + 1)
        kept: dict[int, Tensor] = {}
        for level in levels:
            kept[level] = self.get_submodule(f"encoder{level}")(x)
            x = self.get_submodule(f"pool{level}")(kept[level])
        x = self.bottleneck(x)
        for level in reversed(levels):
            x = self.get_submodule(f"upconv{level}")(x)
            x = self.get_submodule(f"decoder{level}")(torch.cat((x, kept[level]), dim=1))
        return torch.sigmoid(self.conv(x))


def unet() -> nn.Module:
    """U-Net for images of 256 pixels: (N, 3, 256, 256) to a mask, (N, 1, 256, 256).

    7,763,041 parameters.
    """
    return UNet(outputs=1)
