"""Average ranks against SciPy and the published table of critical values."""

import numpy as np
import pytest
from grid_rows import grid_rows
from scipy import stats

from nasneurn.analysis.comparisons import TRAINING, cross_domain
from nasneurn.analysis.ranks import Ranking, critical_difference, rank_stems

#: q at 5% for 2 to 10 classifiers: Demsar, JMLR 7 (2006), table 5a.
DEMSAR = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]


@pytest.mark.parametrize(("stems", "q"), list(enumerate(DEMSAR, start=2)))
def test_critical_differences_are_those_published(stems: int, q: float) -> None:
    blocks = 30
    expected = q * np.sqrt(stems * (stems + 1) / (6 * blocks))
    assert critical_difference(stems, blocks) == pytest.approx(expected, rel=5e-4)


def test_ranks_are_scipys() -> None:
    rows = grid_rows(effect=0.01)
    ranking = rank_stems(rows)
    wide = cross_domain(rows).pivot_table(index=TRAINING, columns="stem", values="accuracy")
    expected = stats.rankdata(-wide.to_numpy(), axis=1).mean(axis=0)
    assert ranking.ranks.to_dict() == pytest.approx(dict(zip(wide, expected, strict=True)))
    assert ranking.blocks == len(wide)
    assert ranking.p == pytest.approx(stats.friedmanchisquare(*wide.to_numpy().T).pvalue)


def test_trainings_that_lack_a_stem_are_left_out() -> None:
    rows = grid_rows()
    gone = (rows["stem"] == "sobel") & (rows["seed"] == 0)
    assert rank_stems(rows[~gone]).blocks == rank_stems(rows[rows["seed"] != 0]).blocks == 16


def test_too_little_to_test_is_not_tested() -> None:
    ranking = rank_stems(grid_rows(stems=("none", "neurn")))
    assert ranking.p is None
    assert ranking.alike == []


def test_groups_hold_what_lies_within_the_critical_difference() -> None:
    import pandas as pd

    ranks = pd.Series({"a": 1.0, "b": 1.4, "c": 1.8, "d": 3.5})
    ranking = Ranking(ranks, 10, 0.01, 0.5)
    assert ranking.alike == [("a", "b"), ("b", "c")]
    assert Ranking(ranks, 10, 0.01, 0.9).alike == [("a", "b", "c")]
