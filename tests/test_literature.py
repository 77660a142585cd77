"""Measured rows stand beside those that others published, and only rows of their protocol."""

import numpy as np
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


def test_settings_have_rows_of_their_own() -> None:
    usual = rows(weights="scratch", selection="last", scaling="half", suite="digits")
    changes = {
        "erm (weights inherited)": {"weights": "inherited"},
        "erm (oracle selection)": {"selection": "oracle"},
        "erm (scaling none, weights inherited)": {"scaling": "none", "weights": "inherited"},
    }
    others = [usual.assign(**one, accuracy=usual["accuracy"] - 0.2) for one in changes.values()]
    table = beside_literature(pd.concat([usual, *others])).query("by == 'here'")
    found = table.set_index("method")
    # Scaling has no usual value, so where there are two, both are said.
    assert found["mean"]["erm (scaling half)"] == 55.0
    assert found["mean"]["erm, neurn (scaling half, weights inherited)"] == 45.0
    assert found["mean"]["erm (scaling half, oracle selection)"] == 35.0
    assert found["mean"]["erm (scaling none, weights inherited)"] == 35.0
    assert len(found) == 8
    assert (found["seeds"] == 2).all()
    two = beside_literature(pd.concat([usual, others[0]])).query("by == 'here'")
    assert set(two["method"]) == {
        "erm", "erm, neurn", "erm (weights inherited)", "erm, neurn (weights inherited)",
    }  # fmt: skip
    by_oracle = beside_literature(others[1]).query("by == 'here'")
    assert set(by_oracle["method"]) == {"erm (oracle selection)", "erm, neurn (oracle selection)"}


def test_rows_that_do_not_say_their_selection_are_as_others() -> None:
    old, oracle = rows(selection=None), rows(selection="oracle", seed=7)
    both = [old, rows(selection="last").assign(seed=lambda own: own["seed"] + 2), oracle]
    table = beside_literature(pd.concat(both)).query("by == 'here'").set_index("method")
    assert table["seeds"].to_dict() == {
        "erm": 4, "erm, neurn": 4, "erm (oracle selection)": 1, "erm, neurn (oracle selection)": 1,
    }  # fmt: skip


def test_a_setting_in_brackets_makes_no_stem_of_a_method() -> None:
    unusual = rows(weights="inherited", scaling="none").query("stem == 'none'")
    both = pd.concat([rows(weights="scratch", scaling="half").query("stem == 'none'"), unusual])
    figure = draw_literature(beside_literature(both))
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels == ["as published", "measured here"]


@pytest.mark.parametrize("lost", [np.nan, None])
def test_seeds_that_lack_a_compared_target_do_not_count(lost: float | None) -> None:
    measured = rows()
    gone = (measured["target"] == "svhn") & (measured["seed"] == 1)
    gone &= measured["stem"] == "none"
    fewer = measured[~gone] if lost is None else measured.assign(
        accuracy=measured["accuracy"].where(~gone, lost)
    )  # fmt: skip
    table = beside_literature(fewer).query("by == 'here'").set_index("method")
    assert table["seeds"].to_dict() == {"erm": 1, "erm, neurn": 2}
    assert table["mean"]["erm"] == 54.0  # of the seed that has all three
    means = table[["svhn", "mnistm", "usps"]].mean(axis=1)
    assert table["mean"].tolist() == pytest.approx(means.tolist(), abs=0.06)
    without = fewer[(fewer["stem"] != "none") | (fewer["seed"] == 1)]
    table = beside_literature(without).query("by == 'here'")
    assert table["method"].tolist() == ["erm, neurn"]
    assert beside_literature(without[without["stem"] == "none"]).empty
    assert beside_literature(measured.assign(accuracy=np.nan)).empty


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
