"""The architecture that is least by some measure, choice by choice."""

from collections.abc import Callable
from typing import Any

from search_spaces.interface import Architecture, Choices

#: Sweeps over all choices; a space whose choices act alone is done after one.
SWEEPS = 10


def least(values: Choices, measure: Callable[[Architecture], Any]) -> Architecture:
    """The architecture of the least ``measure`` that no change of one choice lowers.

    Coordinate descent: each choice in turn takes its best value, all others being as they are,
    until a whole sweep changes nothing. That is exact where choices act alone, and also where one
    decides whether others count (a depth, and the choices of the layers beyond it): these are
    looked at again in the next sweep. It starts from all first values and from all last values,
    and the better end is taken; of equal values the earlier stays.

    Args:
        values: the options of each choice.
        measure: what to lower; a number, or a tuple of them.
    """
    known: dict[str, Any] = {}

    def measured(architecture: Architecture) -> Any:
        key = str(architecture)
        if key not in known:
            known[key] = measure(architecture)
        return known[key]

    ends = []
    for place in (0, -1):
        best = {label: options[place] for label, options in values.items()}
        for _ in range(SWEEPS):
            before = measured(best)
            for label, options in values.items():
                changed = [{**best, label: value} for value in options]
                best = min([best, *changed], key=measured)
            if measured(best) == before:
                break
        ends.append(best)
    return min(ends, key=measured)
