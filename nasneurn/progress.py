"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from nasneurn.interruption import check_interrupted


def plain_console(**options: Any) -> Console:
    """A console to which brackets and colons in names are letters like others.

    Names of folders, classes and units come from data: ``[/nope]`` is no markup in them.
    """
    return Console(markup=False, emoji=False, **options)


#: Progress goes to stderr, so that stdout holds results alone.
console = plain_console(stderr=True)

#: Seconds between two plain lines of the same work.
PLAIN_INTERVAL = 10.0


class Meter:
    """Counts the steps of one piece of work; made by :func:`meter`."""

    def __init__(
        self, description: str, total: int, bar: Progress | None, shown: bool = True
    ) -> None:
        self._description = description
        self._total = total
        self._done = 0
        self._bar = bar
        self._shown = shown
        self._task = bar.add_task(description, total=total, note="") if bar else None
        self._last_line = time.monotonic()

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count ``steps`` more; ``note`` is a short figure shown beside the count.

        Raises :class:`nasneurn.interruption.Interrupted` if the work is to stop.
        """
        check_interrupted()
        self._done += steps
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, note=note)
            return
        if not self._shown:
            return
        now = time.monotonic()
        if self._done >= self._total or now - self._last_line >= PLAIN_INTERVAL:
            self._last_line = now
            suffix = f"  {note}" if note else ""
            print(f"{self._description}: {self._done}/{self._total}{suffix}", file=sys.stderr)
            sys.stderr.flush()


@contextmanager
def meter(description: str, total: int, *, shown: bool = True) -> Iterator[Meter]:
    """Show the progress of ``total`` steps of work while the context lasts.

    Not ``shown`` is the work of one of several processes, whose parent shows how they get on.

    >>> with meter("reading", 2) as progress:
    ...     for _ in range(2):
    ...         progress.advance()
    """
    if not shown or not console.is_terminal:
        yield Meter(description, total, None, shown)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        yield Meter(description, total, bar, True)
