"""Random image operations: TrivialAugment and RandAugment, by torchvision."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from nasneurn.algorithms.full_precision import augmenting
from nasneurn.algorithms.interface import Criterion
from nasneurn.stems.stem_checks import check_number


def of_bytes(transform: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Each image (of N, C, H, W, in [0, 1]) by itself through a transform of uint8 images.

    torchvision draws once for all that it is given, so images are given one by one.
    """
    as_bytes = (images * 255).round().to(torch.uint8)
    done = torch.stack([transform(image) for image in as_bytes])
    return done.to(images.dtype, memory_format=torch.channels_last) / 255


class _Augmenting:
    """The loss is that of images of which each went through the transform by itself."""

    _transform: Callable[[Tensor], Tensor]

    def loss(
        self, network: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion
    ) -> Tensor:
        """See :class:`nasneurn.algorithms.Algorithm`."""
        return criterion(network(self.augment(images)), labels)

    @augmenting
    def augment(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1], each by draws of its own."""
        return of_bytes(self._transform, images)


class TrivialAugment(_Augmenting):
    """One random operation for each image, of a random strength.

    Müller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
    ICCV 2021, arXiv 2103.10158, section 3.

    torchvision's ``TrivialAugmentWide``. The loss is that of the augmented images.
    """

    def __init__(self) -> None:
        self._transform = v2.TrivialAugmentWide()


class RandAugment(_Augmenting):
    """Some random operations for each image, all of one strength.

    Cubuk, Zoph, Shlens and Le, "RandAugment: Practical Automated Data Augmentation with a
    Reduced Search Space", NeurIPS 2020, arXiv 1909.13719, section 3.

    torchvision's ``RandAugment``. The loss is that of the augmented images.

    Args:
        operations: how many operations are applied to each image, N in the paper.
        magnitude: their strength, M in the paper, 0 to 30.
    """

    def __init__(self, operations: int = 2, magnitude: int = 9) -> None:
        check_number("operations", operations, lambda x: x >= 1 and x == int(x), "1 or more")
        check_number("magnitude", magnitude, lambda x: 0 <= x <= 30 and x == int(x), "0 to 30")
        self._transform = v2.RandAugment(int(operations), int(magnitude))
