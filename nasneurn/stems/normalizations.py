"""Normalizations of contrast and brightness from the literature, NeuRN's rivals."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nasneurn.stems.leading import of_images
from nasneurn.stems.lines import gaussian
from nasneurn.stems.stem_checks import check_images, check_number, check_odd, widened


@of_images
def instance_norm(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Standardize each channel of each image: (x - mean) / sqrt(variance + eps).

    A blank channel gives exact zeros.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization: The Missing Ingredient for
    Fast Stylization", arXiv 1607.08022; here without affine parameters.

    Args:
        x: images (N, C, H, W), or as :func:`nasneurn.stems.neurn` takes them.
        eps: added to the variance; zero or more.

    Returns:
        A tensor of the shape, dtype and memory format of ``x``; float32 for uint8.

    Raises:
        InputError: for a negative ``eps``, or what is no floating point or uint8 tensor.

    >>> instance_norm(torch.tensor([[[[0.0, 2.0]]]]), eps=0.0)
    tensor([[[[-1.,  1.]]]])
    """
    check_images(x)
    check_number("eps", eps, lambda eps: eps >= 0, "zero or a positive number")
    images = widened(x)
    # From one of its own values: a blank channel is then zero before its mean can be rounded.
    images = images - images[..., :1, :1]
    centred = images - images.mean((2, 3), keepdim=True)
    variance = centred.square().mean((2, 3), keepdim=True)
    # Only eps = 0 leaves a zero to divide by.
    deviation = (variance + eps).sqrt()
    return (centred / deviation.masked_fill(deviation == 0, 1.0)).to(x.dtype)


@of_images
def local_contrast_norm(x: Tensor, size: int = 9) -> Tensor:
    """Subtractive and divisive local contrast normalization.

    v = x - G*x, then v / max(c, s) with s = sqrt(G*v^2) and c the mean of s over the image. The
    Gaussian window G (``size`` pixels wide, standard deviation size / 4) sums to one over
    all channels, which therefore share G*x and s. Where both c and s are zero, so is the answer.

    Source: Jarrett, Kavukcuoglu, Ranzato and LeCun, "What is the Best Multi-Stage Architecture
    for Object Recognition?", ICCV 2009, section 2.1. Its border is not given there; here the
    edge is repeated.

    Args:
        x: images (N, C, H, W), or as :func:`nasneurn.stems.neurn` takes them.
        size: side of the window, odd, at least 3.

    Returns:
        A tensor of the shape, dtype and memory format of ``x``; float32 for uint8.

    Raises:
        InputError: for another ``size``, or what is no floating point or uint8 tensor.

    >>> local_contrast_norm(torch.rand(1, 3, 16, 16)).shape
    torch.Size([1, 3, 16, 16])
    """
    check_images(x)
    check_odd("size", size, 3)
    if x.numel() == 0:
        return x.clone()
    images = widened(x)
    images = images - images[:, :1, :1, :1]  # a blank image is exactly zero from here on
    v = images - gaussian(images.mean(1, keepdim=True), size)
    variance = gaussian(v.square().mean(1, keepdim=True), size)
    flat = variance == 0
    deviation = variance.masked_fill(flat, 1.0).sqrt().masked_fill(flat, 0.0)
    floor = deviation.mean((1, 2, 3), keepdim=True)
    divisor = torch.maximum(deviation, floor)
    return (v / divisor.masked_fill(divisor == 0, 1.0)).to(x.dtype)


@of_images
def local_response_norm(
    x: Tensor, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide by (k + alpha * mean of squares over ``size`` neighbouring channels) ** beta.

    Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional
    Neural Networks", 2012, section 3.3, as in PyTorch, where alpha is divided by ``size``.

    Args:
        x: images (N, C, H, W), or as :func:`nasneurn.stems.neurn` takes them.
        size: number of channels, at least 1.
        alpha: weight of the mean.
        beta: exponent.
        k: what is divided by where all is zero; positive.

    Returns:
        A tensor of the shape, dtype and memory format of ``x``; float32 for uint8.

    Raises:
        InputError: for another option, or what is no floating point or uint8 tensor.

    >>> local_response_norm(torch.zeros(1, 3, 2, 2)).sum()
    tensor(0.)
    """
    check_images(x)
    check_number("size", size, lambda size: size >= 1 and size == int(size), "a positive integer")
    check_number("alpha", alpha, lambda alpha: alpha >= 0, "zero or a positive number")
    check_number("beta", beta, lambda _: True, "a number")
    check_number("k", k, lambda k: k > 0, "a positive number")
    return F.local_response_norm(widened(x), int(size), alpha, beta, k).to(x.dtype)
