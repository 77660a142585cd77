"""Memory that does not suffice is told in one line."""

from pathlib import Path

import pytest
from in_process import refusal


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("unable to allocate 30 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 33559150592 bytes"),
    ],
)
def test_a_command_says_so(
    error: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail(_folder: Path) -> None:
        raise error

    monkeypatch.setattr("nasneurn.api.load_study", fail)
    assert f"memory does not suffice: {error}" in refusal(monkeypatch, capfd, "status", tmp_path)
