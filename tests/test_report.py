"""Figures: that each says what its rows say, and that gaps do not stop them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from grid_rows import evolution_rows, grid_rows, history_rows
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colors
from matplotlib.figure import Figure
from PIL import Image

from nasneurn.analysis.cells import cross_domain
from nasneurn.analysis.comparisons import compare
from nasneurn.report import style
from nasneurn.report.architecture_figure import blocks_of, draw_architectures
from nasneurn.report.comparison_figures import draw_differences, draw_effects, draw_overall
from nasneurn.report.curve_figure import draw_curves
from nasneurn.report.evolution_figures import draw_evolution, front_of
from nasneurn.report.figures import write_figures
from nasneurn.report.style import NEUTRAL, level_colours

COMPARED = {"overall", "effects", "differences", "ranks"}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer dots, since most of the time goes into painting them."""
    monkeypatch.setattr(style, "DPI", 30)


def names(paths: list[Path]) -> set[str]:
    return {path.stem for path in paths}


def written(*texts: Any) -> str:
    return " ".join(text.get_text() for text in texts)


@pytest.mark.slow
def test_every_figure_is_drawn(tmp_path: Path) -> None:
    rows = grid_rows(("a",), seeds=2)
    quality = pd.DataFrame(
        {
            "space": "spos", "source": "mnist", "stem": "none", "seed": 0,
            "raw": np.arange(7.0), "recalibrated": np.arange(7.0), "alone": np.arange(7.0),
        }
    )  # fmt: skip
    control = pd.DataFrame(
        {
            "space": "spos", "source": "mnist", "stem": "none", "seed": 0,
            "method": ["evolution", "random"] * 2, "evaluations": [1, 1, 2, 2], "best": 0.5,
        }
    )  # fmt: skip
    found = {
        "name": "spos/mnist-none-0", "stem": "none", "choices": {"layer_1": "k3"},
        "flops": 10, "params": 10, "held_out_accuracy": 0.5,
    }  # fmt: skip
    drawn = write_figures(
        rows,
        history_rows(rows),
        tmp_path,
        evolution=evolution_rows(),
        found=[found],
        quality=quality,
        control_search=control,
    )
    assert names(drawn) == {
        *COMPARED, "curves", "search", "hypervolume", "architecture", "quality",
    }  # fmt: skip
    for path in drawn:
        with Image.open(path) as image:
            assert len(set(image.convert("RGB").resize((64, 64)).getdata())) > 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "figures"),
    [
        (grid_rows(("a",), stems=("none",)), set()),
        (grid_rows(("a",), stems=("neurn", "sobel")), set()),
        (grid_rows(("a",), stems=("none", "neurn"), seeds=1), COMPARED - {"ranks"}),
        (grid_rows(("vgg19",)).sample(frac=0.4, random_state=0), COMPARED - {"ranks"}),
        (grid_rows(("vgg19",), sources=("mnist",), seeds=1), COMPARED - {"ranks"}),
        (grid_rows(sources=("mnist+svhn", "usps")), COMPARED),
        (grid_rows(tuple("abcde"), ("none", "neurn"), 1, sources=("mnist",)), COMPARED - {"ranks"}),
        (grid_rows(("a",)).query("source == target"), set()),
    ],
    ids=[
        "one stem", "no control", "one seed", "unfinished", "one cell", "several sources",
        "five architectures", "own domain",
    ],
)  # fmt: skip
def test_what_there_are_rows_for_is_drawn(
    tmp_path: Path, rows: pd.DataFrame, figures: set[str]
) -> None:
    drawn = names(write_figures(rows, history_rows(rows), tmp_path))
    assert drawn - {"ranks"} == {*figures, "curves"} - {"ranks"}
    assert ("ranks" in drawn) >= ("ranks" in figures)


def test_nothing_is_drawn_from_nothing(tmp_path: Path) -> None:
    empty = grid_rows()[:0]
    assert write_figures(empty, pd.DataFrame(), tmp_path, evolution=pd.DataFrame()) == []


@pytest.mark.slow
def test_each_setting_has_figures_of_its_own(tmp_path: Path) -> None:
    one = grid_rows(("a",), seeds=1)
    rows = pd.concat([one, one.assign(weights="inherited")])
    drawn = write_figures(rows, history_rows(one), tmp_path)
    assert names(drawn) == {
        *(f"{name}-{weights}" for name in COMPARED for weights in ("scratch", "inherited")),
        "curves",
    }


def test_the_overall_figure_shows_the_table() -> None:
    rows = grid_rows(stems=("none", "neurn"))
    (row,) = compare(cross_domain(rows)).to_dict(orient="records")
    figure = draw_overall(rows)
    axis = figure.axes[0]
    interval = next(line for line in axis.lines if line.get_linewidth() == 3)
    assert np.asarray(interval.get_xdata()) == pytest.approx([100 * row["low"], 100 * row["high"]])
    assert "3 seeds; 95% interval over cells" in figure.get_suptitle()
    assert "one seed" in draw_overall(grid_rows(seeds=1)).get_suptitle()


def test_figures_without_an_interval_say_so() -> None:
    rows = grid_rows(("vgg19",), ("none", "neurn"), seeds=1, sources=("mnist",))
    figure = draw_overall(rows)
    assert "too little for an interval" in figure.get_suptitle()
    assert not [line for line in figure.axes[0].lines if line.get_linewidth() == 3]


def test_a_legend_of_many_stems_is_inside_its_figure() -> None:
    stems = ("none", "neurn", "instance_norm", "neurn:k=5", "neurn:k=7", "local_contrast_norm")
    figure = draw_curves(history_rows(grid_rows(("vgg19",), stems, sources=("mnist",))))
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(stems)
    assert 0 <= legend.get_window_extent().x0 < legend.get_window_extent().x1 <= figure.bbox.width


def test_a_long_legend_leaves_room_for_the_axes() -> None:
    stems = ("none", *(f"neurn:k={k}" for k in range(3, 49, 2)))
    figure = draw_curves(history_rows(grid_rows(("vgg19",), stems, sources=("mnist",))))
    figure.draw_without_rendering()
    (legend,), (axis,) = figure.legends, figure.axes
    inside = axis.get_tightbbox()
    assert inside is not None
    assert inside.height > 100
    assert legend.get_window_extent().y1 <= inside.y0


def test_a_title_that_says_much_is_inside_its_figure() -> None:
    """Seeds that differ, and intervals for some alone."""
    rows = grid_rows(("vgg19",), ("none", "neurn", "instance_norm"), seeds=5, sources=("mnist",))
    figure = draw_overall(rows[(rows["stem"] != "instance_norm") | (rows["seed"] == 0)])
    assert "interval elsewhere" in figure.get_suptitle().replace("\n", " ")
    figure.draw_without_rendering()
    (title,) = figure.texts
    inside, width = title.get_window_extent(), figure.bbox.width
    assert 0 < inside.x0 < inside.x1 < width


def test_a_gain_is_blue_and_a_loss_is_red() -> None:
    for effect, stronger in ((0.3, 2), (-0.3, 0)):
        figure = draw_differences(grid_rows(stems=("none", "neurn"), effect=effect, noise=1e-6))
        mesh = figure.axes[0].collections[0]
        figure.draw_without_rendering()
        red_green_blue = mesh.get_facecolors()[0][:3]
        assert red_green_blue[stronger] == max(red_green_blue)


def test_the_control_is_grey_whatever_its_place() -> None:
    assert level_colours(["neurn", "none"])["none"] == NEUTRAL
    assert level_colours(["erm", "mixstyle"], "erm")["erm"] == NEUTRAL
    many = level_colours(["none", *map(str, range(14))])
    assert len({colors.to_hex(colour) for colour in many.values()}) == 15


def test_many_architectures_stand_in_several_lines() -> None:
    rows = grid_rows(tuple("abcdefghij"), ("none", "neurn"), seeds=1)
    figure = draw_effects(rows)
    assert figure.get_size_inches()[0] < 20
    assert [axis.get_title() for axis in figure.axes if axis.axison] == list("abcdefghij")


def test_very_many_architectures_are_taken_together() -> None:
    rows = grid_rows(tuple(f"a{number}" for number in range(13)), ("none", "neurn"), seeds=1)
    (axis,) = draw_effects(rows).axes
    assert axis.get_title() == "13 architectures"
    means = cross_domain(rows).groupby(["stem", "source", "target"])["accuracy"].mean()
    first = axis.lines[1].get_xdata()
    pair = ("mnist", "mnistm")
    assert list(first) == pytest.approx([100 * means["none", *pair], 100 * means["neurn", *pair]])
    assert len(draw_curves(history_rows(rows)).axes) == 4
    assert written(*draw_overall(rows).legends[0].get_texts()) == "one of 13 architectures"


@pytest.mark.parametrize("count", [1, 13])
def test_what_stopped_early_keeps_its_best_accuracy(count: int) -> None:
    history = pd.DataFrame(
        {
            "architecture": f"a{number}", "source": "mnist", "stem": "none", "seed": 0,
            "epoch": epoch, "held_out_accuracy": 0.5 if number else epoch / 4,
        }
        for number in range(count)
        for epoch in ((1,) if number else (1, 2, 3))
    )  # fmt: skip
    (line,) = draw_curves(history).axes[0].lines
    expected = [100 * (epoch / 4 + 0.5 * (count - 1)) / count for epoch in (1, 2, 3)]
    assert list(line.get_ydata()) == pytest.approx(expected)


def test_curves_of_one_epoch_can_be_seen() -> None:
    history = history_rows(grid_rows())
    figure = draw_curves(history[history["epoch"] == 1])
    assert all(line.get_marker() == "o" for line in figure.axes[0].lines)


points = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40)


@given(points)
def test_front_is_what_no_other_beats(values: list[tuple[int, int]]) -> None:
    rows = pd.DataFrame(values, columns=["flops", "held_out_accuracy"])
    front = set(front_of(rows).itertuples(index=False, name=None))
    beaten = {
        (flops, score)
        for flops, score in values
        if any(f <= flops and s >= score and (f, s) != (flops, score) for f, s in values)
    }
    assert front == set(values) - beaten


@pytest.mark.slow
@pytest.mark.parametrize("stems", [("neurn",), ("none", "neurn")])
@pytest.mark.parametrize("sources", [("photo",), ("photo", "sketch")])
def test_searches_of_any_size_are_drawn(
    tmp_path: Path, stems: tuple[str, ...], sources: tuple[str, ...]
) -> None:
    rows = evolution_rows(stems, sources)
    unfinished = rows[(rows["stem"] != stems[-1]) | (rows["source"] == sources[0])]
    for evolution in (rows, unfinished):
        figure = draw_evolution(evolution)
        assert isinstance(figure, Figure)
        assert figure.legends
        drawn = write_figures(rows[:0], rows[:0], tmp_path, evolution=evolution)
        assert names(drawn) == {"search", "hypervolume"}


def test_a_search_for_latency_shows_latency(tmp_path: Path) -> None:
    rows = evolution_rows().assign(latency=lambda own: own["flops"] / 1e9)
    drawn = write_figures(rows[:0], rows[:0], tmp_path, evolution=rows)
    assert names(drawn) == {"search", "hypervolume"}


def test_two_spaces_have_panels_of_their_own() -> None:
    both = pd.concat([evolution_rows(), evolution_rows().assign(space="autoformer")])
    titles = {axis.get_title() for axis in draw_evolution(both).axes}
    assert "spos, mnist, none" in titles
    assert "autoformer, svhn, neurn" in titles


def test_blocks_of_found_architectures() -> None:
    assert blocks_of("neurn:k=3", {"layer_1": "k5"}) == [("neurn\nk=3", "stem"), ("k5", "k5")]
    former = {
        "embed_dim": 64, "depth": 1, "mlp_ratio_0": 2.0, "mlp_ratio_1": 3.0,
        "num_head_0": 3, "num_head_1": 4,
    }  # fmt: skip
    assert [text for text, _ in blocks_of("none", former)] == [
        "none", "embed\n64", "3 heads\nMLP x2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("space", "choices", "told"),
    [
        ("spos", {"layer_1": "k3", "layer_2": "k7"}, ["k3, k7: a ShuffleNetV2 block"]),
        ("spos", {"layer_1": "xcep"}, ["xcep: one with three depthwise kernels"]),
        (
            "autoformer",
            {"embed_dim": 64, "depth": 1, "mlp_ratio_0": 2.0, "num_head_0": 3},
            ["embed: numbers in a token", "heads: heads of attention", "MLP: how much wider"],
        ),
        ("my.space:Own", {"x": "k3"}, []),
    ],
)
def test_a_stranger_reads_where_an_architecture_was_found_and_what_its_blocks_are(
    space: str, choices: dict[str, Any], told: list[str]
) -> None:
    one = {
        "name": f"{space}/mnist-none-0", "space": space, "choices": choices, "stem": "neurn",
        "searched_stem": "neurn", "source": "mnist", "seed": 3, "flops": 1, "params": 1,
    }  # fmt: skip
    texts = written(*draw_architectures([one]).axes[0].texts)
    assert "mnist-none-0" not in texts
    assert "found on mnist, stem neurn, seed 3" in texts
    assert all(line in texts for line in told)
    assert ("Xception" in texts) == ("xcep" in choices.values())
    assert ("k3:" in texts or "k3," in texts) == (space == "spos" and "k3" in choices.values())
    searched = draw_architectures([{**one, "searched_stem": "search"}]).axes[0].texts
    assert "found on mnist, stem searched too, seed 3" in written(*searched)


def test_an_architecture_without_a_score_is_drawn_without_one() -> None:
    one = {"name": "a/b", "stem": "none", "choices": {"x": 1}, "flops": 1, "params": 1}
    figure = draw_architectures([{**one, "held_out_accuracy": None}])
    assert "held-out" not in written(*figure.axes[0].texts)
    assert "50.0% held-out" in written(
        *draw_architectures([{**one, "held_out_accuracy": 0.5}]).axes[0].texts
    )
