"""The ``nasneurn`` command in this process: importing torch each time would take the longest."""

import sys

import pytest
from typer.testing import CliRunner

from nasneurn import cli


def run_command(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Run the command; its exit code."""
    monkeypatch.setattr(cli, "raise_on_signals", lambda: None)
    monkeypatch.setattr(sys, "argv", ["nasneurn", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def refusal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: object
) -> str:
    """The one line of a command that ends in a mistake of its user, which prints nothing else."""
    assert run_command(monkeypatch, *words) == 2
    return only_line(*capfd.readouterr())


def only_line(output: str, errors: str) -> str:
    """The one line of errors beside which nothing is printed."""
    assert output == ""
    (line,) = errors.splitlines()
    assert line.startswith("nasneurn: ")
    return line


def align(*words: str) -> str:
    """What ``nasneurn align`` prints; its errors are raised."""
    answer = CliRunner().invoke(cli.app, ["align", *words])
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer.output
