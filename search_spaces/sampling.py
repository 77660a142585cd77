"""Which path a supernet trains on in each batch: uniform, strictly fair, or sandwich sampling.

A rule is a function of the number of the batch, so that a training that is continued takes the
paths that it would have taken, and all ranks of a distributed one take the same path.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from search_spaces.costs import Costs
from search_spaces.errors import SpaceError
from search_spaces.interface import Architecture, ModelSpace, choices, draw_architecture

#: The path of a batch, by its number.
PathRule = Callable[[int], Architecture]


def uniform(space: ModelSpace, seed: int, costs: Costs, accumulate: int) -> PathRule:
    """Every path with the same probability (Guo et al., ECCV 2020, section 3.2)."""
    return lambda batch: draw_architecture(space, seed, batch)


def fair(space: ModelSpace, seed: int, costs: Costs, accumulate: int) -> PathRule:
    """Every value of a choice once in as many batches as the choice has values, in random order.

    With ``accumulate`` equal to that number this is strict fairness (Chu et al., "FairNAS", ICCV
    2021, section 3.2), each path on a batch of its own: the values of a choice are trained equally
    often at every step.
    """
    values = choices(space)

    def path(batch: int) -> Architecture:
        drawn: Architecture = {}
        for place, (label, options) in enumerate(values.items()):
            round_, position = divmod(batch, len(options))
            order = np.random.default_rng([seed, place, round_]).permutation(len(options))
            drawn[label] = options[order[position]]
        return drawn

    return path


def sandwich(space: ModelSpace, seed: int, costs: Costs, accumulate: int) -> PathRule:
    """In each step the costliest path, the cheapest, and uniform ones (Yu & Huang, ICCV 2019).

    ``accumulate`` is 3 or more, to hold them. Costliest and cheapest are choice by choice, all
    others being equal.

    Raises
    ------
    SpaceError
        If a step has fewer than three batches.
    """
    if accumulate < 3:
        raise SpaceError(
            f"sandwich sampling needs 3 or more batches in a step: accumulate is {accumulate}"
        )
    cheapest, costliest = extremes(choices(space), costs)

    def path(batch: int) -> Architecture:
        place = batch % accumulate
        if place < 2:
            return dict((costliest, cheapest)[place])
        return draw_architecture(space, seed, batch)

    return path


def extremes(
    values: Mapping[str, Sequence[Any]], costs: Costs
) -> tuple[Architecture, Architecture]:
    """The paths of the values that cost least, and most, in each choice."""
    first = {label: options[0] for label, options in values.items()}

    def flops(label: str, value: Any) -> int:
        return costs({**first, label: value}).flops

    # A choice that the first values leave without effect (that of a layer beyond the depth, say)
    # keeps the order of its values.
    ranked = {
        label: sorted(options, key=lambda value, label=label: flops(label, value))  # type: ignore[misc]
        for label, options in values.items()
    }
    cheapest = {label: order[0] for label, order in ranked.items()}
    costliest = {label: order[-1] for label, order in ranked.items()}
    return cheapest, costliest


RULES: dict[str, Callable[[ModelSpace, int, Costs, int], PathRule]] = {
    "uniform": uniform,
    "fair": fair,
    "sandwich": sandwich,
}


def path_rule(
    name: str, space: ModelSpace, *, seed: int, costs: Costs, accumulate: int
) -> PathRule:
    """The rule of that name for a space.

    Parameters
    ----------
    accumulate:
        Batches in a step.

    Raises
    ------
    SpaceError
        If there is no such rule, or it does not fit the steps.
    """
    if name not in RULES:
        near = difflib.get_close_matches(name, RULES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise SpaceError(f"sampling is {name!r}, must be one of {', '.join(RULES)}{hint}")
    return RULES[name](space, seed, costs, accumulate)
