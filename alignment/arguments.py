"""What a call of a PyTorch function was given: arguments by place or name, tensors in lists."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any

import torch
from torch import Tensor

#: Types that most arguments have and that hold no tensors.
_PLAIN = frozenset((int, float, bool, str, NoneType, torch.dtype, torch.device, torch.Size, slice))


def tensors_in(*values: object) -> list[Tensor]:
    """The tensors in nested arguments or results, in order."""
    found: list[Tensor] = []
    _collect(values, found)
    return found


def _collect(values: Iterable[object], found: list[Tensor]) -> None:
    for value in values:
        if type(value) in _PLAIN:
            continue
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple, set)):
            _collect(value, found)
        elif isinstance(value, Mapping):
            _collect(value.values(), found)
        elif is_dataclass(value) and not isinstance(value, type):
            _collect((getattr(value, field.name, None) for field in fields(value)), found)


def argument(
    args: Sequence[Any], kwargs: Mapping[str, Any], place: int, name: str, otherwise: Any = None
) -> Any:
    """The argument at ``place`` that is also known as ``name``; ``otherwise`` if it has none."""
    return kwargs.get(name, args[place] if len(args) > place else otherwise)


def per_dimension(value: int | Sequence[int] | None, dims: int) -> tuple[int, ...]:
    """A size as one number for each of ``dims`` dimensions; empty if there is none."""
    if value is None:
        return ()
    numbers = (value,) if isinstance(value, int) else tuple(int(part) for part in value)
    return numbers * dims if len(numbers) == 1 else numbers


def without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape, less its first dimension if that is one image."""
    return shape[1:] if shape[:1] == (1,) else shape
