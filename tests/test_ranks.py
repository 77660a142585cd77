"""Average ranks against SciPy and the published table of critical values."""

import numpy as np
import pandas as pd
import pytest
from grid_rows import grid_rows
from scipy import stats

from nasneurn.analysis.cells import cross_domain
from nasneurn.analysis.ranks import Ranking, critical_difference, rank

#: q at 5% for 2 to 10 classifiers: Demsar, JMLR 7 (2006), table 5a.
DEMSAR = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]


@pytest.mark.parametrize(("count", "q"), list(enumerate(DEMSAR, start=2)))
def test_critical_differences_are_those_published(count: int, q: float) -> None:
    cells = 30
    expected = q * np.sqrt(count * (count + 1) / (6 * cells))
    assert critical_difference(count, cells) == pytest.approx(expected, rel=5e-4)


def test_ranks_are_scipys_over_cells() -> None:
    rows = grid_rows(effect=0.01)
    ranking = rank(rows)
    wide = cross_domain(rows).pivot_table(
        index=["architecture", "source"], columns="stem", values="accuracy"
    )
    expected = stats.rankdata(-wide.to_numpy(), axis=1).mean(axis=0)
    assert ranking.ranks.to_dict() == pytest.approx(dict(zip(wide, expected, strict=True)))
    assert ranking.cells == len(wide) == 8
    assert ranking.p == pytest.approx(stats.friedmanchisquare(*wide.to_numpy().T).pvalue)


def test_more_seeds_are_no_more_cells() -> None:
    assert rank(grid_rows(seeds=5)).cells == rank(grid_rows(seeds=1)).cells == 8


def test_trainings_that_lack_a_stem_are_left_out() -> None:
    rows = grid_rows()
    gone = (rows["stem"] == "sobel") & (rows["seed"] == 0)
    fewer, without = rank(rows[~gone]), rank(rows[rows["seed"] != 0])
    pd.testing.assert_series_equal(fewer.ranks, without.ranks)
    assert fewer.p == without.p


def test_algorithms_are_ranked_as_stems_are() -> None:
    rows = grid_rows().rename(columns={"stem": "algorithm", "algorithm": "stem"})
    assert rank(rows, "algorithm").ranks.to_dict() == rank(grid_rows()).ranks.to_dict()


@pytest.mark.parametrize(
    "rows",
    [
        grid_rows(stems=("none", "neurn")),
        grid_rows(("resnet18",), sources=("mnist", "svhn")),
        grid_rows().query("stem == 'none' or source == 'mnist'").query("seed == 0"),
    ],
    ids=["two stems", "two cells", "gaps"],
)
def test_too_little_to_test_is_not_tested(rows: pd.DataFrame) -> None:
    ranking = rank(rows)
    assert ranking.p is None
    assert ranking.alike == []


def test_groups_hold_what_lies_within_the_critical_difference() -> None:
    ranks = pd.Series({"a": 1.0, "b": 1.4, "c": 1.8, "d": 3.5})
    ranking = Ranking(ranks, 10, 0.01, 0.5)
    assert ranking.alike == [("a", "b"), ("b", "c")]
    assert Ranking(ranks, 10, 0.01, 0.9).alike == [("a", "b", "c")]
