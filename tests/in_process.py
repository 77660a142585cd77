"""The ``nasneurn`` command in this process: importing torch each time would take the longest."""

import sys

import pytest

from nasneurn import cli


def run_command(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Run the command; its exit code."""
    monkeypatch.setattr(cli, "raise_on_signals", lambda: None)
    monkeypatch.setattr(sys, "argv", ["nasneurn", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)
