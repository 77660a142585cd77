"""The notebooks of examples/notebooks, cell after cell, with less work than stands there."""

from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from page_blocks import ROOT
from tiny_budgets import make_tiny

import nasneurn

NOTEBOOKS = ROOT / "examples" / "notebooks"
#: What takes the place of the values in the cell that is tagged ``parameters``.
PARAMETERS: dict[str, dict[str, Any]] = {
    "own_training_loop": {"EPOCHS": 1, "TRAIN_IMAGES": 128, "TEST_IMAGES": 50},
    "search": {"SPACE": "spos:width=0.25,blocks=[1,1,1,1]"},
    "stems_on_images": {"IMAGES": 40},
}


def run(name: str) -> dict[str, Any]:
    """Run the cells of a notebook; the names that they leave."""
    path = NOTEBOOKS / f"{name}.py"
    names: dict[str, Any] = {"__name__": name}
    for cell in jupytext.read(path).cells:
        if cell.cell_type != "code":
            continue
        exec(compile(cell.source, str(path), "exec"), names)
        if "parameters" in cell.metadata.get("tags", ()):
            changed = PARAMETERS[name]
            assert set(changed) <= set(names), "the cell has no such parameter"
            names |= changed
    return names


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny(monkeypatch)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", sorted(path.stem for path in NOTEBOOKS.glob("*.py")))
def test_a_notebook_can_be_made(name: str) -> None:
    notebook = jupytext.read(NOTEBOOKS / f"{name}.py")
    nbformat.validate(nbformat.reads(jupytext.writes(notebook, fmt="ipynb"), as_version=4))
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds[0] == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    assert sum("parameters" in cell.metadata.get("tags", ()) for cell in notebook.cells) == 1
    assert name in PARAMETERS


@pytest.mark.slow
def test_stems_on_images() -> None:
    names = run("stems_on_images")
    assert len(names["figure"].axes) == 4 * len(names["stems"])
    table = names["table"]
    assert (table > 0).all(axis=None)
    assert table.shape == (len(names["stems"]), 3)


def test_own_training_loop() -> None:
    names = run("own_training_loop")
    assert set(names["results"]) == {"none", "neurn"}
    assert set(names["results"]["neurn"]) == set(names["suite"].domains)
    # Both begin with the same weights: the stem has none.
    one, other = names["network"]("none"), names["network"]("neurn")
    assert all((one.state_dict()[key] == other.state_dict()[key]).all() for key in one.state_dict())


@pytest.mark.slow
def test_search() -> None:
    names = run("search")
    found = names["found"]
    assert found.choices
    assert names["alignment"].similarity.shape == (4, 4)
    assert set(names["study"].accuracy["target"]) == set(nasneurn.load_suite("builtin").domains)
