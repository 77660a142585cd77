"""Tensors that share memory: which others change when one is overwritten."""

from collections.abc import Iterable

import numpy as np
from torch import Tensor

#: Where arrays are said to begin that nothing reads.
_ADDRESS = 1 << 12
#: Steps that the search for a common element may take; then there is said to be one.
_MOST_WORK = 10_000


def storage_of(tensor: Tensor) -> int | None:
    """A number for the memory of ``tensor``, its own while it lives; None if it has none."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):  # sparse, batched
        return None


class Aliases:
    """The tensors seen so far that may share memory."""

    def __init__(self) -> None:
        self._groups: dict[int, dict[int, Tensor]] = {}

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Take note of ``tensors``, which came from a call that gives views."""
        for tensor in tensors:
            storage = storage_of(tensor)
            if storage is not None:
                self._groups.setdefault(storage, {})[id(tensor)] = tensor

    def changed_by(self, written: Tensor) -> list[Tensor]:
        """Those that change when ``written`` is overwritten, but for itself."""
        storage = storage_of(written)
        group = self._groups.get(storage, {}) if storage is not None else {}
        others = (tensor for tensor in group.values() if tensor is not written)
        return [tensor for tensor in others if overlap(written, tensor)]


class _Outline:
    """An array for NumPy that lies in memory as ``tensor`` lies in its storage; never read."""

    def __init__(self, tensor: Tensor) -> None:
        size = tensor.element_size()
        self.__array_interface__ = {
            "version": 3,
            "typestr": f"|V{size}",
            # Not 0, which NumPy takes for no memory.
            "data": (_ADDRESS + tensor.storage_offset() * size, True),
            "shape": tuple(tensor.shape),
            "strides": tuple(stride * size for stride in tensor.stride()),
        }


def overlap(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors of one storage have an element in common.

    >>> import torch
    >>> pairs = torch.zeros(4, 2)
    >>> overlap(pairs[:, 0], pairs[:, 1]), overlap(pairs[:, 0], pairs[2])
    (False, True)
    """
    one, other = np.asarray(_Outline(first)), np.asarray(_Outline(second))
    try:
        # NumPy's stubs know none but the two special limits.
        return bool(np.shares_memory(one, other, max_work=_MOST_WORK))  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def covers(written: Tensor, tensor: Tensor) -> bool:
    """Whether ``written`` certainly has every element of ``tensor``, of the same storage."""
    whole: int = written.untyped_storage().nbytes()
    return written.numel() * written.element_size() == whole or bool(
        written.storage_offset() == tensor.storage_offset()
        and written.shape == tensor.shape
        and written.stride() == tensor.stride()
    )
