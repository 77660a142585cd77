"""Rank correlation between two ways of measuring the same architectures."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

Values = npt.NDArray[np.float64]

#: Draws of the bootstrap.
DRAWS = 2000
#: Columns of a table of architectures that name their supernet.
GROUP = ["space", "source", "stem", "seed"]


def rank_correlation(
    first: Values, second: Values, *, confidence: float = 0.95, seed: int = 0
) -> dict[str, float]:
    """Kendall's tau-b and Spearman's rho of paired values, with percentile bootstrap intervals.

    Keys are ``kendall``, ``kendall_low``, ``kendall_high`` and the same of ``spearman``. A resample
    in which all values of one side are equal has no correlation and is left out; so are intervals
    of fewer than four pairs.
    """
    found: dict[str, float] = {}
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(first), size=(DRAWS, len(first)))
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    for name, measure in (("kendall", stats.kendalltau), ("spearman", stats.spearmanr)):
        found[name] = _correlation(measure, first, second)
        drawn = np.array([_correlation(measure, first[row], second[row]) for row in rows])
        drawn = drawn[np.isfinite(drawn)]
        low, high = np.quantile(drawn, ends) if len(first) > 3 and len(drawn) else (np.nan, np.nan)
        found |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


def _correlation(measure: object, first: Values, second: Values) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(measure(first, second).statistic)  # type: ignore[operator]


def rank_correlations(quality: pd.DataFrame) -> pd.DataFrame:
    """Supernet accuracy against that of stand-alone training: a row a supernet and measure.

    ``quality`` has the columns of ``quality.csv``. ``measure`` is ``raw``, with the supernet's own
    batch-norm statistics, or ``recalibrated``.
    """
    rows = [
        {
            **dict(zip(GROUP, group, strict=True)),
            "measure": measure,
            "architectures": len(table),
            **rank_correlation(table[measure].to_numpy(float), table["alone"].to_numpy(float)),
        }
        for group, table in quality.groupby(GROUP, sort=False)
        for measure in ("raw", "recalibrated")
    ]
    return pd.DataFrame(rows)
