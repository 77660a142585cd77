"""Paths that name nothing, in any way that a path can, end every command in one line."""

import os
from pathlib import Path

import pytest
from in_process import refusal
from test_outputs import a_file, below_a_file, device, link_loop, long_name, long_path, named_pipe

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kinds of files of POSIX")

#: Commands that read what the path names, which they get at their end.
READING = [
    ["status"],
    ["figures"],
    ["report"],
    ["diagnose"],
    ["predict"],
    ["correlate"],
    ["export"],
    ["bench", "--config"],
    ["bench", "--dry-run", "--suite"],
    ["bench", "--dry-run", "--suite", "digits", "--data-dir"],
    ["bench", "--dry-run", "--weights"],
    ["advise", "--source", "usps", "--target", "mnist", "--model"],
    ["data", "list", "--suite"],
    ["data", "prepare", "mnistm", "--photos"],
]
PLACES = [a_file, below_a_file, device, link_loop, long_name, long_path, named_pipe]


@pytest.mark.parametrize("where", PLACES, ids=lambda where: where.__name__)
@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_what_cannot_be_read_is_one_line(
    command: list[str],
    where: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert callable(where)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASNEURN_DATA", str(tmp_path / "data"))
    path = where(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert len(refusal(monkeypatch, capfd, *command, path)) < 2100
    assert sorted(tmp_path.rglob("*")) == before
