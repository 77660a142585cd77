"""Mantel's test: do two tables of distances between the same things go together?

Pairs that share a thing depend on each other, so a correlation over pairs cannot be judged as one
of independent values. Mantel ("The detection of disease clustering", 1967) compares it with those
that are found when the things of one table are permuted, rows and columns together. The partial
test is that of Smouse, Long and Sokal ("Multiple regression and correlation extensions of the
Mantel test", 1986).

All tables are tested by the same permutations, so that many take about the time of one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations as all_orders
from math import factorial

import numpy as np
import numpy.typing as npt
from scipy import stats

from nasneurn.choices import check_known
from nasneurn.errors import InputError

Values = npt.NDArray[np.float64]
Orders = npt.NDArray[np.intp]

METHODS = ("spearman", "pearson")
PERMUTATIONS = 9_999
#: Fewer have too few orders for any test at 5% to mean much.
LEAST = 4

#: Permutations that are held in memory at once.
_AT_ONCE = 1_000
#: Equal values are summed in another order, which must not make them lower.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Mantel:
    """The correlation of two tables, and how often permutations have one as far from 0.

    Attributes:
        r: Pearson's or Spearman's correlation over pairs; NaN if a table is one number.
        p: two-sided, never 0. Exact where all orders were tried, else
            (1 + permutations as far from 0) / (permutations + 1). NaN if ``r`` is.
        permutations: how many orders were compared.
    """

    r: float
    p: float
    permutations: int


@dataclass(frozen=True, eq=False)
class Correlations:
    """Correlations of D tables with one other, as it is and in P orders.

    Attributes:
        observed: (D,).
        permuted: (P, D).
        among: (D, D), of the tables with each other, which no order changes.
        exact: whether the orders are all that there are.
    """

    observed: Values
    permuted: Values
    among: Values
    exact: bool

    def test(self, place: int) -> Mantel:
        """Mantel's test of one table."""
        return self._judged(float(self.observed[place]), self.permuted[:, place])

    def partial(self, place: int, given: int) -> Mantel:
        """The test of what one table knows beside another, by the correlation of residuals.

        The other table is permuted, and both correlations of a permutation are with the permuted
        one.
        """
        between = self.among[place, given]

        def beside(own: Values, with_given: Values) -> Values:
            room = (1 - between**2) * (1 - with_given**2)
            with np.errstate(invalid="ignore", divide="ignore"):
                left = (own - between * with_given) / np.sqrt(room)
            return np.asarray(np.where(room > _ROUNDING, left, np.nan))

        observed = beside(self.observed[[place]], self.observed[[given]])[0]
        drawn = beside(self.permuted[:, place], self.permuted[:, given])
        return self._judged(float(observed), np.nan_to_num(drawn))

    def _judged(self, r: float, drawn: Values) -> Mantel:
        if np.isnan(r):
            return Mantel(float("nan"), float("nan"), len(drawn))
        far = int((np.abs(drawn) >= abs(r) - _ROUNDING).sum())
        p = far / len(drawn) if self.exact else (1 + far) / (1 + len(drawn))
        return Mantel(float(np.clip(r, -1, 1)), p, len(drawn))


def correlations(
    tables: Sequence[Values],
    other: Values,
    method: str = "spearman",
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Correlations:
    """Correlate each of ``tables`` with ``other``, as it is and in other orders.

    Args:
        tables: each (N, N) and symmetric; their diagonals do not count.
        other: (N, N) and symmetric.
        method: of :data:`METHODS`.
        permutations: how many orders are drawn; where there are no more than that, all are taken.
        seed: of the draws.

    Raises:
        InputError: an unknown method, or tables of other sizes, or of fewer than 4 things.
    """
    count = len(other)
    if count < LEAST or any(table.shape != other.shape for table in tables):
        raise InputError(
            f"Mantel's test needs tables of the same {LEAST} things or more; these have "
            f"{', '.join(str(len(table)) for table in [other, *tables])}"
        )
    orders, exact = orders_of(count, permutations, seed)
    units = np.array([unit(pairs_of(table), method) for table in tables])
    one = unit(pairs_of(other), method)
    permuted = [rows @ units.T for rows in in_orders(one, orders)]
    return Correlations(units @ one, np.concatenate(permuted), units @ units.T, exact)


def pairs_of(table: Values) -> Values:
    """(N (N - 1) / 2,), the values of all pairs."""
    pairs: Values = table[np.triu_indices(len(table), 1)]
    return pairs


def unit(pairs: Values, method: str = "pearson") -> Values:
    """Values over the last axis, or their ranks, with mean 0 and norm 1; NaN if all are one.

    Products of two of these are correlations.

    Raises:
        InputError: an unknown method.
    """
    check_known("method", method, METHODS)
    # Distances that differ by rounding alone are equal: no rank may depend on it.
    size = max(float(np.abs(pairs).max(initial=0.0)), 1e-300)
    values = np.round(pairs / size, 12)
    if method == "spearman":
        values = stats.rankdata(values, axis=-1)
    centred = values - values.mean(axis=-1, keepdims=True)
    norm = np.linalg.norm(centred, axis=-1, keepdims=True)
    found: Values = centred / np.where(norm > 1e-9, norm, np.nan)
    return found


def check_permutations(wanted: int) -> None:
    """Refuse so few permutations that no p-value says much.

    Raises:
        InputError: fewer than 99 are wanted.
    """
    if wanted < 99:
        raise InputError(f"permutations are {wanted}; at least 99 are needed for a p-value of 1%")


def orders_of(count: int, wanted: int, seed: int) -> tuple[Orders, bool]:
    """(P, N), orders of ``count`` things: all where there are no more than wanted, else draws.

    Raises:
        InputError: fewer than 99 are wanted.
    """
    check_permutations(wanted)
    if factorial(count) <= wanted:
        return np.array(list(all_orders(range(count))), np.intp), True
    draws = np.random.default_rng(seed)
    return draws.permuted(np.tile(np.arange(count), (wanted, 1)), axis=1), False


def in_orders(pairs: Values, orders: Orders) -> Iterator[Values]:
    """The values of all pairs in each order, some hundred orders at a time: each (some, pairs)."""
    first, second = np.triu_indices(orders.shape[1], 1)
    table = np.zeros((orders.shape[1],) * 2)
    table[first, second] = table[second, first] = pairs
    for start in range(0, len(orders), _AT_ONCE):
        few = orders[start : start + _AT_ONCE]
        yield table[few[:, first], few[:, second]]
