"""Student's t of values that were drawn alike, and Holm's correction of several tests."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

Values = npt.NDArray[np.float64]

#: Values that lie no further apart are equal: rounding alone parts shares by some 1e-16.
ROUNDING = 1e-12


class Interval(NamedTuple):
    """A mean, the ends of its confidence interval, and the p-value of its being 0.

    The test and the interval are one method: p is below 5% where the 95% interval leaves out 0.
    """

    mean: Values
    low: Values
    high: Values
    p: Values


def t_interval(values: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    """Student's t over the last axis: mean -+ t * s / sqrt(n), with n - 1 degrees of freedom.

    Args:
        values: at least two along the last axis.
        confidence: share of intervals that hold the truth, where values are normal and alike.

    Returns:
        What is found for each place of the axes before. Values without spread say nothing of
        what others would be: their ends and p are NaN.
    """
    given = np.asarray(values, dtype=np.float64)
    count = given.shape[-1]
    if count < 2:
        raise ValueError(f"an interval needs two values or more, not {count}")
    mean = given.mean(axis=-1)
    alike = np.ptp(given, axis=-1) <= ROUNDING * np.maximum(1.0, np.abs(given).max(axis=-1))
    error = np.where(alike, np.nan, given.std(axis=-1, ddof=1) / np.sqrt(count))
    reach = error * stats.t.ppf((1 + confidence) / 2, count - 1)
    p = 2 * stats.t.sf(np.abs(mean) / error, count - 1)
    return Interval(mean, mean - reach, mean + reach, p)


def holm(p: npt.ArrayLike) -> Values:
    """Holm's step-down adjustment of p-values (Scandinavian J. of Statistics 6, 1979).

    The i-th smallest of m is multiplied by m - i + 1, never falls below one before it, and ends
    at 1. NaN is no test: it stays, and does not count.
    """
    given = np.asarray(p, dtype=np.float64)
    adjusted = np.full(len(given), np.nan)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given[tested], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1)
    return adjusted
