"""Average ranks of stems over trainings, and which ranks differ.

After Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets" (JMLR 7, 2006).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from nasneurn.analysis.comparisons import TRAINING, cross_domain


@dataclass(frozen=True)
class Ranking:
    """Average ranks, 1 the best.

    Attributes:
        ranks: by stem, best first.
        blocks: trainings in which every stem was ranked.
        p: of Friedman's test that all stems are alike; None with fewer than 3 stems or 2 blocks.
        critical_difference: what two average ranks must differ by (Nemenyi, 5%); None likewise.
    """

    ranks: "pd.Series[float]"
    blocks: int
    p: float | None
    critical_difference: float | None

    @property
    def alike(self) -> list[tuple[str, ...]]:
        """The largest groups of neighbouring stems whose ranks do not differ critically."""
        if self.critical_difference is None:
            return []
        names, values = list(self.ranks.index), self.ranks.to_numpy()
        groups: list[tuple[str, ...]] = []
        for first in range(len(names)):
            last = int(np.flatnonzero(values - values[first] <= self.critical_difference)[-1])
            group = tuple(names[first : last + 1])
            if len(group) > 1 and not (groups and set(group) <= set(groups[-1])):
                groups.append(group)
        return groups


def rank_stems(accuracy: pd.DataFrame) -> Ranking:
    """Rank the stems in each training by mean cross-domain accuracy; equal ones share a rank.

    Only (architecture, source, seed) that every stem has count.
    """
    means = cross_domain(accuracy).pivot_table(index=TRAINING, columns="stem", values="accuracy")
    means = means.dropna()
    ranks = means.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    blocks, stems = means.shape
    if stems < 3 or blocks < 2:
        return Ranking(ranks, blocks, None, None)
    p = float(stats.friedmanchisquare(*(means[stem] for stem in means)).pvalue)
    return Ranking(ranks, blocks, p, critical_difference(stems, blocks))


def critical_difference(stems: int, blocks: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of average ranks: q * sqrt(k (k + 1) / (6 N))."""
    q = float(stats.studentized_range.ppf(1 - alpha, stems, np.inf)) / np.sqrt(2)
    return float(q * np.sqrt(stems * (stems + 1) / (6 * blocks)))
