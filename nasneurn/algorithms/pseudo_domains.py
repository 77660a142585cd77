"""Domains to compare: the sources, and from a single source its images and what is made of them."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from nasneurn.algorithms.augmix import AugMix
from nasneurn.algorithms.auto_augment import RandAugment, TrivialAugment
from nasneurn.algorithms.fourier import Fourier
from nasneurn.algorithms.pro_randconv import ProRandConv
from nasneurn.algorithms.randconv import RandConv
from nasneurn.choices import check_known


class Augmentation(Protocol):
    """What makes other images of images."""

    def augment(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] to as many of the same shape."""
        ...


#: The augmentations that may make a pseudo-domain, each with its usual options.
AUGMENTATIONS: dict[str, Callable[[], Augmentation]] = {
    "randconv": RandConv,
    "pro_randconv": ProRandConv,
    "fourier": Fourier,
    "augmix": AugMix,
    "trivial_augment": TrivialAugment,
    "rand_augment": RandAugment,
}


class PseudoDomains:
    """Adds to each batch its augmented images, as further domains.

    Args:
        name: one of :data:`AUGMENTATIONS`; None adds nothing.
    """

    def __init__(self, name: str | None) -> None:
        if name is not None:
            check_known("pseudo", str(name), AUGMENTATIONS)
        self._augmentation = None if name is None else AUGMENTATIONS[str(name)]()

    @property
    def least_sources(self) -> int:
        """How many sources there must be for two domains."""
        return 2 if self._augmentation is None else 1

    @property
    def least_images(self) -> int:
        """How many images of each class there must be: one image is no domain."""
        return 1 if self._augmentation is None else 2

    def count(self, sources: int) -> int:
        """How many domains there are."""
        return sources if self._augmentation is None else 2 * sources

    def joined(
        self, images: Tensor, labels: Tensor, domains: Tensor | None, sources: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Images, labels and domains of a batch, with those that are made of it."""
        if domains is None:
            domains = torch.zeros_like(labels)
        if self._augmentation is None:
            return images, labels, domains
        augmented = self._augmentation.augment(images)
        both = torch.cat([images, augmented])
        return both, labels.repeat(2), torch.cat([domains, domains + sources])
