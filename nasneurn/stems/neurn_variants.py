"""NeuRN in other forms: of grey images, at several scales, before and after enlarging."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from nasneurn.choices import check_known
from nasneurn.errors import InputError
from nasneurn.stems.colour import grey
from nasneurn.stems.leading import of_images
from nasneurn.stems.neural_response import Mode, neurn
from nasneurn.stems.stem_checks import check_images, check_number, widened

_ORDERS = ("before", "after")
_WAYS = {
    "nearest": {"mode": "nearest-exact"},
    "bilinear": {"mode": "bilinear", "align_corners": False},
}
_JOINS = ("mean", "maximum")


@of_images
def neurn_grey(x: Tensor, k: int = 3, mode: Mode = "contrast") -> Tensor:
    """NeuRN of the grey image: neurn(grey(x)), the same in every channel.

    Args:
        x: images (N, 3, H, W) or (N, 1, H, W), or of such channels as
            :func:`nasneurn.stems.neurn` takes them.
        k, mode: those of :func:`nasneurn.stems.neurn`.

    Returns:
        A tensor of the shape, dtype and memory format of ``x``; float32 for uint8.

    Raises:
        InputError: for another option, or another number of channels.
    """
    return neurn(grey(x), k, mode=mode)


@of_images
def neurn_resized(
    x: Tensor,
    side: int = 16,
    order: str = "before",
    by: str = "nearest",
    k: int = 3,
    mode: Mode = "contrast",
) -> Tensor:
    """Images shrunk to ``side`` pixels and enlarged again, with NeuRN before or after enlarging.

    Shrinking is by the mean of areas. Both orders see the same pixels, so they differ in what
    enlarging does to NeuRN alone: after nearest neighbours a patch that lies within one enlarged
    pixel is blank, and edges are steps. In arXiv 2505.06881 the figure of USPS shows such steps.

    Args:
        x: images (N, C, H, W), or as :func:`nasneurn.stems.neurn` takes them.
        side: of the small image; what is no larger already keeps its size.
        order: NeuRN ``before`` enlarging, or ``after`` it.
        by: how it is enlarged: ``nearest`` or ``bilinear``.
        k, mode: those of :func:`nasneurn.stems.neurn`.

    Returns:
        A tensor of the shape, dtype and memory format of ``x``; float32 for uint8.

    Raises:
        InputError: for another option.
    """
    check_images(x)
    check_known("order", order, _ORDERS)
    check_known("by", by, _WAYS)
    check_number("side", side, lambda side: side >= 2 and side == int(side), "an integer from 2 up")
    if x.numel() == 0:
        return neurn(x, k, mode=mode)
    height, width = x.shape[2:]
    least = (min(int(side), height), min(int(side), width))
    small = F.interpolate(widened(x), size=least, mode="area")
    if order == "before":
        small = neurn(small, k, mode=mode)
    large = F.interpolate(small, size=(height, width), **_WAYS[by])  # type: ignore[arg-type]
    if order == "after":
        large = neurn(large, k, mode=mode)
    return large.to(x.dtype)


@of_images
def neurn_scales(
    x: Tensor, k: Sequence[int] = (3, 5, 9), by: str = "mean", mode: Mode = "contrast"
) -> Tensor:
    """The mean or the maximum of NeuRN with patches of several sides, each with its own c.

    Args:
        x: images (N, C, H, W), or as :func:`nasneurn.stems.neurn` takes them.
        k: sides of patches, one or more.
        by: ``mean`` or ``maximum``.
        mode: that of :func:`nasneurn.stems.neurn`.

    Returns:
        A tensor of the shape, dtype and memory format of ``x``; float32 for uint8.

    Raises:
        InputError: for another option.
    """
    check_images(x)
    check_known("by", by, _JOINS)
    if not isinstance(k, list | tuple) or not k:
        raise InputError(f"k is {k!r}; it must be a list of odd integers, such as [3,5,9]")
    answers = torch.stack([neurn(widened(x), side, mode=mode) for side in k])
    return (answers.mean(0) if by == "mean" else answers.amax(0)).to(x.dtype)
