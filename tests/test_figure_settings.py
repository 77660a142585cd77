"""Files of Matplotlib's settings with which it cannot be loaded, or cannot draw."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from in_process import only_line, refusal

from nasneurn.cli.figure_settings import check_figure_settings
from nasneurn.errors import InputError

LATIN = "font.size: 9  # für alle\n".encode("latin-1")
#: Where Matplotlib looks for the file: its path below a folder, and a variable that names it.
PLACES = {
    "here": ("matplotlibrc", None, None),
    "named": ("mine.rc", "MATPLOTLIBRC", "mine.rc"),
    "in a named folder": ("mine/matplotlibrc", "MATPLOTLIBRC", "mine"),
    "in its own folder": ("mine/matplotlibrc", "MPLCONFIGDIR", "mine"),
    "among all settings": ("mine/matplotlib/matplotlibrc", "XDG_CONFIG_HOME", "mine"),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of someone who has no settings."""
    for name in ("MATPLOTLIBRC", "MPLCONFIGDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("place", PLACES)
def test_settings_that_are_no_text_are_one_line(
    place: str, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name, variable, value = PLACES[place]
    if place == "among all settings" and not sys.platform.startswith("linux"):
        pytest.skip("a folder of Linux")
    (here / name).parent.mkdir(parents=True, exist_ok=True)
    (here / name).write_bytes(LATIN)
    if variable:
        monkeypatch.setenv(variable, str(here / str(value)))
    for command in (["data", "preview"], ["bench", "--dry-run"], ["align", "--models", "vgg11"]):
        line = refusal(monkeypatch, capfd, *command)
        assert f"{name}: is not text in UTF-8" in line
        assert "move the file away" in line
    (here / name).write_bytes(LATIN.decode("latin-1").encode())
    check_figure_settings()


@pytest.mark.skipif(os.name != "posix", reason="kinds of files of POSIX")
def test_a_pipe_is_not_waited_for_and_no_settings_are_none(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_figure_settings()
    monkeypatch.setenv("MATPLOTLIBRC", "/dev/null")
    check_figure_settings()
    (here / "matplotlibrc").mkdir()
    check_figure_settings()
    (here / "matplotlibrc").rmdir()
    os.mkfifo(here / "matplotlibrc")
    with pytest.raises(InputError, match=r"matplotlibrc: cannot be read \(Not a regular file"):
        check_figure_settings()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("image.cmap: no such colours", "is not a valid value for cmap"),
        ("lines.marker: no such mark", "Unrecognized marker"),
        ("axes.formatter.use_locale: True", "unsupported locale"),
        ("font.size: large\n", None),
    ],
)
def test_settings_that_matplotlib_cannot_use(here: Path, settings: str, told: str | None) -> None:
    (here / "matplotlibrc").write_text(settings)
    done = subprocess.run(
        [sys.executable, "-m", "nasneurn", "data", "preview", "--suite", "nowhere"],
        env={**os.environ, "LC_ALL": "xx_YY", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 2
    if told:
        line = only_line(done.stdout, done.stderr)
        assert line.startswith("nasneurn: matplotlibrc: cannot be used (")
        assert told in line
    else:  # Matplotlib tells of a bad value, and goes on without it
        assert "Bad value in file" in done.stderr
        assert "nowhere" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
