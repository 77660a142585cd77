"""Which path a supernet trains on in each batch: uniform, strictly fair, or sandwich sampling.

A rule is a function of the number of the batch, so that a training that is continued takes the
paths that it would have taken, and all ranks of a distributed one take the same path.
"""

from collections.abc import Callable

import numpy as np

from search_spaces.checks import known
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

    ``accumulate`` is 3 or more, to hold them. Cost is counted in multiply-adds, then parameters.

    Raises:
        SpaceError: a step has fewer than three batches.
    """
    if accumulate < 3:
        raise SpaceError(
            f"sandwich sampling needs 3 or more batches in a step: accumulate is {accumulate}"
        )
    cheapest, costliest = costs.extremes

    def path(batch: int) -> Architecture:
        place = batch % accumulate
        if place < 2:
            return dict((costliest, cheapest)[place])
        return draw_architecture(space, seed, batch)

    return path


RULES: dict[str, Callable[[ModelSpace, int, Costs, int], PathRule]] = {
    "uniform": uniform,
    "fair": fair,
    "sandwich": sandwich,
}


def path_rule(
    name: str, space: ModelSpace, *, seed: int, costs: Costs, accumulate: int
) -> PathRule:
    """The rule of that name for a space.

    Args:
        name: one of :data:`RULES`.
        space: what is sampled.
        seed: of the draws.
        costs: what the space's architectures cost; only sandwich sampling asks.
        accumulate: batches in a step.

    Raises:
        SpaceError: there is no such rule, or it does not fit the steps.
    """
    return RULES[known("sampling", name, RULES)](space, seed, costs, accumulate)
