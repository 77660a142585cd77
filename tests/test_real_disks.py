"""A disk that is full and one that may be read alone, really mounted, at each stage of the work.

Only root may mount; others have the tests that put an error in the place of writing.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pandas as pd
import pytest
from in_process import only_line, run_command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may mount"),
]

BENCH = (
    "bench --models lcnet_050 --adaptation as-published --stems none --sources print "
    "--targets print,street --set train_images=64 --set batch_size=16 --set epochs=1 --seeds 1 "
    "--device cpu --save-weights --out"
)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 400 KiB, where the command runs."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    monkeypatch.chdir(tmp_path)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def study(disk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Path:
    """A study that was run there, though its weights have no room."""
    folder = disk / "study"
    assert run_command(monkeypatch, *BENCH.split(), folder) == 0
    told = capfd.readouterr().err
    assert "not saved: " in told
    assert "No space left on device" in told
    assert len(pd.read_csv(folder / "accuracy.csv")) == 2
    assert not list((folder / "weights").iterdir())
    return folder


def states(disk: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(disk.rglob("*")) if path.is_file()}


def commands(study: Path) -> list[tuple[list[object], str]]:
    """Commands that write there, and the reason that they must give beside the disk's own."""
    new = study.parent / "new"
    return [
        (["report", study], "report.html"),
        (["diagnose", study], "diagnosis"),
        (["predict", study, "--out", new], "new"),
        (["correlate", study, "--out", new], "new"),
        (["align", "--models", "lcnet_050,resnet18", "--out", new], "new"),
        ([*BENCH.split(), new], "new"),
        (["data", "prepare", "mnist", "--data-dir", new], "new"),
        (["data", "preview", "--out", study / "domains.png"], "domains.png"),
    ]


def fill(path: Path) -> NoReturn:
    """Write until there is no room."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def check_refused(
    study: Path, told: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = states(study.parent)
    for words, place in commands(study):
        assert run_command(monkeypatch, *words) == 2
        line = only_line(*capfd.readouterr())
        assert f"{place}: cannot be written ({told})" in line
    assert run_command(monkeypatch, "status", study) == 0
    assert "1 of 1 done" in capfd.readouterr().out
    assert run_command(monkeypatch, "report", study, "--out", "page.html") == 0
    assert states(study.parent) == before


def test_on_a_full_disk_nothing_is_begun_and_nothing_lost(
    study: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    filling = study.parent / "filling"
    with pytest.raises(OSError, match="No space"):
        fill(filling)
    check_refused(study, "No space left on device", monkeypatch, capfd)
    filling.unlink()
    assert run_command(monkeypatch, "report", study, "--format", "md") == 0
    assert (study / "report.md").stat().st_size


def test_of_a_disk_that_may_be_read_alone(
    study: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", study.parent], check=True)
    check_refused(study, "Read-only file system", monkeypatch, capfd)
