"""What all spaces have in common: labelled choices, architectures, and the path of a supernet.

What a space may define beside its forward:

- ``initialize()`` draws all its weights; it is called again when the space becomes a supernet.
- ``canonical(architecture)`` gives the one name of a network that several architectures describe.
- ``cost(architecture)`` gives the :class:`search_spaces.costs.Cost` of a network without its stem.
- an argument ``stem``, see :mod:`search_spaces.stem_choice`.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from nni.nas.nn.pytorch import ModelSpace
from torch import nn

from search_spaces.checks import suggestion
from search_spaces.errors import SpaceError
from search_spaces.nni_fixes import frozen, take_path

__all__ = [
    "Architecture",
    "Choices",
    "ModelSpace",
    "activate",
    "arguments_of",
    "canonical_form",
    "checked_architecture",
    "choices",
    "covering_architectures",
    "draw_architecture",
    "freeze",
]

#: One architecture: the chosen value of every choice, by label.
Architecture = dict[str, Any]

#: The values of every choice of a space, by label.
Choices = Mapping[str, Sequence[Any]]


def choices(space: ModelSpace) -> dict[str, tuple[Any, ...]]:
    """The values of every choice of a space, by label."""
    return {label: tuple(mutable.grid()) for label, mutable in space.simplify().items()}


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


def covering_architectures(
    values: Choices, *, rounds: int = 1, most: int = 16
) -> list[Architecture]:
    """Some architectures that together have every value of every choice, once in each round.

    Of a choice with more than ``most`` values, so many. Each round pairs the values of two choices
    in another way.
    """
    longest = min(most, max(map(len, values.values()), default=1))
    return [
        {
            label: options[(number + turn * place) % len(options)]
            for place, (label, options) in enumerate(values.items())
        }
        for turn in range(1, rounds + 1)
        for number in range(longest)
    ]


def checked_architecture(values: Choices, architecture: Mapping[str, Any]) -> Architecture:
    """The architecture, in the order of a space's choices, with a value of each and no other.

    Args:
        values: what :func:`choices` gives for the space.
        architecture: a value for each label.

    Raises:
        SpaceError: it lacks a choice, names one that the space has not, or a value that is no
            option.
    """
    if not isinstance(architecture, Mapping):
        raise SpaceError(f"an architecture is a mapping of labels to values, not {architecture!r}")
    for label in values:
        if label not in architecture:
            raise SpaceError(f"the architecture has no value for the choice {label!r}")
    for label, value in architecture.items():
        if label not in values:
            raise SpaceError(
                f"the architecture names {label!r}, which is no choice of the space"
                f"{suggestion(label, values)}"
            )
        if value not in values[label]:
            listed = ", ".join(map(repr, values[label]))
            raise SpaceError(f"{label} is {value!r}, must be one of {listed}")
    # The space's own values: a file may have 64.0 for 64.
    return {label: options[options.index(architecture[label])] for label, options in values.items()}


def canonical_form(space: ModelSpace) -> Callable[[Architecture], Architecture]:
    """The one name of a network among several: the space's own rule, if it has one."""
    rule: Callable[[Architecture], Architecture] = getattr(space, "canonical", dict)
    return rule


def arguments_of(space: type[ModelSpace]) -> tuple[str, ...]:
    """Names of the arguments that a space is constructed with; NNI wraps the constructor."""
    return tuple(inspect.signature(getattr(space, "_init_wrapped", space.__init__)).parameters)[1:]


def activate(supernet: ModelSpace, architecture: Mapping[str, Any]) -> None:
    """Make ``architecture`` the path that a supernet's forward takes from now on.

    Raises:
        SpaceError: it is no architecture of this space. NNI would draw at random what it lacks.
    """
    take_path(supernet, checked_architecture(choices(supernet), architecture))


def freeze(space: ModelSpace, architecture: Mapping[str, Any]) -> nn.Module:
    """The network of an architecture, which may share weights with the space.

    Raises:
        SpaceError: it is no architecture of this space.
    """
    return frozen(space, checked_architecture(choices(space), architecture))
