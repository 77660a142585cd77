"""The committed studies are whole: what their configurations plan is what their stores hold."""

from pathlib import Path

import pytest

from nasneurn.programs.opened import read_config
from nasneurn.rows import read_rows
from nasneurn.studies.folder import Study

RESULTS = Path(__file__).parents[1] / "results"
STUDIES = sorted(
    path.parent for path in RESULTS.rglob("config.yaml") if (path.parent / "store").is_dir()
)


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: str(folder.relative_to(RESULTS)))
def test_nothing_is_left_to_do_in_a_committed_study(folder: Path) -> None:
    """An option, a field or a rule that comes later must not make a finished training another."""
    config = read_config(folder / "config.yaml")
    outcomes = Study(folder).store.outcomes()
    left = [unit.title for unit in config.units(outcomes) if unit.identity not in outcomes.done]
    assert left == []
    rows = read_rows(folder / "accuracy.csv")
    assert set(rows["training"]) <= set(outcomes.done)


def test_there_are_committed_studies() -> None:
    assert len(STUDIES) > 4
