"""What a reader who made no study needs of a figure: scales, directions, names, a bounded size."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from grid_rows import evolution_rows, grid_rows, history_rows
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from nasneurn.analysis.cells import cross_domain
from nasneurn.analysis.comparisons import differences
from nasneurn.analysis.hypervolumes import hypervolumes
from nasneurn.analysis.ranks import rank
from nasneurn.report import figures as all_figures
from nasneurn.report import style
from nasneurn.report.answer_figures import draw_confusions
from nasneurn.report.architecture_figure import draw_architectures
from nasneurn.report.comparison_figures import MOST_PAIRS, draw_differences, draw_effects
from nasneurn.report.curve_figure import draw_curves
from nasneurn.report.evolution_figures import draw_evolution, draw_hypervolumes
from nasneurn.report.rank_figure import draw_ranks
from nasneurn.report.remake import draw_study
from nasneurn.report.style import level_colours, reach_of
from nasneurn.studies.folder import Study


def drawn(monkeypatch: pytest.MonkeyPatch, *given: Any, **options: Any) -> dict[str, Figure]:
    """The figures that would be written, by name, and not written."""
    figures: dict[str, Figure] = {}

    def keep(draw: Any, path: Path, *_: str) -> Path:
        figures[path.stem] = draw()
        return path

    monkeypatch.setattr(all_figures, "write_figure", keep)
    all_figures.write_figures(*given, Path("nowhere"), **options)
    return figures


def many_pairs(sources: int) -> pd.DataFrame:
    """A study of so many sources, each measured on three other domains."""
    one = grid_rows(("a",), seeds=1, sources=("mnist",))
    rows = pd.concat(
        one.assign(source=f"s{number}", target=one["target"].replace("mnist", f"s{number}"))
        for number in range(sources)
    )
    noise = np.random.default_rng(0).normal(0, 0.05, len(rows))
    return rows.assign(accuracy=(rows["accuracy"] + noise).clip(0, 1)).reset_index(drop=True)


# ---------------------------------------------------------------- scales


def test_panels_of_differences_share_a_scale_that_is_shown() -> None:
    rows = grid_rows(seeds=2)
    rows.loc[rows["stem"] == "sobel", "accuracy"] -= 0.3
    figure = draw_differences(rows)
    *panels, bar = figure.axes
    assert {panel.get_title(loc="left") for panel in panels} == {"neurn", "sobel"}
    assert len({panel.collections[0].get_clim() for panel in panels}) == 1
    assert bar.get_ylabel() == "percentage points"


@given(st.lists(st.floats(-100, 100), max_size=30))
def test_a_scale_is_symmetric_and_says_what_lies_beyond(values: list[float]) -> None:
    reach, extend = reach_of(values)
    assert 1 <= reach <= max(1.0, *map(abs, values), 1.0)
    assert (extend in ("max", "both")) == any(value > reach for value in values)
    assert (extend in ("min", "both")) == any(value < -reach for value in values)
    assert sum(abs(value) > reach for value in values) <= len(values) / 2


def test_a_single_cell_pales_no_other() -> None:
    rows = grid_rows(stems=("none", "neurn"), effect=0.05, noise=1e-6, seeds=1)
    one = (rows["stem"] == "neurn") & (rows["source"] == "mnist") & (rows["target"] == "svhn")
    rows.loc[one, "accuracy"] = 1.0
    figure = draw_differences(rows)
    figure.draw_without_rendering()
    shown = np.asarray(figure.axes[0].collections[0].get_facecolors())
    usual = np.median(shown[:, :3], axis=0)
    assert usual[2] - usual[0] > 0.05, "the usual gain is to be seen as blue"
    assert figure.axes[-1].get_ylim()[1] < 25


def test_differences_of_confusions_have_a_scale_of_their_size() -> None:
    table = pd.DataFrame(
        [
            {"source": "a", "target": "b", "stem": stem, "label": label, "answer": answer,
             "share": 0.5 + (0.03 if stem == "neurn" and label == answer else 0)}
            for stem in ("none", "neurn") for label in "xy" for answer in "xy"
        ]
    )  # fmt: skip
    figure = draw_confusions(table, ["none", "neurn"], "a", ["x", "y"])
    limits = [axis.images[0].get_clim() for axis in figure.axes if axis.images]
    assert limits[:2] == [(0, 100), (0, 100)]
    assert limits[2] == pytest.approx((-3, 3))


# ---------------------------------------------------------------- directions and what scored


def test_ranks_say_which_is_the_best() -> None:
    ranking = rank(grid_rows(), "stem")
    figure = draw_ranks(ranking, level_colours(list(ranking.ranks.index)))
    assert "1 is best" in figure.axes[0].get_title()
    assert "1 (best)" in [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(
    ("under", "label"),
    [("clean", "held-out accuracy (%)"), ("shifts", "held-out accuracy under shifts (%)")],
)
def test_a_search_says_what_scored_its_candidates(under: str, label: str) -> None:
    evolution = evolution_rows()
    axis = draw_evolution(evolution, under).axes[0]
    assert " ".join(axis.get_ylabel().split()) == label
    title = " ".join(draw_hypervolumes(hypervolumes(evolution), under).get_suptitle().split())
    assert "more is better" in title
    assert "reference: 1.05 of both" in title
    assert ("under shifts" in title) == (under == "shifts")
    one = {
        "name": "spos/a-none-0", "stem": "none", "choices": {"x": "k3"}, "flops": 1, "params": 1,
        "held_out_accuracy": 0.5, "selected_under": under,
    }  # fmt: skip
    texts = " ".join(text.get_text() for text in draw_architectures([one]).axes[0].texts)
    assert ("held-out under shifts" in texts) == (under == "shifts")


@pytest.mark.slow
def test_what_scored_is_read_from_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evolution_rows().to_csv(tmp_path / "evolution.csv", index=False)
    (tmp_path / "config.yaml").write_text("kind: search\nselect_under: shifts\n")
    figures: dict[str, Figure] = {}
    monkeypatch.setattr(
        all_figures,
        "write_figure",
        lambda draw, path, *_: figures.setdefault(path.stem, draw()) and path,
    )
    draw_study(Study(tmp_path), pd.DataFrame(), tmp_path)
    assert "under shifts" in figures["search"].axes[0].get_ylabel()


# ---------------------------------------------------------------- sizes


def test_of_very_many_pairs_the_extreme_ones_are_shown() -> None:
    rows = many_pairs(30)
    paired = differences(cross_domain(rows), "stem", "none")
    means = paired.groupby(["source", "target"])["difference"].mean()
    for draw in (draw_effects, draw_differences):
        figure = draw(rows)
        title = " ".join(figure.get_suptitle().split())
        assert f"{MOST_PAIRS} of 90, those with the greatest and the least means" in title
        assert "50 left out" in title
        effects, panels = draw is draw_effects, figure.axes
        labels = panels[0].get_yticklabels() if effects else panels[-2].get_xticklabels()
        shown = [label.get_text() for label in labels]
        assert len(shown) == MOST_PAIRS
        for extreme in (means.idxmax(), means.idxmin()):
            assert " → ".join(extreme) in shown
    few = draw_effects(rows[rows["source"].isin(["s1", "s2"])])
    assert "left out" not in few.get_suptitle()


def test_of_very_many_sources_the_first_curves_are_shown() -> None:
    figure = draw_curves(history_rows(many_pairs(20)))
    assert "12 of 20 sources, the first; 8 left out" in figure.get_suptitle()
    assert len(figure.axes) == 12


def test_no_figure_is_larger_than_a_viewer_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "LONGEST", 300)
    for size in ((4, 1), (40, 1), (1, 30)):
        path = style.write_figure(lambda size=size: Figure(figsize=size), tmp_path / "one.png")
        with Image.open(path) as image:
            assert max(image.size) <= 301, size


# ---------------------------------------------------------------- names


def test_names_that_begin_with_an_underscore_are_in_the_legends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = grid_rows(("_a", "b"), ("none", "_own:Stem"), seeds=1, sources=("mnist",))
    evolution = evolution_rows(("none", "_own:Stem"), ("mnist",))
    figures = drawn(monkeypatch, rows, history_rows(rows), evolution=evolution)
    legends = {
        name: [text.get_text() for legend in figure.legends for text in legend.get_texts()]
        for name, figure in figures.items()
    }
    assert legends["overall"] == ["_a", "b"]
    for name in ("effects", "curves", "hypervolume"):
        assert legends[name] == ["none", "_own:Stem"], name


def test_titles_of_panels_do_not_cover_each_other() -> None:
    sources = ("mnist+mnistm+svhn", "mnist+svhn+usps")
    rows = grid_rows(("test_resnet", "spos, found on mnist, stem none, seed 2"), sources=sources)
    figure = draw_curves(history_rows(rows))
    figure.draw_without_rendering()
    titles = [axis.title.get_window_extent() for axis in figure.axes]
    assert not any(one.overlaps(other) for one, other in combinations(titles, 2))
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in titles)
