"""From NumPy to PyTorch."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch


def tensor_of(array: "npt.NDArray[Any]") -> "torch.Tensor":
    """The array as a tensor that shares its memory where that may be written.

    Arrays of Pillow, pandas, buffers and memory maps may not. PyTorch warns of such, since writing
    to the tensor would write to them; so they are copied.

    >>> tensor_of(np.frombuffer(b"ab", np.uint8)).tolist()
    [97, 98]
    """
    import torch

    return torch.from_numpy(np.require(array, requirements=["C", "W"]))
