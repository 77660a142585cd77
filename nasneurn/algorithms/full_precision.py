"""What is computed in the images' own precision, whatever that of the training."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
P = ParamSpec("P")
Made = TypeVar("Made")


def augmenting(
    method: Callable[Concatenate[T, Tensor, P], Made],
) -> Callable[Concatenate[T, Tensor, P], Made]:
    """A method of images that is outside of autocast and of gradients."""

    @wraps(method)
    def outside(self: T, images: Tensor, *rest: P.args, **options: P.kwargs) -> Made:
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return method(self, images, *rest, **options)

    return outside  # type: ignore[return-value]  # wraps names the first argument
