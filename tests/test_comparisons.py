"""Paired differences of stems: against SciPy, simulation, and what must not matter."""

import numpy as np
import pandas as pd
import pytest
from grid_rows import grid_rows
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nasneurn.analysis.comparisons import (
    TRAINING,
    bootstrap_interval,
    compare_stems,
    cross_domain,
    differences,
    holm,
)
from nasneurn.errors import InputError


def test_differences_are_paired_by_case() -> None:
    rows = grid_rows(seeds=2)
    paired = differences(rows)
    case = paired.iloc[7]
    same = (rows[["architecture", "source", "target", "seed"]] == case[
        ["architecture", "source", "target", "seed"]
    ]).all(axis=1)  # fmt: skip
    by_stem = rows[same].set_index("stem")["accuracy"]
    assert case["difference"] == by_stem[case["stem"]] - by_stem["none"]
    assert len(paired) == 2 * len(rows) // 3


def test_cases_that_one_stem_lacks_do_not_count() -> None:
    rows = grid_rows(stems=("none", "neurn"))
    lacking = rows.drop(rows.index[(rows["stem"] == "neurn") & (rows["seed"] == 0)])
    table = compare_stems(lacking)
    pd.testing.assert_frame_equal(table, compare_stems(rows[rows["seed"] != 0]))


def test_the_test_is_scipys_on_means_of_trainings() -> None:
    rows = cross_domain(grid_rows(stems=("none", "neurn"), effect=0.01))
    wide = rows.pivot_table(index=TRAINING, columns="stem", values="accuracy")
    expected = stats.wilcoxon(wide["neurn"], wide["none"], zero_method="zsplit").pvalue
    (table,) = compare_stems(rows).to_dict(orient="records")
    assert table["p"] == pytest.approx(expected)
    assert table["p_holm"] == table["p"]  # a family of one
    assert table["difference"] == pytest.approx((wide["neurn"] - wide["none"]).mean())


def test_the_order_of_rows_does_not_matter() -> None:
    rows = cross_domain(grid_rows())
    shuffled = rows.sample(frac=1, random_state=1)
    first = compare_stems(rows).set_index("stem")
    second = compare_stems(shuffled).set_index("stem").loc[first.index]
    pd.testing.assert_frame_equal(first, second)


def test_one_seed_has_no_interval_however_many_trainings() -> None:
    table = compare_stems(cross_domain(grid_rows(seeds=1)))
    assert table["trainings"].min() == 8
    assert table[["low", "high", "p", "p_holm"]].isna().all().all()


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Trainings that are drawn with a shared deviation: cases alone would give too short a one."""
    held = 0
    for draw in range(200):
        rows = cross_domain(grid_rows(stems=("none", "neurn"), effect=0.03, seed=draw))
        (record,) = compare_stems(rows).to_dict(orient="records")
        held += record["low"] <= 0.03 <= record["high"]
    assert 0.87 <= held / 200 <= 0.99


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20))
def test_the_interval_lies_within_the_means(means: list[float]) -> None:
    low, high = bootstrap_interval(np.array(means), np.ones(len(means), dtype=np.int64))
    assert min(means) - 1e-12 <= low <= high <= max(means) + 1e-12


def plain_holm(p: list[float]) -> list[float]:
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, before = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        before = max(before, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = before
    return adjusted


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_equals_its_definition(p: list[float]) -> None:
    np.testing.assert_allclose(holm(np.array(p)), plain_holm(p))


def test_holm_leaves_out_what_was_not_tested() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.04])), [0.02, np.nan, 0.04])


def test_the_family_is_the_table() -> None:
    rows = cross_domain(grid_rows(effect=0.0))
    pairs = compare_stems(rows, by=("source", "target"))
    assert len(pairs) == 24
    np.testing.assert_allclose(pairs["p_holm"], holm(pairs["p"].to_numpy()))
    assert (pairs["wins"] + pairs["ties"] + pairs["losses"] == pairs["cases"]).all()


def test_without_a_control_there_is_nothing_to_compare() -> None:
    with pytest.raises(InputError, match="no row has the stem 'none'"):
        compare_stems(grid_rows(stems=("neurn", "sobel")))
