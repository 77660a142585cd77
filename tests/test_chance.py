"""Trainings near chance are found, and said wherever their numbers stand."""

import io

import pandas as pd
import pytest
from grid_rows import grid_rows, history_rows
from matplotlib.figure import Figure
from rich.console import Console

from nasneurn.analysis.chance import MARGIN, chance_note, near_chance
from nasneurn.report import figures
from nasneurn.report.tables import tables
from nasneurn.report.terminal import overall_view
from nasneurn.studies.checks import FEW_STEPS, few_steps
from nasneurn.training.metrics import ClassAccuracy, Metrics


def guessing(stem: str = "neurn", source: str = "mnist") -> pd.DataFrame:
    """A grid in which the trainings with one stem on one source guess."""
    rows = grid_rows(("net",), ("none", "neurn"), seeds=2)
    wrong = (rows["stem"] == stem) & (rows["source"] == source)
    return rows.assign(accuracy=rows["accuracy"].mask(wrong, 0.11))


def test_only_the_trainings_that_guess_are_found() -> None:
    found = near_chance(guessing())
    assert set(zip(found["stem"], found["source"], strict=True)) == {("neurn", "mnist")}
    assert len(found) == 2
    assert near_chance(grid_rows(("net",))).empty
    assert chance_note(grid_rows(("net",))) == ""


@pytest.mark.parametrize(("chance", "accuracy", "near"), [
    (0.1, 0.189, True), (0.1, 0.191, False), (0.5, 0.549, True), (0.5, 0.551, False),
    (0.9, 0.909, True), (0.9, 0.911, False),
])  # fmt: skip
def test_the_margin_is_a_share_of_what_chance_leaves(
    chance: float, accuracy: float, near: bool
) -> None:
    row = {"suite": "mine", "source": "a", "target": "a", "stem": "none", "seed": 0}
    rows = pd.DataFrame([{**row, "chance": chance, "accuracy": accuracy}])
    assert (accuracy < chance + MARGIN * (1 - chance)) == near
    assert len(near_chance(rows)) == near


def test_without_own_test_images_the_held_out_ones_count() -> None:
    row = {"suite": "builtin+shifts", "source": "a", "target": "b", "stem": "none", "accuracy": 0.1}
    rows = pd.DataFrame(
        [{**row, "seed": 0, "held_out_accuracy": 0.12}, {**row, "seed": 1, "held_out_accuracy": 1}]
    )
    assert list(near_chance(rows)["seed"]) == [0]


def test_old_rows_of_a_folder_cannot_be_judged() -> None:
    row = {"suite": "mine", "source": "a", "target": "a", "stem": "none", "seed": 0}
    assert near_chance(pd.DataFrame([{**row, "accuracy": 0.0}])).empty


def test_chance_is_the_share_of_the_commonest_class() -> None:
    classes = (ClassAccuracy(30, 1.0), ClassAccuracy(10, 0.0))
    assert Metrics(0.75, 0.5, None, None, classes).chance == 0.75


def test_tables_figures_and_the_terminal_say_it() -> None:
    rows = guessing()
    told = "near chance on their own source: 2 of 16 trainings (mnist, neurn: 11.0%)"
    assert chance_note(rows) == told
    assert all(told in table.caption for table in tables(rows).values())
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(overall_view(rows))
    assert told in console.export_text()


def test_titles_of_figures_say_it(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    titles: dict[str, str] = {}

    def keep(draw, path, *_):
        figure: Figure = draw()
        titles[path.stem] = " ".join(figure.get_suptitle().split())
        figure.draw_without_rendering()
        box = figure._suptitle.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width, path.stem
        return path

    monkeypatch.setattr(figures, "write_figure", keep)
    rows = pd.concat([guessing(), guessing().assign(architecture="torchvision:squeezenet1_1")])
    figures.write_figures(rows, history_rows(rows), tmp_path)
    assert set(titles) >= {"overall", "effects", "differences", "curves"}
    assert all("near chance on their own source: 4 of 32" in title for title in titles.values())


def test_a_study_of_few_steps_is_warned_of() -> None:
    from tiny_bench import tiny_config

    from nasneurn.domains import load_suite

    config, suite = tiny_config(), load_suite("builtin")
    assert few_steps(config, suite).startswith("a training on optdigits has 30 steps; under 50")
    longer = tiny_config(changes={"steps": FEW_STEPS})
    assert few_steps(longer, suite) == ""
