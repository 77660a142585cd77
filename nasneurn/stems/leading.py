"""Images of other shapes than (N, C, H, W), and tensors that only stand for images."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from nasneurn.errors import InputError

#: The greatest value of uint8, which becomes 1.
FULL = 255


def as_batch(x: Tensor) -> Tensor:
    """Images of any leading dimensions as (N, C, H, W), and uint8 as float32 from 0 to 1.

    An image (H, W) has one channel. What is (N, C, H, W) and floating point is given back itself.

    Raises:
        InputError: it is no tensor, or has fewer than two dimensions.
    """
    if not isinstance(x, Tensor):
        raise InputError(
            f"images are a {type(x).__name__}; a tensor (N, C, H, W) is needed. PIL images, and "
            "images with labels, are for nasneurn.transforms.NeuRN"
        )
    if x.ndim < 2:
        raise InputError(f"images have shape {tuple(x.shape)}; (H, W) at the least is needed")
    x = as_floats(x)
    if x.ndim == 4:
        return x
    if x.ndim == 2:
        return x[None, None]
    return x[None] if x.ndim == 3 else x.flatten(0, -4)


def like_given(answer: Tensor, given: Tensor) -> Tensor:
    """An answer (N, C, H, W) in the shape and the memory format of the images as given."""
    if given.ndim != 4:
        return answer.reshape(given.shape)
    # A compiler chooses layouts by itself, and a question about strides would bind it.
    if torch.compiler.is_compiling() or given.is_contiguous():
        return answer
    if given.is_contiguous(memory_format=torch.channels_last):
        return answer.contiguous(memory_format=torch.channels_last)
    return answer


def is_traced(x: object) -> bool:
    """Whether this only stands for images, in a trace of torch.fx."""
    return isinstance(x, torch.fx.Proxy)


def recorded(function: Callable[..., Tensor], x: Any, *options: Any) -> Tensor:
    """A call as one node of the graph that torch.fx is tracing, as torchvision's extraction does.

    What a graph holds is called as it is when the graph runs, so the kernel stays in use.

    Args:
        function: what is called.
        x: what stands for the images.
        options: the function's further arguments, in its order; from the third on by name.
    """
    named = dict(zip(list(signature(function).parameters)[2:], options[1:], strict=False))
    node: Any = x.tracer.create_proxy("call_function", function, (x, *options[:1]), named)
    return node  # type: ignore[no-any-return]


def as_floats(x: Tensor) -> Tensor:
    """Images as they are, but uint8 as float32 from 0 to 1."""
    if is_traced(x):
        return recorded(as_floats, x)
    return x.to(torch.float32) / FULL if x.dtype == torch.uint8 else x
