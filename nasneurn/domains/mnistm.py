"""The recipe of MNIST-M: a digit inverts the photo it is laid on.

Source: Ganin et al., Domain-Adversarial Training of Neural Networks, JMLR 17 (2016), which lays
MNIST on crops of the BSDS500 photos of Arbelaez et al. (2011).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


def invert_by_digits(digits: Bytes, patches: Bytes) -> Bytes:
    """Compute ``|patch - digit|`` in each channel.

    Args:
        digits: uint8 (N, H, W), white on black.
        patches: uint8 (N, H, W, 3).

    Returns:
        uint8 (N, H, W, 3).
    """
    lighter, darker = np.maximum(patches, digits[..., None]), np.minimum(patches, digits[..., None])
    return lighter - darker


def random_patches(
    photos: Sequence[Bytes], n: int, size: int, random: np.random.Generator
) -> Bytes:
    """Cut ``n`` squares of ``size`` pixels at random places of random photos.

    Each photo is uint8 (H, W, 3), and no side of it may be below ``size``. Returns uint8 of shape
    (n, ``size``, ``size``, 3).
    """
    patches = np.empty((n, size, size, 3), dtype=np.uint8)
    for row, photo in enumerate(random.integers(len(photos), size=n)):
        chosen: npt.NDArray[Any] = photos[photo]
        top = random.integers(chosen.shape[0] - size + 1)
        left = random.integers(chosen.shape[1] - size + 1)
        patches[row] = chosen[top : top + size, left : left + size]
    return patches
