"""The committed studies are what their configurations say."""

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
def test_what_is_finished_is_what_is_planned(folder: Path) -> None:
    """An option, a field or a rule that comes later must not make a finished training another."""
    outcomes = Study(folder).store.outcomes()
    planned = {unit.identity for unit in read_config(folder / "config.yaml").units(outcomes)}
    assert set(outcomes.done) <= planned
    rows = read_rows(folder / "accuracy.csv")
    assert set(rows["training"]) <= set(outcomes.done)


def test_there_are_committed_studies() -> None:
    assert len(STUDIES) > 4
