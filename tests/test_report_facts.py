"""What a report says of a study that grew, and of how many comparisons were tested."""

from pathlib import Path

import pandas as pd
import pytest
from grid_rows import grid_rows

from nasneurn.report.captions import LISTED, own_accuracy
from nasneurn.report.figures import cautions_by_name
from nasneurn.report.headline import headline
from nasneurn.report.study_content import DIGITS, study_content
from nasneurn.report.tables import tables
from nasneurn.studies.bench_config import BenchConfig
from nasneurn.studies.folder import Study

GROWN = Study(Path(__file__).parents[1] / "results" / "single-source-digits")


@pytest.mark.slow
def test_what_was_run_has_what_was_added_later() -> None:
    config = BenchConfig.read(GROWN.config_path)
    assert config.further
    content = study_content(GROWN, config, figures=False)
    facts = content.facts
    assert {"erm", "randconv", "pro_randconv"} <= set(facts["algorithms"].split(", "))
    assert {"front", "mix"} <= set(facts["placements"].split(", "))
    assert facts["seeds"].startswith("0, 1, 2, 3, 4")
    shown = content.rows[0].table.frame["accuracy"]
    assert (shown == shown.round(DIGITS)).all()


def grown_rows(algorithms: int) -> pd.DataFrame:
    """Three seeds of plain training, and one of each other algorithm."""
    parts = [
        grid_rows(("net",), ("none", "neurn"), seeds=1 if number else 3, sources=("mnist",))
        for number in range(algorithms)
    ]
    return pd.concat(
        [part.assign(algorithm=f"algorithm{number}") for number, part in enumerate(parts)]
    )


def test_only_comparisons_with_a_p_count_in_its_correction() -> None:
    rows = grown_rows(3)
    found = tables(rows)
    assert len(found["overall"].frame) == 3
    told = [line for line in headline(rows, found) if "p = " in line]
    assert len(told) == 1
    assert "the only comparison" in told[0]


def test_captions_do_not_list_many_settings() -> None:
    assert own_accuracy(grown_rows(LISTED)).count("none") == LISTED
    assert own_accuracy(grown_rows(LISTED + 1)).endswith("see the table accuracy")


def test_figures_of_a_setting_tell_of_its_own_trainings_near_chance() -> None:
    rows = grown_rows(2)
    guesses = (rows["algorithm"] == "algorithm1") & (rows["stem"] == "none")
    rows.loc[guesses, "accuracy"] = 0.1
    rows["suite"] = "digits"
    assert cautions_by_name(rows, "overall-algorithm0") == ""
    assert "1 of 2 trainings (mnist, none: 10.0%)" in cautions_by_name(rows, "overall-algorithm1")
    assert "1 of 8 trainings (algorithm1, mnist, none: 10.0%)" in cautions_by_name(
        rows, "literature"
    )
