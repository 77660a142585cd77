"""Shifts of source images, under which a search may judge its candidates.

A search must not see a target. Held-out source images under stated changes of contrast, polarity,
background and sharpness stand for domains that nobody has named. None is the recipe of a domain
of this package: in particular the background is not that of MNIST-M. Suites with shifted domains
(:mod:`nasneurn.domains.graded_shifts`) have recipes of their own, but some are of like kinds.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import gaussian_blur

from nasneurn.training.images import DeviceImages, as_pixels


def contrast(x: Tensor, generator: torch.Generator) -> Tensor:
    """A third of the contrast, around a grey level of each image's own, from 0.3 to 0.7."""
    grey = 0.3 + 0.4 * torch.rand(len(x), 1, 1, 1, generator=generator)
    return grey.to(x.device) + (x - 0.5) / 3


def polarity(x: Tensor, generator: torch.Generator) -> Tensor:
    """Light for dark: 1 - x."""
    return 1 - x


def background(x: Tensor, generator: torch.Generator) -> Tensor:
    """Half the image, and half a smooth field of random colours of each image's own."""
    coarse = torch.rand(len(x), x.shape[1], 4, 4, generator=generator).to(x.device)
    field = F.interpolate(coarse, x.shape[2:], mode="bilinear", align_corners=True)
    return (x + field) / 2


def blur(x: Tensor, generator: torch.Generator) -> Tensor:
    """A Gaussian blur, of a deviation of a 24th of the image's side (1.3 pixels of 32)."""
    deviation = x.shape[-1] / 24
    blurred: Tensor = gaussian_blur(x, 2 * round(2 * deviation) + 1, deviation)
    return blurred


#: Every shift by its name: images (N, C, H, W) in [0, 1] -> the same, to be clamped to [0, 1].
SHIFTS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "contrast": contrast,
    "polarity": polarity,
    "background": background,
    "blur": blur,
}


def under_shifts(data: DeviceImages, seed: int) -> DeviceImages:
    """A fifth of the images as they are, and a fifth under each of :data:`SHIFTS`.

    Which image falls into which fifth, and all that a shift draws, is a function of ``seed``. The
    accuracy on the result is the mean over the five conditions, at the cost of one.
    """
    order = np.random.default_rng(seed).permutation(len(data))
    fifths = np.array_split(order, len(SHIFTS) + 1)
    generator = torch.Generator().manual_seed(seed)
    images = data.images.clone()
    for shift, rows in zip(SHIFTS.values(), fifths[1:], strict=True):
        chosen = torch.from_numpy(rows).to(data.images.device)
        shifted = shift(as_pixels(data.images[chosen]), generator)
        images[chosen] = shifted.clamp(0, 1).mul(255).round().to(torch.uint8)
    return DeviceImages(images, data.labels)
