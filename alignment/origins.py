"""Where tensors come from: the layers that made them, or the parameters they were made of."""

from collections.abc import Iterable

from torch import Tensor, nn


class Origins:
    """What is known of each tensor of one run of a model.

    Tensors are told apart by their ids. An id is a tensor's own only while it lives, so all are
    kept alive; on the meta device that costs no memory.
    """

    def __init__(self, model: nn.Module, image: Tensor) -> None:
        self._sources: dict[int, frozenset[int]] = {id(image): frozenset()}
        self._channels: dict[int, int] = {id(image): int(image.shape[1])}
        self._constants: dict[int, frozenset[str]] = {}
        self._sizes: dict[str, int] = {}
        self._alive: list[object] = [image]
        for name, parameter in model.named_parameters():
            self._constants[id(parameter)] = frozenset((name,))
            self._sizes[name] = parameter.numel()

    def is_data(self, tensor: Tensor) -> bool:
        """Whether ``tensor`` was computed from the image."""
        return id(tensor) in self._sources

    def is_constant(self, tensor: Tensor) -> bool:
        """Whether ``tensor`` was computed from parameters alone."""
        return id(tensor) in self._constants

    def sources_of(self, tensors: Iterable[Tensor]) -> frozenset[int]:
        """The layers that gave ``tensors``, which were computed from the image."""
        return frozenset[int]().union(*(self._sources[id(tensor)] for tensor in tensors))

    def channels_of(self, tensor: Tensor) -> int:
        """The channels of a tensor that was computed from the image."""
        return self._channels[id(tensor)]

    def parameters_of(self, *tensors: Tensor | None) -> frozenset[str]:
        """The parameters from which alone some of ``tensors`` were computed."""
        none = frozenset[str]()
        return none.union(*(self._constants.get(id(tensor), none) for tensor in tensors))

    def keep(self, *tensors: object) -> None:
        """Keep alive, so that no later tensor is taken for one of these."""
        self._alive.append(tensors)

    def note_data(self, tensors: Iterable[Tensor], sources: frozenset[int], channels: int) -> None:
        """Take down that ``tensors`` came from these layers."""
        for tensor in tensors:
            self._sources[id(tensor)] = sources
            self._channels[id(tensor)] = channels

    def note_constants(self, tensors: Iterable[Tensor], parameters: frozenset[str]) -> None:
        """Take down that ``tensors`` were computed from these parameters alone."""
        for tensor in tensors:
            self._constants[id(tensor)] = parameters

    def count_once(self, parameters: Iterable[str]) -> int:
        """How many numbers ``parameters`` hold, of those not counted before."""
        # Sorted: a set of strings has another order in every process.
        new = sorted(name for name in parameters if name in self._sizes)
        return sum(self._sizes.pop(name) for name in new)
