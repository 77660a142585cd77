"""Memory that does not suffice is told in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from in_process import refusal


def of_python() -> None:
    raise MemoryError("unable to allocate")


def of_pytorch() -> None:
    torch.empty(2**60, dtype=torch.uint8)


@pytest.mark.parametrize("fail", [of_python, of_pytorch])
def test_a_command_says_so(
    fail: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("nasneurn.api.load_results", lambda _folder: fail())
    line = refusal(monkeypatch, capfd, "status", tmp_path)
    assert line.startswith("nasneurn: memory does not suffice: ")
    assert "allocate" in line
