"""How often Mantel's test finds a relation that is there, by simulation.

What is planted: profiles that lie partly where one's distances put them, and partly where chance
does. Squares of Euclidean distances add up over independent coordinates, so planted distances are
roots of a mix of the squares of both. The part of chance is the measured distances themselves, of
architectures in random order: they keep their shape, and lose any relation. The mix is chosen such
that the mean correlation over the simulations is the planted one.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nasneurn.analysis.mantel import Values, in_orders, orders_of, pairs_of, unit

PLANTED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
RUNS = 400
PERMUTATIONS = 1_999

#: Simulations by which a mix is found, and in how many halvings.
_TRIED, _HALVINGS = 100, 14


def mantel_power(
    distances: Values,
    measured: Values,
    method: str = "spearman",
    *,
    levels: Sequence[float] = (0.05,),
    planted: Sequence[float] = PLANTED,
    runs: int = RUNS,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> pd.DataFrame:
    """The share of simulations in which the two-sided test is below a level.

    Args:
        distances: (N, N), what the test asks about.
        measured: (N, N), the distances that it is tested against.
        method: of :data:`nasneurn.analysis.mantel.METHODS`.
        levels: of significance.
        planted: correlations.
        runs: simulations of each.
        permutations: of each test.
        seed: of all draws.

    Returns:
        ``method``, ``planted``, ``mean_r`` (of the simulations), ``level`` and ``power``.

    Raises:
        InputError: as :func:`nasneurn.analysis.mantel.correlations`.
    """
    one = unit(pairs_of(distances), method)
    orders, exact = orders_of(len(distances), permutations, seed)
    chance = _chance(measured, runs, seed)
    mixes = {r: _mix(_squares(distances), chance[:_TRIED], one, r, method) for r in planted}
    found = {
        r: unit_rows(_mixed(_squares(distances), chance, mix), method) for r, mix in mixes.items()
    }
    observed = {r: rows @ one for r, rows in found.items()}
    far = {r: np.zeros(runs) for r in planted}
    for few in in_orders(one, orders):
        for r, rows in found.items():
            far[r] += (np.abs(few @ rows.T) >= np.abs(observed[r]) - 1e-12).sum(axis=0)
    records = []
    for r in planted:
        p = far[r] / len(orders) if exact else (1 + far[r]) / (1 + len(orders))
        records += [
            {
                "method": method,
                "planted": r,
                "mean_r": float(observed[r].mean()),
                "level": level,
                "power": float((p <= level).mean()),
            }
            for level in levels
        ]
    return pd.DataFrame(records)


def planted_distances(distances: Values, measured: Values, r: float, *, seed: int = 0) -> Values:
    """(N, N), one simulation: the mix that has Pearson's correlation ``r`` on average."""
    chance = _chance(measured, _TRIED, seed)
    mix = _mix(_squares(distances), chance, unit(pairs_of(distances), "pearson"), r, "pearson")
    table = np.zeros(distances.shape)
    table[np.triu_indices(len(table), 1)] = _mixed(_squares(distances), chance[:1], mix)[0]
    return np.asarray(table + table.T)


def unit_rows(rows: Values, method: str) -> Values:
    """Each row as :func:`nasneurn.analysis.mantel.unit`, whatever the sizes of the others."""
    return unit(rows / np.abs(rows).max(axis=-1, keepdims=True), method)


def _chance(measured: Values, runs: int, seed: int) -> Values:
    """(runs, pairs), squares of the measured distances, of architectures in random order."""
    draws = np.random.default_rng([seed, 1])
    shuffled = draws.permuted(np.tile(np.arange(len(measured)), (runs, 1)), axis=1)
    return np.concatenate(list(in_orders(_squares(measured), shuffled)))


def _squares(table: Values) -> Values:
    squares = pairs_of(table) ** 2
    scaled: Values = squares / squares.mean()
    return scaled


def _mixed(squares: Values, chance: Values, mix: float) -> Values:
    found: Values = np.sqrt(mix * squares + (1 - mix) * chance)
    return found


def _mix(squares: Values, chance: Values, one: Values, r: float, method: str) -> float:
    """The share of what is planted with which the mean correlation is ``r``."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        mean = float((unit_rows(_mixed(squares, chance, middle), method) @ one).mean())
        low, high = (middle, high) if mean < r else (low, middle)
    return (low + high) / 2
