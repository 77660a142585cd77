"""Spaces of the user's own by import path, and a search of one by the command."""

import subprocess
import sys
from pathlib import Path

import pytest

from nasneurn.errors import InputError
from nasneurn.networks.spaces import space_class

HERE = Path(__file__).parent


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
def test_the_command_searches_a_users_space(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "nasneurn", "search", "--space", "own_spaces:Small",
        "--set", "steps=3", "--set", "population=3", "--set", "generations=1",
        "--out", str(tmp_path / "out"), "--device", "cpu",
    ]  # fmt: skip
    subprocess.run(command, cwd=HERE, check=True)
    assert len((tmp_path / "out" / "evolution.csv").read_text().splitlines()) == 4

    command[command.index("own_spaces:Small")] = "own_spaces:Failing"
    command[command.index("--out") + 1] = str(tmp_path / "other")
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    assert done.returncode == 2
    assert "the space does not pass paths_run" in done.stderr.splitlines()[-1]
