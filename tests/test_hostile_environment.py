"""A machine as containers have them: no home, no user, no letters, no room for caches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from nasneurn import paths

HERE = Path(__file__).parent
#: Letters in the path of temporary files.
LONG = 130


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder whose name has spaces and letters that are not ASCII."""
    folder = tmp_path / "Übung mit Leerzeichen"
    folder.mkdir()
    return folder


@pytest.fixture
def hostile(tmp_path: Path) -> dict[str, str]:
    """Environment variables."""
    temporary = tmp_path / ("t" * (LONG - len(str(tmp_path)) - 1))
    temporary.mkdir()
    return {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii",
        "PYTHONPATH": str(HERE.parent),
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(temporary),
    }


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="users of POSIX")
def test_commands_of_a_user_without_home_name_letters_or_caches(
    place: Path, hostile: dict[str, str]
) -> None:
    study = "Ünter suchung"
    tiny = "--set train_images=64 --set batch_size=16 --set epochs=1 --seeds 1"
    bench = f"bench --stems none --sources print --targets print,street {tiny} --out".split()
    commands = [
        ["align", "--models", "resnet18,vgg16", "--out", "Öut a", "--no-figures"],
        [*bench, study],
        ["report", study, "--format", "md", "--out", "Beriçht.md"],
    ]
    done = subprocess.run(
        [sys.executable, HERE / "hostile.py", json.dumps(commands)],
        cwd=place,
        env=hostile,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    # Nothing lies where the command ran but what was asked for: no folder "~".
    assert {path.name for path in place.iterdir()} == {"Öut a", study, "Beriçht.md"}
    assert len(pd.read_csv(place / study / "accuracy.csv")) == 2
    assert (place / "Öut a" / "scores.csv").exists()


def test_a_user_without_home_has_a_cache_of_his_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(_: str) -> str:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("NASNEURN_CACHE", raising=False)
    monkeypatch.setattr(paths.tempfile, "gettempdir", lambda: str(tmp_path))
    for usual in (nowhere, lambda _: "~/.cache/nasneurn"):
        monkeypatch.setattr(paths.platformdirs, "user_cache_dir", usual)
        folder = paths.cache_dir()
        assert folder.parent == tmp_path
        assert folder == paths.cache_dir()
    if os.name == "posix":
        assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.name != "posix", reason="owners of POSIX")
@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_folder_that_another_has_laid_there_is_no_cache(tmp_path: Path, kind: str) -> None:
    usual = tmp_path / f"nasneurn-{os.geteuid()}"
    if kind == "link":
        (tmp_path / "theirs").mkdir()
        usual.symlink_to(tmp_path / "theirs")
    else:
        usual.touch()
    paths._temporary.cache_clear()
    folder = paths._temporary(str(tmp_path))
    assert folder not in (usual, tmp_path / "theirs")
    assert folder.is_dir()


@pytest.mark.parametrize("home", ["/dev/null", "/nonexistent/home"])
def test_libraries_are_lent_a_place_where_the_home_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    names = ("XDG_CACHE_HOME", "MPLCONFIGDIR")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    paths.lend_caches()
    assert not any(name in os.environ for name in names)
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(paths, "_can_be_made", lambda folder: False)
    monkeypatch.setenv("MPLCONFIGDIR", "mine")
    paths.lend_caches()
    monkeypatch.setenv("XDG_CACHE_HOME", os.environ["XDG_CACHE_HOME"])  # undone at the end
    assert Path(os.environ["XDG_CACHE_HOME"]).parent == tmp_path
    assert (os.environ["MPLCONFIGDIR"], os.environ["HOME"]) == ("mine", home)


def test_what_can_be_made() -> None:
    assert not paths._can_be_made(Path("/dev/null/.cache"))
    assert paths._can_be_made(Path(__file__).parent / "a" / "b")
