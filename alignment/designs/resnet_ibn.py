"""ResNet-50-IBN-a: instance norm beside batch norm in a residual network.

Pan et al., Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net, ECCV 2018
(arXiv 1807.09441), section 3.3 and figure 3 (a). The first norm of each block of the first three
stages is instance norm for half of its channels and batch norm for the others. Everything else is
torchvision's ResNet-50.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet


class InstanceBatchNorm(nn.Module):
    """Instance norm of the first half of the channels, batch norm of the others: same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.instance = nn.InstanceNorm2d(half, affine=True)
        self.batch = nn.BatchNorm2d(channels - half)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``x`` (N, C, H, W)."""
        half = self.instance.num_features
        return torch.cat((self.instance(x[:, :half]), self.batch(x[:, half:])), dim=1)


class BottleneckA(Bottleneck):
    """torchvision's bottleneck with the norm of IBN-a, but in the last stage."""

    def __init__(self, inplanes: int, planes: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(inplanes, planes, *args, **kwargs)
        if planes < 512:
            self.bn1 = InstanceBatchNorm(planes)


def resnet50_ibn_a(classes: int = 1000) -> nn.Module:
    """ResNet-50-IBN-a for images of 224 pixels: (N, 3, 224, 224) to (N, classes).

    25,557,032 parameters with 1000 classes, as many as ResNet-50.
    """
    network: nn.Module = ResNet(BottleneckA, [3, 4, 6, 3], num_classes=classes)
    # The published network pools the 7 x 7 values of an image of 224 pixels.
    network.avgpool = nn.AvgPool2d(7)
    return network
