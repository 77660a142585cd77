"""Average ranks over cells, and which ranks differ.

After Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets" (JMLR 7, 2006); his
data sets are cells here.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from nasneurn.analysis.cells import CELL, cross_domain, designs, mean_over
from nasneurn.analysis.comparisons import FEWEST


@dataclass(frozen=True)
class Ranking:
    """Average ranks, 1 the best.

    Attributes:
        ranks: by what was ranked, best first.
        cells: in how many each was ranked.
        p: of Friedman's test that all are alike; None with fewer than 3 of them, or 3 cells.
        critical_difference: what two average ranks must differ by (Nemenyi, 5%); None likewise.
    """

    ranks: "pd.Series[float]"
    cells: int
    p: float | None
    critical_difference: float | None

    @property
    def alike(self) -> list[tuple[str, ...]]:
        """The largest groups of neighbours whose ranks do not differ critically."""
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


def rank(rows: pd.DataFrame, factor: str = "stem") -> Ranking:
    """Rank the values of ``factor`` in each cell by mean cross-domain accuracy; equals share ranks.

    Only trainings (a cell and a seed) that every value has count, and their mean is the cell's.
    ``rows`` must be of one setting: see :func:`nasneurn.analysis.cells.split`.
    """
    across = cross_domain(designs(rows))
    trainings = across.pivot_table(index=[*CELL, "seed"], columns=factor, values="accuracy")
    complete = trainings.dropna().melt(value_name="accuracy", ignore_index=False).reset_index()
    means = mean_over(complete, [*CELL, factor]).unstack(factor)
    ranks = means.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    cells, count = means.shape
    if count < 3 or cells < FEWEST["cells"]:
        return Ranking(ranks, cells, None, None)
    p = float(stats.friedmanchisquare(*(means[level] for level in means)).pvalue)
    return Ranking(ranks, cells, p, critical_difference(count, cells))


def critical_difference(count: int, cells: int) -> float:
    """Nemenyi's critical difference of average ranks at 5%: q * sqrt(k (k + 1) / (6 N))."""
    q = float(stats.studentized_range.ppf(0.95, count, np.inf)) / np.sqrt(2)
    return float(q * np.sqrt(count * (count + 1) / (6 * cells)))
