"""Stems that work on colours alone."""

from torch import Tensor

from nasneurn.errors import InputError
from nasneurn.stems.leading import of_images
from nasneurn.stems.stem_checks import check_images, widened


@of_images
def grey(x: Tensor) -> Tensor:
    """Luma 0.299 R + 0.587 G + 0.114 B in all three channels.

    Source: ITU-R BT.601.

    Args:
        x: images (N, 3, H, W), or (N, 1, H, W), which are returned as they are; or of such
            channels as :func:`nasneurn.stems.neurn` takes them.

    Returns:
        A tensor of the shape, dtype and memory format of ``x``; float32 for uint8.

    Raises:
        InputError: for another number of channels.

    >>> import torch
    >>> grey(torch.ones(1, 3, 2, 2))[0, :, 0, 0]
    tensor([1., 1., 1.])
    """
    check_images(x)
    if x.shape[1] == 1:
        return x
    if x.shape[1] != 3:
        raise InputError(f"images have {x.shape[1]} channels; grey needs 1 or 3 (red, green, blue)")
    red, green, blue = widened(x).unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma.unsqueeze(1).repeat(1, 3, 1, 1).to(x.dtype)
