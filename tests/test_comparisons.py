"""Paired differences: against SciPy and statsmodels, and what must not matter."""

from io import StringIO

import numpy as np
import pandas as pd
import pytest
from grid_rows import DOMAINS, grid_rows
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy import stats
from statsmodels.stats.multitest import multipletests

from nasneurn.analysis.cells import cross_domain, designs, mean_over, same_domain, split, varied
from nasneurn.analysis.comparisons import compare, differences
from nasneurn.analysis.intervals import holm, t_interval
from nasneurn.errors import InputError
from nasneurn.report.headline import headline
from nasneurn.report.tables import ReportTable, in_percent
from nasneurn.report.terminal import overall_view

shares = st.floats(0, 1, allow_subnormal=False)


def by_cell(rows: pd.DataFrame) -> pd.DataFrame:
    """Means of cells, by hand: a column for each stem."""
    trainings = rows.groupby(["architecture", "source", "seed", "stem"])["accuracy"].mean()
    return trainings.groupby(["architecture", "source", "stem"]).mean().unstack("stem")


def test_differences_are_paired_by_case() -> None:
    rows = grid_rows(seeds=2)
    paired = differences(rows)
    names = ["architecture", "source", "target", "seed"]
    case = paired.iloc[7]
    by_stem = rows[(rows[names] == case[names]).all(axis=1)].set_index("stem")["accuracy"]
    assert case["difference"] == by_stem[case["stem"]] - by_stem["none"]
    assert len(paired) == 2 * len(rows) // 3


def test_cases_that_one_stem_lacks_do_not_count() -> None:
    rows = grid_rows(stems=("none", "neurn"))
    lacking = rows.drop(rows.index[(rows["stem"] == "neurn") & (rows["seed"] == 0)])
    pd.testing.assert_frame_equal(compare(lacking), compare(rows[rows["seed"] != 0]))


@given(st.lists(st.tuples(shares, shares), min_size=2, max_size=12))
def test_the_interval_and_the_test_are_scipys(pairs: list[tuple[float, float]]) -> None:
    treated, control = np.array(pairs).T
    ours = t_interval(treated - control)
    assert ours.mean == pytest.approx(treated.mean() - control.mean(), abs=1e-12)
    if np.ptp(treated - control) > 1e-6:
        theirs = stats.ttest_rel(treated, control)
        ends = theirs.confidence_interval(0.95)
        assert (ours.low, ours.high) == pytest.approx((ends.low, ends.high), abs=1e-9)
        assert ours.p == pytest.approx(theirs.pvalue, rel=1e-6)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12))
def test_the_test_never_contradicts_the_interval(values: list[float]) -> None:
    found = t_interval(values)
    if np.isfinite(found.p) and not np.isclose(found.p, 0.05):
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)


@pytest.mark.parametrize(
    "values",
    [
        [0.0, 0.0, 0.0],
        [0.1, 0.1, 0.1],
        [0.81 - 0.8, 0.41 - 0.4],  # differ by rounding alone
    ],
)
def test_equal_values_have_no_interval(values: list[float]) -> None:
    found = t_interval(values)
    assert found.mean == pytest.approx(values[0])
    assert np.isnan(found[1:]).all()
    together = t_interval([values, [*values[1:], 0.7]])
    assert np.isnan(together.p).tolist() == [True, False]


def test_one_value_has_no_interval() -> None:
    with pytest.raises(ValueError, match="two values or more, not 1"):
        t_interval([0.5])


def test_cells_are_what_is_random_whatever_the_number_of_seeds() -> None:
    rows = cross_domain(grid_rows(stems=("none", "neurn"), effect=0.01))
    wide = by_cell(rows)
    expected = stats.ttest_rel(wide["neurn"], wide["none"])
    (row,) = compare(rows).to_dict(orient="records")
    assert row["random"] == "cells"
    assert (row["cells"], row["seeds"]) == (8, 3)
    assert row["p"] == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert row["p_holm"] == row["p"]  # a family of one
    assert row["difference"] == pytest.approx((wide["neurn"] - wide["none"]).mean())
    assert row["mean"] - row["control_mean"] == pytest.approx(row["difference"])


def test_copies_of_a_seed_add_nothing() -> None:
    """A seed that is written down thrice under other numbers tells no more than once."""
    rows = cross_domain(grid_rows(seeds=1, effect=0.01))
    copies = pd.concat([rows.assign(seed=number) for number in range(3)])
    one, three = compare(rows), compare(copies)
    pd.testing.assert_frame_equal(one.drop(columns="seeds"), three.drop(columns="seeds"))


def test_rows_that_are_there_twice_count_once() -> None:
    rows = grid_rows()
    pd.testing.assert_frame_equal(compare(pd.concat([rows, rows])), compare(rows))


def test_each_cell_has_one_vote() -> None:
    rows = grid_rows(stems=("none", "neurn"))
    fewer = rows[(rows["source"] != "svhn") | (rows["seed"] == 0)]
    (row,) = compare(fewer).to_dict(orient="records")
    wide = by_cell(fewer)
    assert row["difference"] == pytest.approx((wide["neurn"] - wide["none"]).mean())
    assert row["seeds"] == 1  # the fewest of any cell


def test_one_cell_leaves_the_seeds_to_be_random() -> None:
    rows = cross_domain(grid_rows(("resnet18",), ("none", "neurn"), sources=("mnist",)))
    wide = rows.groupby(["seed", "stem"])["accuracy"].mean().unstack()
    interval = stats.ttest_rel(wide["neurn"], wide["none"]).confidence_interval()
    (row,) = compare(rows).to_dict(orient="records")
    assert (row["random"], row["cells"], row["seeds"]) == ("seeds", 1, 3)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))


def test_two_cells_leave_the_seeds_to_be_random() -> None:
    rows = cross_domain(grid_rows(("resnet18",), ("none", "neurn"), sources=("mnist", "svhn")))
    (row,) = compare(rows).to_dict(orient="records")
    assert (row["random"], row["cells"]) == ("seeds", 2)
    wide = rows.groupby(["seed", "stem"])["accuracy"].mean().unstack()
    assert row["p"] == pytest.approx(stats.ttest_rel(wide["neurn"], wide["none"]).pvalue)


def test_one_cell_and_one_seed_have_no_interval() -> None:
    rows = grid_rows(("resnet18",), seeds=1, sources=("mnist",))
    table = compare(cross_domain(rows))
    assert (table["random"] == "").all()
    assert table[["low", "high", "p", "p_holm"]].isna().all().all()
    assert table["difference"].notna().all()


@pytest.mark.parametrize(
    ("architectures", "seeds", "random"), [(1, 2, None), (3, 1, None), (3, 2, "architectures")]
)
def test_equal_differences_are_too_few_to_say(
    architectures: int, seeds: int, random: str | None
) -> None:
    """Not a gain beyond doubt: nothing says what the next would be."""
    names = tuple("abc"[:architectures])
    rows = cross_domain(grid_rows(names, ("none", "neurn"), seeds, sources=("mnist",), noise=0.0))
    (row,) = compare(rows, random=random).to_dict(orient="records")
    assert row["difference"] == pytest.approx(0.05)
    assert row["random"] == ""
    assert np.isnan([row[name] for name in ("low", "high", "p", "p_holm")]).all()


def test_equal_differences_are_no_clear_gain_in_words() -> None:
    rows = cross_domain(grid_rows(("a",), ("none", "neurn"), 2, sources=("mnist",), noise=0.0))
    (told, *_) = headline(rows, {"overall": ReportTable("", in_percent(compare(rows)))})
    assert "5.0 points more" in told
    assert told.endswith("too little was trained for an interval or a test.")
    text = StringIO()
    Console(width=80, file=text).print(overall_view(rows))
    assert "too little for an interval" in text.getvalue()


def test_accuracies_that_are_no_number_are_passed_over() -> None:
    rows = grid_rows()
    broken = rows["seed"] == 1
    some = rows.assign(accuracy=rows["accuracy"].where(~broken | (rows["target"] != "usps")))
    lacking = some.dropna(subset="accuracy")
    assert len(lacking) < len(rows)
    pd.testing.assert_frame_equal(compare(some), compare(lacking))
    assert compare(some).drop(columns="random").notna().all().all()
    assert compare(rows.assign(accuracy=np.nan)).empty


def test_what_is_random_can_be_chosen() -> None:
    rows = cross_domain(grid_rows(stems=("none", "neurn")))
    wide = by_cell(rows)
    cells = wide["neurn"] - wide["none"]
    (row,) = compare(rows, random="sources").to_dict(orient="records")
    assert row["random"] == "sources"
    expected = stats.ttest_1samp(cells.groupby("source").mean(), 0)
    assert row["p"] == pytest.approx(expected.pvalue)
    assert compare(rows, random="architectures")["random"].tolist() == [""]  # two are too few
    (row,) = compare(rows, random="seeds").to_dict(orient="records")
    assert row["random"] == "seeds"
    with pytest.raises(InputError, match="did you mean 'seeds'"):
        compare(rows, random="seed")


def test_seeds_that_a_cell_lacks_are_left_out_where_seeds_are_random() -> None:
    rows = grid_rows(("resnet18",), ("none", "neurn"), sources=("mnist", "svhn"), seeds=4)
    fewer = rows[(rows["source"] == "mnist") | (rows["seed"] < 3)]
    one, other = compare(fewer, random="seeds"), compare(rows[rows["seed"] < 3], random="seeds")
    pd.testing.assert_frame_equal(one, other)


def test_the_order_of_rows_does_not_matter() -> None:
    rows = cross_domain(grid_rows())
    shuffled = rows.sample(frac=1, random_state=1)
    first = compare(rows).set_index("stem")
    second = compare(shuffled).set_index("stem").loc[first.index]
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.slow
def test_settings_are_never_mixed() -> None:
    rows = cross_domain(grid_rows())
    inherited = grid_rows(effect=-0.2, seed=1).assign(weights="inherited")
    both = compare(pd.concat([rows, cross_domain(inherited)])).set_index(["weights", "stem"])
    alone = compare(rows).set_index("stem")
    for stem in ("neurn", "sobel"):
        ours, expected = both.loc[("scratch", stem)], alone.loc[stem]
        names = ["difference", "low", "high", "p"]
        assert ours[names].tolist() == expected[names].tolist()
    # The family of tests is the whole table.
    assert both["p_holm"].tolist() == pytest.approx(multipletests(both["p"], method="holm")[1])


def test_algorithms_are_compared_as_stems_are() -> None:
    rows = grid_rows().rename(columns={"stem": "algorithm", "algorithm": "stem"})
    rows["algorithm"] = rows["algorithm"].replace("none", "erm")
    table = compare(rows, "algorithm", "erm")
    assert table["algorithm"].tolist() == ["neurn", "sobel"]
    expected = compare(grid_rows())
    assert table["p"].tolist() == expected["p"].tolist()


def test_a_searched_stem_can_be_compared_by_what_was_found() -> None:
    rows = grid_rows().assign(applied_stem=lambda own: own["stem"])
    rows["stem"] = rows["stem"].replace("neurn", "search")
    assert compare(rows)["stem"].tolist() == ["search", "sobel"]
    assert compare(rows, "applied_stem")["applied_stem"].tolist() == ["neurn", "sobel"]


def test_tables_of_a_grid_and_of_a_search_can_be_concatenated() -> None:
    grid = grid_rows().assign(choices="fixed")
    search = grid_rows(("spos",), ("none", "neurn"), seed=2).assign(
        weights="inherited", choices=lambda own: "k3-" + own["stem"]
    )
    table = compare(pd.concat([grid, search]))
    assert table[["weights", "stem"]].to_numpy().tolist() == [
        ["scratch", "neurn"], ["scratch", "sobel"], ["inherited", "neurn"],
    ]  # fmt: skip
    assert table["cells"].tolist() == [8, 8, 4]


def searched(seeds: int = 3) -> pd.DataFrame:
    """Rows of a search, which finds an architecture for each source, stem and seed."""
    rows = grid_rows(("spos",), ("none", "neurn:k=5"), seeds=seeds, effect=0.01)
    numbers = rows["seed"].astype(str)
    name = rows["architecture"] + "/" + rows["source"] + "-" + rows["stem"] + "-" + numbers
    return rows.assign(architecture=name, choices="k3-" + rows["source"])


def test_architectures_found_for_each_stem_are_compared_by_their_space() -> None:
    rows = searched()
    assert set(designs(rows)["architecture"]) == {"spos"}
    (row,) = compare(rows).to_dict(orient="records")
    expected = compare(grid_rows(("spos",), ("none", "neurn:k=5"), effect=0.01))
    assert row["cells"] == 4
    assert row["p"] == expected["p"].iloc[0]


def test_a_found_architecture_under_several_stems_keeps_its_name() -> None:
    rows = grid_rows(("spos/svhn-none-0",))
    assert designs(rows) is rows
    both = designs(pd.concat([rows, searched()]))
    assert set(both["architecture"]) == {"spos/svhn-none-0", "spos"}


def test_a_source_of_several_domains_has_seen_each() -> None:
    rows = grid_rows(sources=("mnist+svhn", "usps"))
    joint = rows[rows["source"] == "mnist+svhn"]
    assert set(cross_domain(joint)["target"]) == {"mnistm", "usps"}
    assert set(same_domain(joint)["target"]) == {"mnist", "svhn"}
    assert len(cross_domain(rows)) + len(same_domain(rows)) == len(rows)


def test_rows_are_split_by_setting() -> None:
    rows = grid_rows()
    assert varied(rows) == []
    assert varied(rows, "source") == ["stem"]
    two = pd.concat([rows, rows.assign(algorithm="mixstyle")])
    parts = split(two)
    assert [own for own, _ in parts] == [{"algorithm": "erm"}, {"algorithm": "mixstyle"}]
    assert sum(len(part) for _, part in parts) == len(two)


def test_means_give_each_cell_one_vote() -> None:
    rows = pd.DataFrame(
        {
            "architecture": ["a", "a", "a", "b"],
            "source": "mnist",
            "target": ["usps", "svhn", "usps", "usps"],
            "seed": [0, 0, 1, 0],
            "stem": "none",
            "accuracy": [0.2, 0.4, 0.5, 0.8],
        }
    )
    assert mean_over(rows, ["stem"])["none"] == pytest.approx(((0.3 + 0.5) / 2 + 0.8) / 2)


@pytest.mark.slow
def test_holm_is_that_of_statsmodels() -> None:
    for count in (1, 2, 9):  # few, since statsmodels collects garbage at each call
        p = np.random.default_rng(count).uniform(size=count) ** 3
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])


def test_holm_leaves_out_what_was_not_tested() -> None:
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    assert np.isnan(holm([np.nan])).all()


def test_the_family_is_the_table() -> None:
    rows = cross_domain(grid_rows(("a", "b", "c"), effect=0.0))
    pairs = compare(rows, by=("source", "target"))
    assert len(pairs) == 2 * len(DOMAINS) * (len(DOMAINS) - 1)
    assert (pairs["cells"] == 3).all()
    np.testing.assert_allclose(pairs["p_holm"], holm(pairs["p"]))
    assert (pairs["wins"] + pairs["ties"] + pairs["losses"] == pairs["cells"]).all()


def test_without_a_control_there_is_nothing_to_compare() -> None:
    with pytest.raises(InputError, match="stem to compare with is 'none', must be one of neurn"):
        compare(grid_rows(stems=("neurn", "sobel")))
