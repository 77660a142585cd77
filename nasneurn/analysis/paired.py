"""Differences between two treatments of the same cases."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class PairedDifference:
    """Mean of the paired differences, and its confidence interval where there is one."""

    mean: float
    low: float | None
    high: float | None
    pairs: int


def paired_difference(
    treated: Sequence[float], control: Sequence[float], confidence: float = 0.95
) -> PairedDifference:
    """Mean of ``treated[i] - control[i]`` with Student's t interval; one pair has no interval."""
    differences = np.asarray(treated, dtype=float) - np.asarray(control, dtype=float)
    mean, pairs = float(differences.mean()), len(differences)
    if pairs < 2:
        return PairedDifference(mean, None, None, pairs)
    error = float(stats.sem(differences))
    reach = error * float(stats.t.ppf((1 + confidence) / 2, pairs - 1))
    return PairedDifference(mean, mean - reach, mean + reach, pairs)
