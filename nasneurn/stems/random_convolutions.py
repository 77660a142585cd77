"""Random convolutions: an augmentation of textures."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasneurn.errors import InputError
from nasneurn.stems.stem_checks import check_images, check_odd, widened

__all__ = ["RandomConvolution", "random_convolution"]


def random_convolution(
    x: Tensor, kernel_sizes: Sequence[int] = (1, 3, 5, 7), mix: bool = True
) -> Tensor:
    """Convolve a batch with one random kernel, and mix with the original.

    alpha * x + (1 - alpha) * conv(x, W), with alpha ~ U(0, 1), a kernel size k drawn from
    ``kernel_sizes``, W ~ N(0, 1 / (C k^2)) of C channels to C channels, and zeros outside the
    image. Without ``mix``, alpha = 0. Draws from torch's global generator.

    Source: Xu, Liu, Yang, Raffel and Niethammer, "Robust and Generalizable Visual Representation
    Learning via Random Convolutions", ICLR 2021, section 3 (RC_mix with kernels of 1 to 7).

    Args:
        x: images (N, C, H, W).
        kernel_sizes: odd sides of kernels, of which one is drawn.
        mix: whether the original is mixed in.

    Returns:
        A tensor of the shape and dtype of ``x``.

    Raises:
        InputError: for an even kernel size, none at all, or what is no floating point tensor
            (N, C, H, W).

    >>> _ = torch.manual_seed(0)
    >>> random_convolution(torch.rand(2, 3, 8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """
    check_images(x)
    _check_sizes(kernel_sizes)
    images = widened(x)
    channels = x.shape[1]
    size = kernel_sizes[int(torch.randint(len(kernel_sizes), ()))]
    weight = torch.randn(channels, channels, size, size).to(images)
    alpha = torch.rand(()).to(images) if mix else 0.0
    mixed = F.conv2d(images, weight / (size * math.sqrt(channels or 1)), padding=size // 2)
    return (alpha * images + (1 - alpha) * mixed).to(x.dtype)


def _check_sizes(sizes: object) -> None:
    if not isinstance(sizes, list | tuple) or not sizes:
        raise InputError(f"kernel_sizes is {sizes!r}; a list of odd integers is needed")
    for size in sizes:
        check_odd("kernel size", size, 1)


class RandomConvolution(nn.Module):
    """:func:`random_convolution` while training, and nothing in evaluation.

    >>> RandomConvolution().eval()(torch.ones(1, 1, 1, 1))
    tensor([[[[1.]]]])
    """

    def __init__(self, kernel_sizes: Sequence[int] = (1, 3, 5, 7), mix: bool = True) -> None:
        super().__init__()
        _check_sizes(kernel_sizes)
        if not isinstance(mix, bool):
            raise InputError(f"mix is {mix!r}; it must be true or false")
        self.kernel_sizes = tuple(kernel_sizes)
        self.mix = mix

    def forward(self, x: Tensor) -> Tensor:
        """Augment images (N, C, H, W)."""
        return random_convolution(x, self.kernel_sizes, self.mix) if self.training else x

    def extra_repr(self) -> str:
        """Options, for ``repr``."""
        return f"kernel_sizes={self.kernel_sizes}, mix={self.mix}"
