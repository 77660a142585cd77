"""Progress of long work: a bar on a terminal, plain lines elsewhere; how fast, how long yet."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
)
from rich.table import Column

from nasneurn.interruption import check_interrupted


def plain_console(**options: Any) -> Console:
    """A console to which brackets and colons in names are letters like others.

    Names of folders, classes and units come from data: ``[/nope]`` is no markup in them.
    """
    return Console(markup=False, emoji=False, **options)


#: Progress goes to stderr, so that stdout holds results alone.
console = plain_console(stderr=True)

#: Seconds between two plain lines of the same work, at first and once it has lasted long.
PLAIN_INTERVAL = 10.0
LONGEST_INTERVAL = 60.0

#: Narrower terminals have no bar, and the name of the work in a line of its own.
NARROW = 100


def duration(seconds: float) -> str:
    """Seconds as hours and minutes, or minutes and seconds.

    >>> duration(7500), duration(61), duration(5)
    ('2 h 05 min', '1 min 01 s', '0 min 05 s')
    """
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02} min" if hours else f"{rest // 60} min {rest % 60:02} s"


def time_left(seconds: float) -> str:
    """The same for what is yet to come, in one unit or two.

    >>> time_left(7500), time_left(61), time_left(5)
    ('2 h 05 min left', '1 min 01 s left', '5 s left')
    """
    return f"{duration(seconds).removeprefix('0 min ').removeprefix('0')} left"


class Meter:
    """Counts the steps of one piece of work; made by :func:`meter`."""

    def __init__(
        self,
        description: str,
        total: int,
        bar: Progress | None,
        shown: bool = True,
        per_step: int = 0,
    ) -> None:
        self._description = description
        self._total = total
        self._done = self._before = 0
        self._bar = bar
        self._shown = shown
        self._per_step = per_step
        self._task = bar.add_task(description, total=total, told="") if bar else None
        self._begun = self._last_line = time.monotonic()

    def skip(self, steps: int) -> None:
        """Count ``steps`` that were done before, as by a run that was broken off."""
        self._before = self._done = steps
        self._begun = time.monotonic()

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count ``steps`` more; ``note`` is a short figure shown beside the count.

        Raises :class:`nasneurn.interruption.Interrupted` if the work is to stop.
        """
        check_interrupted()
        self._done += steps
        now = time.monotonic()
        if self._bar is not None and self._task is not None:
            told = ", ".join(self._told(now, note))
            self._bar.update(self._task, completed=self._done, told=told)
            return
        if not self._shown:
            return
        # A line for each tenth of what has passed: logs of hours stay short.
        pause = min(LONGEST_INTERVAL, max(PLAIN_INTERVAL, (now - self._begun) / 10))
        if self._done >= self._total or now - self._last_line >= pause:
            self._last_line = now
            told = "  ".join([f"{self._done}/{self._total}", *self._told(now, note)])
            print(f"{self._description}: {told}", file=sys.stderr)
            sys.stderr.flush()

    def _told(self, now: float, note: str) -> list[str]:
        """How fast it goes, how long it will take yet, and the note: what is known of these."""
        steps, seconds = self._done - self._before, now - self._begun
        told = []
        if steps > 0 and seconds > 0.5:  # a rate of less says nothing
            if self._per_step:
                told.append(f"{steps * self._per_step / seconds:,.0f} images/s")
            if self._done < self._total:
                told.append(time_left((self._total - self._done) * seconds / steps))
        return [*told, note] if note else told


@contextmanager
def meter(
    description: str, total: int, *, shown: bool = True, per_step: int = 0
) -> Iterator[Meter]:
    """Show the progress of ``total`` steps of work while the context lasts.

    Not ``shown`` is the work of one of several processes, whose parent shows how they get on. Where
    a step is of ``per_step`` images, images per second are shown.

    >>> with meter("reading", 2) as progress:
    ...     for _ in range(2):
    ...         progress.advance()
    """
    if not shown or not console.is_terminal:
        yield Meter(description, total, None, shown, per_step)
        return
    columns: list[ProgressColumn] = [
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[told]}", markup=False, table_column=Column(no_wrap=True)),
    ]
    if console.width >= NARROW:
        name = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        columns.insert(0, BarColumn(bar_width=24))
        columns.append(TextColumn("{task.description}", markup=False, table_column=name))
    else:
        console.print(description, highlight=False)
    with Progress(*columns, console=console) as bar:
        yield Meter(description, total, bar, True, per_step)


class Remaining:
    """How long the rest of several pieces of work will take, by what those that are done took.

    Args:
        expected: seconds that each piece was expected to take, by its name; only their ratios
            count once one is done. A piece that is not in it counts as the mean of the others.
        workers: how many are done at once.
    """

    def __init__(self, expected: Mapping[str, float], workers: int = 1) -> None:
        self._expected = dict(expected)
        self._workers = workers
        self._done = 0.0
        self._begun = time.monotonic()

    def _of(self, piece: str) -> float:
        values = self._expected.values()
        return self._expected.get(piece, sum(values) / len(values) if values else 1.0)

    def done(self, piece: str) -> None:
        """Count a piece that this command has done."""
        self._done += self._of(piece)

    def seconds(self, left: Iterable[str]) -> float | None:
        """Seconds that the pieces ``left`` will take; None while nothing is known."""
        expected = sum(map(self._of, left))
        if self._done:
            return expected * (time.monotonic() - self._begun) / self._done
        return expected / self._workers if self._expected else None
