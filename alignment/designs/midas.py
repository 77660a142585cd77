"""MiDaS v2.1, large and small: depth from one image, with convolutional encoders.

Ranftl et al., Towards Robust Monocular Depth Estimation: Mixing Datasets for Zero-Shot
Cross-Dataset Transfer, TPAMI 2022 (arXiv 1907.01341), section 6. The large network has a
ResNeXt-101 32x8d, which is torchvision's, the small one an EfficientNet-Lite3.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.models import resnext101_32x8d

from alignment.designs.efficientnet_lite import efficientnet_lite3_stages
from alignment.designs.refinenet import Decoder


class MiDaS(nn.Module):
    """Four stages of an encoder, and a decoder of what each of them gives."""

    def __init__(self, stages: Sequence[nn.Module], decoder: Decoder) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.decoder = decoder

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, H, W); H and W are multiples of 32."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        out: Tensor = self.decoder(maps)
        return out


def midas() -> nn.Module:
    """MiDaS v2.1 large for images of 384 pixels: (N, 3, 384, 384) to (N, 384, 384).

    105,362,945 parameters.
    """
    encoder = resnext101_32x8d()
    first = nn.Sequential(encoder.conv1, encoder.bn1, encoder.relu, encoder.maxpool, encoder.layer1)
    decoder = Decoder((256, 512, 1024, 2048), (256,) * 4, hidden=128, newer=False)
    return MiDaS([first, encoder.layer2, encoder.layer3, encoder.layer4], decoder)


def midas_small() -> nn.Module:
    """MiDaS v2.1 small for images of 256 pixels: (N, 3, 256, 256) to (N, 256, 256).

    21,320,545 parameters.
    """
    decoder = Decoder((32, 48, 136, 384), (64, 128, 256, 512), hidden=32, newer=True)
    return MiDaS(efficientnet_lite3_stages(), decoder)
