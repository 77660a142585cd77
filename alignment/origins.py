"""Where tensors come from: the layers that made them, or the parameters they were made of."""

import gc
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from alignment.aliases import storage_of


class Origin(NamedTuple):
    """What is known of a tensor.

    Attributes:
        sources: the layers that gave it; None if it was not computed from the image.
        parameters: from which alone it was computed, if it was not computed from the image.
        channels: of a tensor that was computed from the image.
        axis: the dimension that they lie along; None if nothing tells.
        unseen: whether nothing that can be seen made it: it came from outside of PyTorch.
        blank: whether its memory was never written: who reads it reads what something unseen wrote.
    """

    sources: frozenset[int] | None = None
    parameters: frozenset[str] = frozenset()
    channels: int = 0
    axis: int | None = None
    unseen: bool = False
    blank: bool = False

    @property
    def is_data(self) -> bool:
        """Whether the tensor was computed from the image."""
        return self.sources is not None


#: Of a tensor of numbers that were there before the run, or came from none.
CONSTANT = Origin()
UNSEEN = Origin(unseen=True)


class Origins:
    """What is known of each tensor of one run of a model.

    Tensors are told apart by their ids. An id is a tensor's own only while it lives, so all are
    kept alive; on the meta device that costs no memory.
    """

    def __init__(self, model: nn.Module, image: Tensor) -> None:
        self._known: dict[int, Origin] = {}
        self._alive: dict[int, Tensor] = {}
        self._sizes: dict[str, int] = {}
        #: The tensors that lived when values first left PyTorch; None if none have. They are kept
        #: alive, or a new one might have the id of one that is gone.
        self._lived: dict[int, Tensor] | None = None
        for name, parameter in model.named_parameters():
            self.note(parameter, Origin(parameters=frozenset((name,))))
            self._sizes[name] = parameter.numel()
        for buffer in model.buffers():
            self.note(buffer, CONSTANT)
        self.note(image, Origin(frozenset(), channels=int(image.shape[1]), axis=1))

    def of(self, tensor: Tensor) -> Origin:
        """What is known of ``tensor``."""
        origin = self._known.get(id(tensor))
        if origin is None:
            origin = self._find(tensor)
            self.note(tensor, origin)
        return origin

    def seen(self, tensor: Tensor) -> bool:
        """Whether anything was noted of ``tensor``."""
        return id(tensor) in self._known

    def is_data(self, tensor: Tensor) -> bool:
        """Whether ``tensor`` was noted as computed from the image."""
        origin = self._known.get(id(tensor))
        return origin is not None and origin.is_data

    def parameters_of(self, *tensors: Tensor | None) -> frozenset[str]:
        """The parameters from which alone some of ``tensors`` were computed."""
        given = (self.of(tensor) for tensor in tensors if tensor is not None)
        return frozenset[str]().union(*(origin.parameters for origin in given))

    def note(self, tensor: Tensor, origin: Origin) -> None:
        """Take down where ``tensor`` comes from."""
        self._known[id(tensor)] = origin
        self._alive[id(tensor)] = tensor

    def values_leave(self) -> None:
        """Take note that values of data leave PyTorch: what comes back may be made of them."""
        if self._lived is None:
            # Asking an object for its class may run its code, asking for its type does not.
            tensors = [one for one in gc.get_objects() if issubclass(type(one), Tensor)]
            self._lived = {id(one): one for one in tensors}

    def count_once(self, parameters: Iterable[str]) -> int:
        """How many numbers ``parameters`` hold, of those not counted before."""
        # Sorted: a set of strings has another order in every process.
        new = sorted(name for name in parameters if name in self._sizes)
        return sum(self._sizes.pop(name) for name in new)

    def _find(self, tensor: Tensor) -> Origin:
        """What is known of a tensor that no call gave."""
        if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
            inner = self.of(torch._C._functorch.get_unwrapped(tensor))
            return inner._replace(axis=None)  # a mapped dimension is not there
        storage = storage_of(tensor)
        if storage is not None:
            for key, other in self._alive.items():
                if storage_of(other) == storage:
                    return self._known[key]
        if self._lived is not None and id(tensor) not in self._lived:
            return UNSEEN
        return CONSTANT
