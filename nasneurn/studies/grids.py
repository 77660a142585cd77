"""Grids: products of axes, and several of them as one study."""

from collections.abc import Sequence
from typing import Any, Self

from nasneurn.choices import Choice
from nasneurn.configuration import Settings
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.places import FRONT, Placement
from nasneurn.networks.weights import WeightsChoice
from nasneurn.plain_values import Name, Seed, Some


class Grid(Settings):
    """Each (seed, architecture, weights, source, stem, placement, algorithm) is one training."""

    architectures: Some[Architecture]
    weights: Some[WeightsChoice] = (WeightsChoice(),)
    stems: Some[Choice]
    placements: Some[Placement] = (FRONT,)
    algorithms: Some[Choice] = (Choice(name="erm"),)
    sources: Some[Name]
    seeds: Some[Seed]

    @classmethod
    def of(cls, study: Any) -> Self:
        """The axes that a study has."""
        return cls(**{axis: getattr(study, axis) for axis in GRID_AXES})

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """The values of each axis."""
        return {axis: getattr(self, axis) for axis in GRID_AXES}

    def joined(self, other: Self) -> Self | None:
        """Both as one product; None where they are none, since that would hold more than both."""
        mine, its = self.axes, other.axes
        pairs = [(set(mine[axis]), set(its[axis])) for axis in GRID_AXES]
        one_differs = sum(one != another for one, another in pairs) <= 1
        holds = all(one >= another for one, another in pairs)
        is_held = all(one <= another for one, another in pairs)
        if not (one_differs or holds or is_held):
            return None
        longer = {axis: tuple(dict.fromkeys((*mine[axis], *its[axis]))) for axis in GRID_AXES}
        return self.model_copy(update=longer)


#: The axes by name.
GRID_AXES = tuple(Grid.model_fields)


def grown(grids: Sequence[Grid], more: Sequence[Grid]) -> tuple[Grid, ...]:
    """The grids with others, which lengthen one of them where both are one product."""
    whole = list(grids)
    for grid in more:
        for place, one in enumerate(whole):
            if (joined := one.joined(grid)) is not None:
                whole[place] = joined
                break
        else:
            whole.append(grid)
    return tuple(whole)
