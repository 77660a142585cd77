"""What all spaces have in common: labelled choices, architectures, and the path of a supernet."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from nni.nas.nn.pytorch import ModelSpace
from torch import nn

from search_spaces.nni_fixes import take_path

__all__ = [
    "Architecture",
    "ModelSpace",
    "activate",
    "arguments_of",
    "canonical_form",
    "choices",
    "draw_architecture",
]

#: One architecture: the chosen value of every choice, by label.
Architecture = dict[str, Any]


def draw_architecture(space: ModelSpace, *stream: int) -> Architecture:
    """Draw one architecture uniformly; the same ``stream`` of integers gives the same one.

    NNI draws each choice from a fresh, unseeded ``RandomState``.
    """
    words = np.random.SeedSequence(stream).generate_state(8)
    state = np.random.RandomState(words)  # what NNI's mutables take
    drawn: Architecture = {}
    for mutable in space.simplify().values():
        mutable.random(drawn, state)
    return drawn


def choices(space: ModelSpace) -> dict[str, tuple[Any, ...]]:
    """The values of every choice of a space, by label."""
    return {label: tuple(mutable.grid()) for label, mutable in space.simplify().items()}


def canonical_form(space: ModelSpace) -> Callable[[Architecture], Architecture]:
    """The one name of a network among several: the space's own rule, if it has one."""
    rule: Callable[[Architecture], Architecture] = getattr(space, "canonical", dict)
    return rule


def arguments_of(space: type[ModelSpace]) -> tuple[str, ...]:
    """Names of the arguments that a space is constructed with; NNI wraps the constructor."""
    return tuple(inspect.signature(getattr(space, "_init_wrapped", space.__init__)).parameters)[1:]


def activate(supernet: nn.Module, architecture: Mapping[str, Any]) -> None:
    """Make ``architecture`` the path that a supernet's forward takes from now on."""
    take_path(supernet, architecture)
