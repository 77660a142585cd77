"""What stands in the blocks of a page, done from top to bottom in the current folder."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from in_process import run_command

ROOT = Path(__file__).parents[1]


class Block(NamedTuple):
    """A fenced block: its language, the file that it is to be saved as, if any, and its lines."""

    language: str
    file: str
    lines: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    pattern = r'^```(\w*)(?: title="([^"\n]+)")?\n(.*?)^```$'
    found = re.findall(pattern, page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [Block(*one) for one in found]


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command of ``nasneurn`` in a block for the shell."""
    for line in block.lines.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            program, *rest = words
            assert program == "nasneurn", f"{program} is no command that tests run"
            yield rest


def follow(page: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Do what a page says: save files, run Python, run commands. Other blocks are left out.

    Returns:
        The names that the blocks of Python leave.
    """
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if block.file:
            Path(block.file).write_text(block.lines)
        elif block.language == "python":
            exec(compile(block.lines, str(page), "exec"), names)
        elif block.language == "bash":
            for words in commands(block):
                assert run_command(monkeypatch, *words) == 0, words
    return names
