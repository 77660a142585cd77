"""Tables of a study: what they say, on disk and on the terminal."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from grid_rows import DOMAINS, grid_rows
from rich.console import Console, RenderableType

from nasneurn.analysis.comparisons import compare
from nasneurn.analysis.published import beside_published
from nasneurn.analysis.rank_correlation import rank_correlations
from nasneurn.report.captions import own_accuracy, randomness, seeds_of
from nasneurn.report.latex_tables import latex
from nasneurn.report.tables import ReportTable, tables, write_tables
from nasneurn.report.terminal import (
    overall_view,
    print_plan,
    quality_view,
    status_view,
)
from nasneurn.studies.estimate import Estimate
from nasneurn.studies.standing import Standing

COMPARED = {"overall", "pairs", "architectures", "same_domain", "intervals"}


def told(shown: RenderableType | Callable[[Console], None]) -> str:
    """What is printed where there is no terminal."""
    console = Console(width=80, record=True, file=io.StringIO())
    if callable(shown):
        shown(console)
    else:
        console.print(shown)
    return console.export_text()


# ---------------------------------------------------------------- files


def test_tables_are_in_percent_and_written_twice(tmp_path: Path) -> None:
    rows = grid_rows(effect=0.1, noise=1e-6)
    paths = write_tables(rows, tmp_path)
    expected = {*COMPARED, "accuracy", "ranks", "published"}
    assert {path.stem for path in paths if path.suffix == ".tex"} == expected
    assert {path.stem for path in paths if path.suffix == ".csv"} == {*expected, "captions"}
    assert all(path.is_file() for path in paths)
    overall = pd.read_csv(tmp_path / "overall.csv").set_index("stem")
    assert overall.loc["neurn", "difference"] == pytest.approx(10, abs=0.01)
    assert overall.loc["neurn", "cells"] == 8
    same = pd.read_csv(tmp_path / "same_domain.csv").set_index("stem")
    assert same.loc["neurn", "difference"] == pytest.approx(0, abs=0.01)


def test_captions_say_how_many_seeds_and_how_good_a_network_is_at_home(tmp_path: Path) -> None:
    write_tables(grid_rows(noise=1e-6), tmp_path)
    captions = pd.read_csv(tmp_path / "captions.csv").set_index("table")["caption"]
    for name, caption in captions.items():
        assert "3 seeds" in caption
        assert "on the source's own test images: none 95.0%, neurn 95.0%, sobel 95.0%" in caption
        first = (tmp_path / f"{name}.tex").read_text().splitlines()[0]
        assert first == f"% {caption}"
    write_tables(grid_rows(seeds=1), tmp_path)
    assert "one seed" in pd.read_csv(tmp_path / "captions.csv")["caption"].iloc[0]


@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        (grid_rows(stems=("none",)), COMPARED | {"published"}),
        (grid_rows(stems=("neurn", "sobel")), COMPARED | {"published"}),
        (grid_rows().query("source != target"), {"same_domain"}),
        (grid_rows().query("source == target"), COMPARED - {"same_domain"} | {"ranks"}),
        (grid_rows(("vgg19",), seeds=1, sources=("mnist",)), set()),
        (grid_rows().sample(frac=0.3, random_state=0), set()),
    ],
    ids=["one stem", "no control", "no own domain", "own domain alone", "one cell", "unfinished"],
)
def test_gaps_leave_out_what_they_must(
    tmp_path: Path, rows: pd.DataFrame, missing: set[str]
) -> None:
    everything = {*COMPARED, "accuracy", "ranks", "published"}
    assert set(tables(rows)) == everything - missing
    assert write_tables(rows, tmp_path)


def test_no_rows_give_no_tables(tmp_path: Path) -> None:
    assert tables(grid_rows()[:0]) == {}
    assert [path.name for path in write_tables(grid_rows()[:0], tmp_path)] == ["captions.csv"]
    assert "no training" in told(overall_view(grid_rows()[:0]))


@pytest.mark.slow
def test_settings_are_columns_of_every_table() -> None:
    rows = pd.concat([grid_rows(), grid_rows(effect=0.2).assign(weights="inherited")])
    for name, table in tables(rows).items():
        assert set(table.frame["weights"]) == {"scratch", "inherited"}, name
    overall = tables(rows)["overall"].frame.set_index(["weights", "stem"])["difference"]
    assert overall["inherited", "neurn"] == pytest.approx(20, abs=3)
    assert overall["scratch", "neurn"] == pytest.approx(5, abs=3)


def test_pairs_come_in_the_order_of_the_rows() -> None:
    frame = tables(grid_rows())["pairs"].frame
    pairs = list(dict.fromkeys(zip(frame["source"], frame["target"], strict=True)))
    assert pairs == [(a, b) for a in DOMAINS for b in DOMAINS if a != b]
    assert frame["stem"].tolist()[:2] == ["neurn", "sobel"]


def test_intervals_name_what_is_random() -> None:
    frame = tables(grid_rows(("a", "b", "c"), ("none", "neurn")))["intervals"].frame
    assert frame["random"].tolist() == ["cells", "sources", "architectures", "seeds"]
    assert frame["difference"].nunique() == 1
    assert frame["low"].notna().all()


def test_latex_escapes_and_shows_missing_numbers() -> None:
    frame = pd.DataFrame({"stem": ["local_contrast_norm", "a&b%"], "p_holm": [0.05, float("nan")]})
    lines = latex(ReportTable("One seed, 5%.", frame)).splitlines()
    assert lines[0] == "% One seed, 5%."
    assert lines[1:4] == [r"\begin{tabular}{lr}", r"\toprule", r"stem & p holm \\"]
    assert lines[5] == r"local\_contrast\_norm & 0.05 \\"
    assert lines[6] == r"a\&b\% & -- \\"
    assert lines[-1] == r"\end{tabular}"


def test_published_figures_stand_beside_the_same_pairs() -> None:
    table = beside_published(grid_rows())
    assert set(table["source"]) <= set(DOMAINS)
    paper = table[table["reported_by"] == "arXiv 2505.06881"].set_index(["source", "target"])
    assert paper.loc[("mnistm", "svhn"), "their_neurn"] == 50.4
    assert 40 < paper.loc[("mnistm", "svhn"), "our_none"] < 60
    builtin = grid_rows().replace({"mnist": "optdigits", "mnistm": "street"})
    builtin = builtin.replace({"svhn": "print", "usps": "optdigits-m"})
    assert beside_published(builtin).empty
    assert "published" not in tables(builtin)


def test_published_figures_stand_beside_all_pretrained_networks_together() -> None:
    rows = grid_rows()
    tagged = beside_published(rows.assign(weights="pretrained:" + rows["architecture"]))
    pd.testing.assert_frame_equal(tagged, beside_published(rows))
    inside = rows.assign(placement=np.where(rows["stem"] == "none", "front", "inside"))
    pd.testing.assert_frame_equal(beside_published(inside), beside_published(rows))


# ---------------------------------------------------------------- words


def test_seeds_are_counted_by_cell() -> None:
    rows = grid_rows(seeds=3)
    assert seeds_of(rows) == "3 seeds"
    assert seeds_of(rows[rows["seed"] == 0]) == "one seed"
    assert seeds_of(rows[(rows["seed"] == 0) | (rows["source"] == "mnist")]) == "1 to 3 seeds"


def test_accuracy_at_home_is_told_for_each_setting() -> None:
    rows = pd.concat([grid_rows(noise=0), grid_rows(noise=0).assign(weights="inherited")])
    assert "scratch: none 95.0%, neurn 95.0%" in own_accuracy(rows)
    assert "nothing was measured" in own_accuracy(rows[rows["source"] != rows["target"]])


def test_captions_say_where_there_is_no_interval() -> None:
    assert randomness(compare(grid_rows())) == "95% interval and p over cells"
    one = grid_rows(("vgg19",), seeds=1, sources=("mnist",))
    assert randomness(compare(one)) == "too little for an interval"


# ---------------------------------------------------------------- terminal


def test_the_terminal_table_says_how_many_seeds_and_what_is_random() -> None:
    assert "one seed" in told(overall_view(grid_rows(seeds=1)))
    several = told(overall_view(grid_rows(effect=0.1, noise=0.001)))
    assert "3 seeds" in several
    assert "+10.0" in several
    assert "[" in several
    assert "over cells" in several
    one = told(overall_view(grid_rows(("vgg19",), seeds=1, sources=("mnist",))))
    assert "too little for an interval" in one
    assert "[" not in one


@pytest.mark.parametrize("stem", ["local_contrast_norm", "randconv:kernel_sizes=[1,3,5],mix=true"])
def test_the_terminal_table_cuts_nothing_off_in_80_columns(stem: str) -> None:
    rows = grid_rows(stems=("none", stem), effect=-0.1, noise=0.02)
    text = told(overall_view(rows))
    folded = "".join(line.split("│")[1].strip() for line in text.splitlines() if "│" in line)
    assert stem in folded
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_terminal_shows_the_p_values_of_the_table() -> None:
    rows = pd.concat([grid_rows(effect=0.02), grid_rows(effect=0.03).assign(weights="inherited")])
    text = told(overall_view(rows))
    assert "scratch weights" in text
    assert "inherited weights" in text
    for p in compare(rows[rows["source"] != rows["target"]])["p_holm"]:
        assert f"{float(f'{p:.3g}'):.2g}" in text


def test_the_plan_is_told() -> None:
    plan = [Estimate("resnet18", "as published", 6, 700.0)]
    text = told(lambda console: print_plan(plan, workers=2, stops_early=True, console=console))
    assert "1 h 10 min" in text
    assert "6 trainings, at most 35 min 00 s with 2 at once; early stopping makes it less" in text
    text = told(lambda console: print_plan(plan, workers=2, stops_early=False, console=console))
    assert "6 trainings, about 35 min 00 s with 2 at once\n" in text
    text = told(lambda console: print_plan(plan, workers=12, stops_early=False, console=console))
    assert "6 trainings, about 11 min 40 s with 6 at once\n" in text


def test_the_status_is_told_with_what_failed() -> None:
    kinds = {"resnet18": (6, 3, 1), "spos supernet": (2, 2, 0)}
    failures = (("resnet18, none, mnist, seed 0", "RuntimeError: [out] of memory"),)
    text = told(status_view(Standing(kinds, failures, (), None)))
    assert " ".join(text.split()).count("6 │ 3 │ 1 │ 2") == 1
    assert "failed: resnet18, none, mnist, seed 0: RuntimeError: [out] of memory" in text


def test_the_quality_of_a_search_is_told() -> None:
    quality = pd.DataFrame(
        {
            "space": "spos", "source": "mnist", "stem": "none", "seed": 0,
            "raw": 0.5, "recalibrated": range(8), "alone": range(8),
        }
    )  # fmt: skip
    control = pd.DataFrame(
        {
            "space": "spos", "source": "mnist", "stem": "none", "seed": 0,
            "method": ["evolution", "evolution", "random"], "evaluations": [1, 2, 2],
            "best": [0.5, 0.75, 0.7],
        }
    )  # fmt: skip
    text = told(quality_view(rank_correlations(quality), control))
    assert "+1.00" in text
    assert "no spread" in text
    assert "best candidate 75.0% by evolution, 70.0% by random search" in " ".join(text.split())
