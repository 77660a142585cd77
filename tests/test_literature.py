"""Measured rows stand beside those that others published, and only rows of their protocol."""

import pandas as pd
import pytest
from grid_rows import grid_rows
from matplotlib.colors import to_hex
from scipy.stats import ttest_rel

from nasneurn.analysis.literature import beside_literature, literature
from nasneurn.report.literature_figure import draw_literature
from nasneurn.report.style import level_colours
from nasneurn.report.tables import tables


def rows(**changes: object) -> pd.DataFrame:
    """Two seeds of ERM without and with NeuRN, on four targets."""
    accuracies = {"mnist": 0.98, "mnistm": 0.54, "svhn": 0.30, "usps": 0.78}
    lines = [
        {
            "protocol": "single-source-digits", "architecture": "digits_convnet",
            "source": "mnist", "algorithm": "erm", "stem": stem, "seed": seed, "target": target,
            "accuracy": accuracy + 0.02 * seed + (0.1 if stem == "neurn" else 0), **changes,
        }
        for stem in ("none", "neurn")
        for seed in (0, 1)
        for target, accuracy in accuracies.items()
    ]  # fmt: skip
    return pd.DataFrame(lines)


def test_means_over_seeds_and_the_three_targets() -> None:
    table = beside_literature(rows()).set_index(["method", "by"])
    erm = table.loc[("erm", "here")]
    assert (erm["svhn"], erm["mnistm"], erm["usps"]) == (31.0, 55.0, 79.0)
    assert erm["mean"] == 55.0
    assert erm["std"] == pytest.approx(1.4, abs=0.05)  # of 54 and 56
    assert erm["seeds"] == 2
    assert table.loc[("erm, neurn", "here"), "mean"] == 65.0
    assert pd.isna(erm["syn"])
    assert table["mean"].is_monotonic_increasing
    assert "mnist" not in table


def test_no_mark_of_the_figure_has_the_colour_of_a_stem() -> None:
    figure = draw_literature(beside_literature(pd.concat([rows(), rows(algorithm="randconv")])))
    of_stems = {to_hex(one) for one in level_colours(["none", *map(str, range(10))]).values()}
    marks = [line for line in figure.axes[0].lines if line.get_marker() in ("o", "s")]
    looks = {(line.get_marker(), to_hex(line.get_markerfacecolor())) for line in marks}
    assert len(looks) == len(marks) == 3
    colours = {to_hex(line.get_color()) for line in marks} | {colour for _, colour in looks}
    assert not colours & of_stems


def test_the_literatures_means_are_those_of_its_three_columns() -> None:
    table = beside_literature(rows())
    best = table[table["method"] == "Pro-RandConv"].iloc[0]
    assert best["mean"] == pytest.approx((69.7 + 82.3 + 93.7) / 3, abs=0.05)
    assert len(table) == len(literature()) + 2


@pytest.mark.parametrize(
    "other",
    [
        {"protocol": "quick"},
        {"protocol": "single-source-digits:steps=100"},
        {"architecture": "resnet18"},
        {"source": "svhn"},
    ],
)
def test_rows_of_another_training_do_not_stand_there(other: dict[str, object]) -> None:
    assert beside_literature(rows(**other)).empty


def test_a_stem_that_stands_elsewhere_is_another_method() -> None:
    beside = rows(placement="concatenate").query("stem == 'neurn'")
    beside["accuracy"] -= 0.2
    both = pd.concat([rows(placement=None), beside], ignore_index=True)
    table = beside_literature(both).query("by == 'here'").set_index("method")
    assert dict(table["mean"]) == {"erm": 55.0, "erm, neurn": 65.0, "erm, neurn concatenate": 45.0}
    augmented = both.assign(algorithm="randconv")
    compared = tables(pd.concat([both, augmented], ignore_index=True))["methods"].frame
    assert set(compared["method"]) == {
        "erm, neurn", "erm, neurn concatenate",
        "randconv", "randconv, neurn", "randconv, neurn concatenate",
    }  # fmt: skip


def test_methods_are_compared_with_plain_training() -> None:
    """Every algorithm with every stem, though no stem but none has all algorithms."""
    rows = grid_rows(("digits_convnet",), stems=("none", "neurn"), sources=("mnist",), seeds=5)
    augmented = rows.assign(algorithm="randconv", accuracy=rows["accuracy"] + 0.1)
    both = pd.concat([rows, augmented[augmented["stem"] == "neurn"]], ignore_index=True)
    table = tables(both)["methods"].frame.set_index("method")
    assert list(table.index) == ["erm, neurn", "randconv, neurn"]
    gap = table["difference"]["randconv, neurn"] - table["difference"]["erm, neurn"]
    assert gap == pytest.approx(10)
    across = rows[rows["target"] != "mnist"].groupby(["seed", "stem"])["accuracy"].mean().unstack()
    oracle = ttest_rel(across["neurn"], across["none"])
    assert table["p"]["erm, neurn"] == pytest.approx(oracle.pvalue, rel=0.01)
    assert (table["p_holm"] >= table["p"]).all()
    assert "methods" not in tables(rows)
