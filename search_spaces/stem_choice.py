"""What stands in front of a space: one stem, or a choice among several."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, cast

from nni.nas.nn.pytorch import LayerChoice
from torch import Tensor, nn

from search_spaces.errors import SpaceError
from search_spaces.interface import Architecture, ModelSpace, canonical_form

#: No stem, one, or several by name.
Stem = nn.Module | Mapping[str, nn.Module] | None

#: The label of the choice among several stems.
STEM_LABEL = "stem"


def stem_module(stem: Stem) -> nn.Module:
    """The module that applies ``stem``; several are a choice of the space, labelled ``stem``.

    To be called while a space is constructed, as any of NNI's choices. The space has stems of its
    own, copied, since it may move to another device than the ones given.

    Raises:
        SpaceError: it is no stem, or a mapping that cannot be chosen from.
    """
    if stem is None:
        return nn.Identity()
    if isinstance(stem, nn.Module):
        return copy.deepcopy(stem)
    if not isinstance(stem, Mapping) or not stem:
        raise SpaceError(f"stem is {stem!r}, must be None, a module, or modules by name")
    for name, module in stem.items():
        if not isinstance(module, nn.Module):
            raise SpaceError(f"stem {name!r} is {module!r}, must be a module")
        # The names become attributes of a module.
        if not isinstance(name, str) or not name or "." in name or hasattr(LayerChoice, name):
            raise SpaceError(
                f"{name!r} cannot name a stem: it holds a dot, or is a name that PyTorch uses"
            )
    choice: nn.Module = LayerChoice(copy.deepcopy(dict(stem)), label=STEM_LABEL)
    return choice


class Stemmed(ModelSpace):
    """Any space with a stem in front, for spaces that do not take one themselves.

    What the space itself defines (``initialize``, ``canonical``, ``cost``, hooks for NNI) is asked
    of it, with architectures that have no stem.

    Args:
        build: makes the space; called once.
        stem: what is in front of it.
    """

    def __init__(self, build: Callable[[], ModelSpace], stem: Stem) -> None:
        super().__init__()
        self.stem = stem_module(stem)
        self.space = build()
        if hasattr(self.space, "cost"):
            self.cost = self._cost  # only then has this space a formula

    def initialize(self) -> None:
        """Draw the weights of the space anew, if it has a way of its own."""
        if hasattr(self.space, "initialize"):
            self.space.initialize()

    def canonical(self, architecture: Architecture) -> Architecture:
        """The one name of a network among several, by the space's own rule where it has one."""
        named = canonical_form(self.space)(without_stem(architecture))
        return {label: named.get(label, value) for label, value in architecture.items()}

    def extra_oneshot_hooks(self, strategy: object) -> list[Callable[..., Any]]:
        """What the space asks of NNI, and that NNI takes the space for the outermost one."""
        hooks: list[Callable[..., Any]] = [lambda module, *_: module is self.space]
        if hasattr(self.space, "extra_oneshot_hooks"):
            hooks += self.space.extra_oneshot_hooks(strategy)
        return hooks

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, classes)."""
        return cast(Tensor, self.space(self.stem(x)))

    def _cost(self, architecture: Architecture) -> Any:
        return self.space.cost(without_stem(architecture))


def without_stem(architecture: Mapping[str, Any]) -> Architecture:
    """An architecture without its choice of a stem, where it has one."""
    return {label: value for label, value in architecture.items() if label != STEM_LABEL}
