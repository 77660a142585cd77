"""Bringing batches of small images to one size and to three channels."""

from typing import Any

import numpy as np
import numpy.typing as npt


def zero_pad(images: npt.NDArray[Any], margin: int) -> npt.NDArray[Any]:
    """Surround each image of (N, H, W) or (N, H, W, C) with ``margin`` black pixels."""
    widths = [(0, 0), (margin, margin), (margin, margin)] + [(0, 0)] * (images.ndim - 3)
    return np.pad(images, widths)


def resize(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Stretch uint8 (N, H, W) or (N, H, W, 3) to ``size`` x ``size``; as it is if already so.

    Bilinear; when shrinking, the filter widens with the scale, so that nothing aliases (Pillow's
    ``BILINEAR``).
    """
    if images.shape[1:3] == (size, size):
        return images
    from PIL import Image

    resized = np.empty((len(images), size, size, *images.shape[3:]), dtype=np.uint8)
    for row, image in enumerate(images):
        drawn = Image.fromarray(np.ascontiguousarray(image))
        resized[row] = np.asarray(drawn.resize((size, size), Image.Resampling.BILINEAR))
    return resized


def three_channels(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Repeat grey (N, H, W) three times; (N, H, W, 3) is returned as it is."""
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=-1)
