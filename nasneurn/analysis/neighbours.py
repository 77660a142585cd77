"""Do the nearest say what one gains? Leave-one-out prediction, judged by permutations."""

from dataclasses import dataclass

import numpy as np

from nasneurn.analysis.mantel import PERMUTATIONS, Values, orders_of
from nasneurn.errors import InputError


@dataclass(frozen=True, eq=False)
class NeighbourTest:
    """How well the mean of the nearest predicts.

    Attributes:
        predicted: (N,), of each by its nearest.
        error: root mean square error of these.
        error_of_mean: that of the mean of all others, the rival that knows no distance.
        p: one-sided: how often permuted values are predicted with as small an error.
    """

    predicted: Values
    error: float
    error_of_mean: float
    p: float

    @property
    def explained(self) -> float:
        """1 - error^2 / error_of_mean^2: 0 is no better than the mean, below 0 is worse."""
        return 1 - (self.error / self.error_of_mean) ** 2


def neighbour_test(
    distances: Values,
    values: Values,
    neighbours: int = 3,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> NeighbourTest:
    """Predict each value by the mean of its nearest, and compare with permuted values.

    Args:
        distances: (N, N), symmetric.
        values: (N,), not all equal.
        neighbours: how many; equally far ones share what places are left.
        permutations: as of :func:`nasneurn.analysis.mantel.correlations`.
        seed: of the draws.

    Raises:
        InputError: as many neighbours as there are others, or more; fewer than one.
    """
    weights = neighbour_weights(distances, neighbours)
    count = len(values)
    rest = (1 - np.eye(count)) / (count - 1)
    orders, exact = orders_of(count, permutations, seed)
    drawn = values[orders]
    errors = _error(drawn @ weights.T, drawn)
    predicted = weights @ values
    error = float(_error(predicted, values))
    small = int((errors <= error * (1 + 1e-9)).sum())
    p = small / len(orders) if exact else (1 + small) / (1 + len(orders))
    return NeighbourTest(predicted, error, float(_error(rest @ values, values)), p)


def neighbour_weights(distances: Values, neighbours: int) -> Values:
    """(N, N), rows that sum to 1: what each other one counts in the mean of the nearest.

    Raises:
        InputError: as many neighbours as there are others, or more; fewer than one.

    >>> neighbour_weights(np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 3.0], [1.0, 3.0, 0.0]]), 1)
    array([[0. , 0.5, 0.5],
           [1. , 0. , 0. ],
           [1. , 0. , 0. ]])
    """
    count = len(distances)
    if not 1 <= neighbours < count - 1:
        raise InputError(
            f"neighbours are {neighbours}; of {count} architectures they may be 1 to {count - 2}"
        )
    others = np.round(distances, 12)
    np.fill_diagonal(others, np.inf)
    last = np.sort(others, axis=1)[:, [neighbours - 1]]
    nearer, level = others < last, others == last
    left = neighbours - nearer.sum(axis=1, keepdims=True)
    weights: Values = (nearer + level * left / level.sum(axis=1, keepdims=True)) / neighbours
    return weights


def _error(predicted: Values, values: Values) -> Values:
    found: Values = np.sqrt(np.square(predicted - values).mean(axis=-1))
    return found
