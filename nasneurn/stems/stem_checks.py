"""What every stem asks of its images and options."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nasneurn.errors import InputError


def check_images(x: Tensor) -> None:
    """Refuse what is no floating point tensor (N, C, H, W).

    Raises:
        InputError: with what it is.
    """
    if not isinstance(x, Tensor):
        raise InputError(f"images are a {type(x).__name__}; a tensor (N, C, H, W) is needed")
    if x.ndim != 4:
        raise InputError(f"images have shape {tuple(x.shape)}; four dimensions (N, C, H, W) needed")
    if not x.is_floating_point():
        raise InputError(
            f"images are {x.dtype}; a floating point tensor is needed, as by x.float()"
        )


def check_odd(name: str, value: object, least: int) -> None:
    """Refuse what is no odd integer of at least ``least``.

    Raises:
        InputError: with the name and the value.
    """
    odd = type(value) is int and value >= least and value % 2 == 1
    if not odd:
        raise InputError(f"{name} is {value!r}; it must be an odd integer of at least {least}")


def check_number(name: str, value: object, holds: Callable[[float], bool], what: str) -> None:
    """Refuse what is no finite number, or one for which ``holds`` is false.

    Raises:
        InputError: with the name, the value and ``what`` it must be.
    """
    number = isinstance(value, float | int) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and holds(value)):  # type: ignore[arg-type]
        raise InputError(f"{name} is {value!r}; it must be {what}")


def widened(x: Tensor) -> Tensor:
    """Half precision as float32, in which everything here is computed; all else as it is."""
    return x if x.dtype == torch.float64 else x.float()
