"""A study that shows itself: what must be known stands beside its numbers, in given axes too."""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from grid_rows import grid_rows, history_rows
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from shows_itself import other_axes

from nasneurn import InputError, Study
from nasneurn.report.result import LINES

NEAR = "near chance on their own source"


class Shown(Study):
    """A study whose tables are rows of a test."""

    accuracy = pd.DataFrame()
    history = pd.DataFrame()

    def has(self, name: str) -> bool:
        return True


def study_of(folder: Path, rows: pd.DataFrame) -> Study:
    """A study with these rows, and nothing else."""
    study = Shown(folder)
    study.config_path.write_text("kind: bench\n")
    study.accuracy, study.history = rows, history_rows(rows)
    return study


def one_panel(folder: Path, **columns: Any) -> Study:
    rows = grid_rows(("net",), ("none", "neurn"), seeds=2, sources=("mnist",))
    return study_of(folder, rows.assign(**columns))


def lines_of(axes: Axes) -> list[Any]:
    return [np.asarray(line.get_xydata()).tolist() for line in axes.lines]


def title_of(drawn: Figure | Axes) -> str:
    text = drawn.get_suptitle() if isinstance(drawn, Figure) else drawn.get_title()
    return " ".join(text.split())


def test_what_has_nothing_to_draw_says_so(tmp_path: Path) -> None:
    empty = one_panel(tmp_path)
    empty.accuracy = empty.accuracy.iloc[:0]
    for plot in (empty.plot_stems, empty.plot_gains, empty.plot_curves):
        with pytest.raises(InputError, match="no training has been measured"):
            plot()
    at_home = one_panel(tmp_path)
    at_home.accuracy = at_home.accuracy.query("source == target")
    with pytest.raises(InputError, match="nothing is measured on domains not trained on"):
        at_home.plot_gains()


@pytest.mark.parametrize("guessed", [True, False])
def test_trainings_near_chance_are_told_wherever_a_notebook_shows_numbers(
    guessed: bool, tmp_path: Path
) -> None:
    study = one_panel(tmp_path, **({"accuracy": 0.11} if guessed else {}))
    assert (NEAR in study._repr_html_()) == guessed
    for plot in (study.plot_stems, study.plot_gains, study.plot_curves):
        assert (NEAR in title_of(plot())) == guessed, plot
        assert (NEAR in title_of(plot(ax=other_axes()))) == guessed, plot


def test_a_name_in_a_caution_is_text(tmp_path: Path) -> None:
    rows = grid_rows(("<b>", "<i>"), ("none", "neurn"), seeds=1, sources=("mnist",))
    study = study_of(tmp_path, rows.assign(accuracy=0.11))
    html = study._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>," not in html


def test_every_plot_is_drawn_into_given_axes(tmp_path: Path) -> None:
    study = one_panel(tmp_path)
    for plot in (study.plot_stems, study.plot_gains, study.plot_curves):
        axes = other_axes()
        assert plot(ax=axes) is axes
        assert axes.lines
        assert axes.get_xlabel()
        figure = axes.get_figure(root=True)
        assert figure is not None
        figure.draw_without_rendering()
    gains = study.plot_gains(ax=other_axes())
    assert [text.get_text() for text in gains.get_yticklabels()] == [
        text.get_text() for text in study.plot_gains().axes[0].get_yticklabels()
    ]
    assert lines_of(gains) == lines_of(study.plot_gains().axes[0])


def test_axes_for_several_panels_are_refused(tmp_path: Path) -> None:
    study = study_of(tmp_path, grid_rows(("a", "b"), ("none", "neurn"), seeds=2))
    with pytest.raises(InputError, match="the figure has 2 panels, one for an architecture; leave"):
        study.plot_gains(ax=other_axes())
    with pytest.raises(InputError, match="one for an architecture and source; leave out ax"):
        study.plot_curves(ax=other_axes())
    assert len(study.plot_gains().axes) == 2


# ---------------------------------------------------------------- printed


def test_what_is_printed_says_what_was_run_how_much_is_done_and_what_stems_do(
    tmp_path: Path,
) -> None:
    rows = grid_rows(("net",), ("none", "neurn"), seeds=2, sources=("mnist",))
    rows["training"] = rows["stem"] + rows["seed"].astype(str)
    study = study_of(tmp_path, rows)
    study.config_path.write_text("kind: bench\nsuite: digits\nbudget: quick\n")
    for training in dict.fromkeys(rows["training"]):
        study.store.finish(training, {}, {})
    study.store.fail("fifth", "ValueError: no", "", {})
    first, second, *table = str(study).splitlines()
    assert first == f"Study {tmp_path}: bench, digits, budget quick"
    assert second == "4 trainings done, 1 failed"
    means = {line.split()[1]: line.split()[3] for line in table if line.startswith("│")}
    for stem, mean in study.stem_means()["other"].items():
        assert means[str(stem)] == f"{100 * mean:.1f}"
    assert max(map(len, table)) <= 80
    assert len(table) < 12
    assert repr(study) == str(study)
    # Supernets are units and no trainings.
    study.store.finish("supernet", {}, {})
    second = str(study).splitlines()[1]
    assert second == "5 units of work done, 1 failed; the tables have 4 trainings"


def test_means_of_stems_are_never_over_algorithms_or_placements(tmp_path: Path) -> None:
    plain = grid_rows(("net",), ("none", "neurn"), seeds=2, sources=("mnist",))
    plain = plain.assign(algorithm="erm", placement="front")
    better = plain.assign(algorithm="randconv", accuracy=plain["accuracy"] + 0.1)
    inside = plain[plain["stem"] == "neurn"].assign(placement="inside", accuracy=0.5)
    study = study_of(tmp_path, pd.concat([plain, better, inside], ignore_index=True))
    means, alone = study.stem_means(), study_of(tmp_path, plain).stem_means()
    assert means.index.names == ["placement", "algorithm", "stem"]
    pd.testing.assert_frame_equal(means.loc[("front", "erm")], alone)
    pd.testing.assert_frame_equal(means.loc[("front", "randconv")], alone + 0.1)
    assert means.loc[("inside", "erm", "neurn"), "other"] == pytest.approx(0.5)
    assert means.loc[("inside", "erm", "none"), "other"] == alone.loc["none", "other"]
    assert "<td>front, randconv, neurn</td>" in study._repr_html_()
    labels = [label.get_text() for label in study.plot_stems().get_yticklabels()]
    assert "inside, erm, neurn" in labels
    assert len(labels) == len(means) == 6


def test_plots_of_several_algorithms_have_panels_of_their_own(tmp_path: Path) -> None:
    """No stem's accuracy is drawn as a mean over algorithms, nor beside the control of another."""
    plain = grid_rows(("net",), ("none", "neurn"), seeds=2, sources=("mnist",))
    plain = plain.assign(algorithm="erm", training=plain["stem"] + plain["seed"].astype(str))
    better = plain.assign(algorithm="randconv", accuracy=plain["accuracy"] + 0.3)
    alone = plain[plain["stem"] == "none"].assign(algorithm="ada", accuracy=0.9)
    study = study_of(tmp_path, pd.concat([plain, better, alone], ignore_index=True))
    panels = {axes.get_title(): lines_of(axes) for axes in study.plot_gains().axes}
    assert list(panels) == ["net (erm)", "net (randconv)"]
    (whole,) = study_of(tmp_path, plain).plot_gains().axes
    assert panels["net (erm)"] == lines_of(whole)
    titles = [" ".join(axes.get_title().split()) for axes in study.plot_curves().axes]
    assert titles == [f"net ({name}), mnist" for name in ("erm", "randconv", "ada")]
    with pytest.raises(InputError, match="2 panels"):
        study.plot_gains(ax=other_axes())


def test_a_network_without_the_control_has_an_empty_panel(tmp_path: Path) -> None:
    rows = grid_rows(("whole", "bare"), ("none", "neurn"), seeds=2, sources=("mnist",))
    rows = rows[(rows["architecture"] == "whole") | (rows["stem"] == "neurn")]
    whole, bare = study_of(tmp_path, rows).plot_gains().axes
    assert lines_of(whole)
    assert not lines_of(bare)
    none = rows[rows["stem"] == "neurn"]
    assert len(study_of(tmp_path, none).plot_gains().axes) == 2


def test_many_networks_share_a_panel_of_each_setting(tmp_path: Path) -> None:
    names = [f"net{number}" for number in range(13)]
    plain = grid_rows(names, ("none", "neurn"), seeds=2, sources=("mnist",))
    plain = plain.assign(algorithm="erm")
    rows = pd.concat([plain, plain.assign(algorithm="ema")], ignore_index=True)
    study = study_of(tmp_path, rows)
    titles = [axes.get_title() for axes in study.plot_gains().axes]
    assert titles == ["13 architectures (erm)", "13 architectures (ema)"]
    told = [" ".join(axes.get_title().split()) for axes in study.plot_curves().axes]
    assert told == ["13 architectures (erm), mnist", "13 architectures (ema), mnist"]


def test_a_line_of_gains_is_as_long_as_the_paired_difference(tmp_path: Path) -> None:
    rows = grid_rows(("net",), ("none", "neurn"), seeds=3, sources=("mnist",))
    rows["accuracy"] = 0.3 + 0.2 * rows["seed"] + 0.1 * (rows["stem"] == "neurn")
    fewer = rows[(rows["stem"] == "none") | (rows["seed"] == 2)]
    (axes,) = study_of(tmp_path, fewer).plot_gains().axes
    lengths = [end[0] - start[0] for start, end in (p for p in lines_of(axes) if len(p) == 2)]
    assert [length for length in lengths if length] == pytest.approx([10.0] * 3)


def test_what_is_printed_fits_wherever_it_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = grid_rows(("net",), ("none", "scharf-é", "[red]x[/red]"), seeds=1, sources=("mnist",))
    study = study_of(tmp_path, rows)
    monkeypatch.setenv("FORCE_COLOR", "1")
    for encoding in ("ascii", "utf-8"):
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
        told = str(study)
        told.encode(encoding)
        assert "[red]x[/red]" in told
        assert "\x1b" not in told
        assert ("│" in told) == (encoding == "utf-8")


def test_of_many_settings_the_first_are_printed(tmp_path: Path) -> None:
    one = grid_rows(("net",), ("none", "neurn"), seeds=1, sources=("mnist",))
    rows = pd.concat([one.assign(algorithm=f"algorithm{number}") for number in range(5)])
    lines = str(study_of(tmp_path, rows)).splitlines()
    assert len(lines) == LINES + 3
    assert lines[-1].endswith("more lines left out: study.accuracy has all rows")


def test_a_study_that_is_not_begun_or_damaged_is_printed_too(tmp_path: Path) -> None:
    assert str(Study(tmp_path)) == f"Study {tmp_path}: not begun"
    (tmp_path / "config.yaml").write_text("kind: bench\nsuite: builtin\n")
    assert str(Study(tmp_path)).splitlines() == [
        f"Study {tmp_path}: bench, builtin", "0 trainings done, 0 failed",
    ]  # fmt: skip
    (tmp_path / "accuracy.csv").write_text('"torn')
    first, second = str(Study(tmp_path)).splitlines()
    assert first == f"Study {tmp_path}: bench, builtin"
    assert second.startswith("cannot be read: ")
    assert "accuracy.csv" in second
    (tmp_path / "config.yaml").write_text("kind: [")
    assert "config.yaml" in str(Study(tmp_path))
