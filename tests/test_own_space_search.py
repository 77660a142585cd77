"""Spaces of the user's own by import path, as the command finds them where it is run."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from in_process import run_command

from nasneurn.errors import InputError
from nasneurn.networks.spaces import space_class

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("spas", "did you mean 'spos'"),
        ("no_such_module:Space", "cannot be imported: No module named 'no_such_module'"),
        ("own_spaces:Absent", "has no attribute 'Absent'"),
        ("own_spaces:NotASpace", "is no class of nni.nas.nn.pytorch.ModelSpace"),
    ],
)
def test_spaces_that_cannot_be_found(name: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        space_class(name)


@pytest.mark.slow
def test_the_command_searches_a_space_of_the_folder_it_is_run_in(tmp_path: Path) -> None:
    """By the command in a folder that no other path names."""
    out = tmp_path / "out"
    changes = [
        "train_images=500", "supernet.steps=3", "supernet.population=3", "supernet.generations=1",
        "supernet.parents=2", "supernet.batch_size=32", "supernet.calibration_images=64",
    ]  # fmt: skip
    command = [sys.executable, "-P", "-m", "nasneurn", "search", "--space", "own_space:Tiny"]
    command += ["--targets", "optdigits", "--device", "cpu", "--out", str(out)]
    command += [part for change in changes for part in ("--set", change)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(tmp_path / "out" / "evolution.csv")) == 3
    (row,) = pd.read_csv(tmp_path / "out" / "accuracy.csv").to_dict("records")
    assert row["architecture"] == "own_space:Tiny/optdigits-neurn-0"


@pytest.mark.slow
def test_a_space_that_cannot_be_searched_is_told_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["search", "--space", "own_spaces:Failing", "--device", "cpu", "--out", out]
    assert run_command(monkeypatch, *words) == 2
    assert "paths_run" in capfd.readouterr().err.splitlines()[-1]
    assert not out.exists()
