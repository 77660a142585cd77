"""Tables and figures of a grid: what they say, and that gaps do not stop them."""

import io
from pathlib import Path

import pandas as pd
import pytest
from grid_rows import DOMAINS, grid_rows, history_rows
from PIL import Image
from rich.console import Console

from nasneurn.analysis.published import beside_published
from nasneurn.report.bench_figures import draw_all
from nasneurn.report.bench_tables import latex, overall_view, tables, write_tables

ALL = {"curves", "overall", "effects", "differences", "ranks"}


def test_every_figure_is_drawn(tmp_path: Path) -> None:
    rows = grid_rows()
    drawn = draw_all(rows, history_rows(rows), tmp_path)
    assert {path.stem for path in drawn} == ALL
    for path in drawn:
        with Image.open(path) as image:
            assert len(set(image.convert("RGB").resize((64, 64)).getdata())) > 10


@pytest.mark.parametrize(
    ("rows", "figures"),
    [
        (grid_rows(stems=("none",)), {"curves"}),
        (grid_rows(stems=("neurn", "sobel")), {"curves"}),
        (grid_rows(stems=("none", "neurn"), seeds=1), ALL - {"ranks"}),
        (grid_rows(architectures=("vgg19",)).sample(frac=0.4, random_state=0), ALL - {"ranks"}),
    ],
    ids=["one stem", "no control", "one seed", "an unfinished grid"],
)
def test_gaps_are_drawn_as_gaps(tmp_path: Path, rows: pd.DataFrame, figures: set[str]) -> None:
    drawn = draw_all(rows, history_rows(rows), tmp_path)
    assert {path.stem for path in drawn} >= figures
    assert write_tables(rows, tmp_path)


def test_tables_are_in_percent_and_written_twice(tmp_path: Path) -> None:
    rows = grid_rows(effect=0.1, noise=1e-6)
    written = write_tables(rows, tmp_path)
    assert {path.stem for path in written} == {
        "accuracy", "ranks", "overall", "pairs", "architectures", "same_domain", "published",
    }  # fmt: skip
    overall = pd.read_csv(tmp_path / "overall.csv").set_index("stem")
    assert overall.loc["neurn", "difference"] == pytest.approx(10, abs=0.01)
    assert overall.loc["neurn", "cases"] == 2 * 12 * 3
    same = pd.read_csv(tmp_path / "same_domain.csv").set_index("stem")
    assert same.loc["neurn", "difference"] == pytest.approx(0, abs=0.01)
    text = (tmp_path / "overall.tex").read_text()
    assert text.count(r"\\") == 3
    assert r"\toprule" in text


def test_latex_escapes_and_shows_missing_numbers() -> None:
    table = pd.DataFrame({"stem": ["local_contrast_norm", "a&b"], "p": [0.05, float("nan")]})
    assert latex(table).splitlines()[2:6] == [
        r"stem & p \\",
        r"\midrule",
        r"local\_contrast\_norm & 0.05 \\",
        r"a\&b & -- \\",
    ]


def told(rows: pd.DataFrame) -> str:
    """The terminal's table, as words with one space between, where there is no terminal."""
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(overall_view(rows))
    return " ".join(console.export_text().split())


def test_the_terminal_table_says_that_one_seed_has_no_interval() -> None:
    assert "one seed, so no interval" in told(grid_rows(seeds=1))
    several = told(grid_rows(effect=0.1, noise=0.001))
    assert "3 seeds" in several
    assert "+10.0" in several
    assert "[" in several


def test_the_terminal_table_cuts_nothing_off_in_80_columns() -> None:
    rows = grid_rows(stems=("none", "local_contrast_norm"), effect=-0.1, noise=0.02)
    text = told(rows)
    assert "local_contrast_norm" in text
    assert "…" not in text


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
