"""Rank correlation between two ways of measuring the same architectures."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from nasneurn.analysis.cells import SUPERNET

Values = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

#: Draws of the bootstrap.
DRAWS = 2000
#: The fewest pairs that an interval is given for; of 6 to 30 it holds the truth in 88 to 99%.
FEWEST = 6


def rank_correlation(
    first: Values, second: Values, *, confidence: float = 0.95, seed: int = 0
) -> dict[str, float]:
    """Kendall's tau-b and Spearman's rho of paired values, with percentile bootstrap intervals.

    Keys are ``kendall``, ``kendall_low``, ``kendall_high`` and the same of ``spearman``. A resample
    in which all values of one side are equal has no correlation and is left out; so are intervals
    of fewer than six pairs.
    """
    rows = np.random.default_rng(seed).integers(len(first), size=(DRAWS, len(first)))
    spread = np.ptp(first) > 0 and np.ptp(second) > 0
    found: dict[str, float] = {}
    for name, measure, resampled in (
        ("kendall", stats.kendalltau, _kendall),
        ("spearman", stats.spearmanr, _spearman),
    ):
        low = high = np.nan
        if spread and len(first) >= FEWEST:
            drawn = resampled(first, second, rows)
            ends = [(1 - confidence) / 2, (1 + confidence) / 2]
            low, high = np.quantile(drawn[np.isfinite(drawn)], ends)
        found[name] = float(measure(first, second).statistic) if spread else float("nan")
        found |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


def _kendall(first: Values, second: Values, rows: Index) -> Values:
    """Tau-b of each resample, which is a vector of counts: all sums over pairs are quadratic."""
    counts = np.stack([np.bincount(row, minlength=len(first)) for row in rows]).astype(float)
    signs = [np.sign(side[:, None] - side[None, :]) for side in (first, second)]

    def over_pairs(values: Values) -> Values:
        return np.asarray(((counts @ values) * counts).sum(axis=1))

    concordant = over_pairs(signs[0] * signs[1])
    untied = [over_pairs(np.abs(sign)) for sign in signs]
    with np.errstate(invalid="ignore"):
        return np.asarray(concordant / np.sqrt(untied[0] * untied[1]))


def _spearman(first: Values, second: Values, rows: Index) -> Values:
    ranks = [stats.rankdata(side[rows], axis=1) for side in (first, second)]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    sizes = [np.square(part).sum(axis=1) for part in centred]
    with np.errstate(invalid="ignore"):
        return np.asarray((centred[0] * centred[1]).sum(axis=1) / np.sqrt(sizes[0] * sizes[1]))


def rank_correlations(quality: pd.DataFrame) -> pd.DataFrame:
    """Supernet accuracy against that of stand-alone training: a row a supernet and measure.

    ``quality`` has the columns of ``quality.csv``. ``measure`` is ``raw``, with the supernet's own
    batch-norm statistics, or ``recalibrated``.
    """
    rows = [
        {
            **dict(zip(SUPERNET, group, strict=True)),
            "measure": measure,
            "architectures": len(table),
            **rank_correlation(table[measure].to_numpy(float), table["alone"].to_numpy(float)),
        }
        for group, table in quality.groupby(list(SUPERNET), sort=False)
        for measure in ("raw", "recalibrated")
    ]
    return pd.DataFrame(rows)
