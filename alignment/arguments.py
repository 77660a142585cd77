"""What a call of a PyTorch function was given: arguments by place or name, tensors in lists."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor


def tensors_in(value: object) -> Iterable[Tensor]:
    """The tensors in nested arguments or results, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors_in(part)


def argument(args: Sequence[Any], kwargs: Mapping[str, Any], place: int, name: str) -> Any:
    """The argument at ``place`` that is also known as ``name``; None if it was not given."""
    return kwargs.get(name, args[place] if len(args) > place else None)


def per_dimension(value: int | Sequence[int] | None, dims: int) -> tuple[int, ...]:
    """A size as one number for each of ``dims`` dimensions; empty if there is none."""
    if value is None:
        return ()
    numbers = (value,) if isinstance(value, int) else tuple(int(part) for part in value)
    return numbers * dims if len(numbers) == 1 else numbers


def without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape, less its first dimension if that is one image."""
    return shape[1:] if shape[:1] == (1,) else shape
