"""Stems that answer with edges."""

from torch import Tensor

from nasneurn.stems.leading import of_images
from nasneurn.stems.lines import filter_line
from nasneurn.stems.stem_checks import check_images, widened


@of_images
def sobel(x: Tensor) -> Tensor:
    """Gradient magnitude of each channel, sqrt(gx^2 + gy^2), with the edge repeated.

    gx is the slope (-1, 0, 1) / 2 along rows, smoothed by (1, 2, 1) / 4 across them; gy the same
    with rows and columns exchanged. A ramp of slope one gives one.

    Source: Sobel and Feldman, "A 3x3 Isotropic Gradient Operator for Image Processing", 1968.

    Args:
        x: images (N, C, H, W), or as :func:`nasneurn.stems.neurn` takes them.

    Returns:
        A tensor of the shape, dtype and memory format of ``x``; float32 for uint8.

    Raises:
        InputError: for what is no floating point or uint8 tensor.

    >>> import torch
    >>> sobel(torch.arange(5.0).expand(1, 1, 5, 5))[0, 0, 2]
    tensor([0.5000, 1.0000, 1.0000, 1.0000, 0.5000])
    """
    check_images(x)
    if x.numel() == 0:
        return x.clone()
    images = widened(x)
    smooth, slope = (0.25, 0.5, 0.25), (-0.5, 0.0, 0.5)
    gx = filter_line(filter_line(images, slope, 3), smooth, 2)
    gy = filter_line(filter_line(images, slope, 2), smooth, 3)
    squared = gx.square() + gy.square()
    flat = squared == 0
    # The square root's slope at zero is infinite: keep it out of the gradient.
    return squared.masked_fill(flat, 1.0).sqrt().masked_fill(flat, 0.0).to(x.dtype)
