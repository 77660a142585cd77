"""Progress of long work: a bar on a terminal, plain lines elsewhere; how fast, how long yet."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
)
from rich.table import Column

from nasneurn.interruption import check_interrupted
from nasneurn.progress_notes import ProgressNote


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

#: Seconds between two notes of how far a piece of work is, and between two looks at such notes.
NOTE_INTERVAL = 1.0

#: Narrower terminals have no bar, and the name of the work in a line of its own.
NARROW = 100


def duration(seconds: float) -> str:
    """Seconds as hours and minutes, minutes and seconds, or seconds; 1 s at least if any.

    >>> duration(7500), duration(61), duration(5), duration(0.2), duration(0)
    ('2 h 05 min', '1 min 01 s', '5 s', '1 s', '0 s')
    """
    minutes, rest = divmod(round(seconds) or int(seconds > 0), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def time_left(seconds: float) -> str:
    """The same for what is yet to come.

    >>> time_left(7500), time_left(61), time_left(5)
    ('2 h 05 min left', '1 min 01 s left', '5 s left')
    """
    return f"{duration(seconds)} left"


class Meter:
    """Counts the steps of one piece of work; made by :func:`meter`."""

    def __init__(
        self,
        description: str,
        total: int,
        bar: Progress | None,
        shown: bool = True,
        per_step: int = 0,
        noted: Path | None = None,
        left: Callable[[], float | None] | None = None,
    ) -> None:
        self._description = description
        self._total = total
        self._done = self._before = 0
        self._bar = bar
        self._shown = shown
        self._per_step = per_step
        self._task = bar.add_task(description, total=total, told="") if bar else None
        self._noted = noted
        self._left = left
        self._beside: dict[Path, TaskID] = {}
        self._begun = self._last_line = self._last_note = time.monotonic()

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
        if self._noted is not None and now - self._last_note >= NOTE_INTERVAL:
            self._last_note = now
            self._note(now, note).write(self._noted)
        if self._bar is not None and self._task is not None:
            told = ", ".join(self._told(now, note))
            self._bar.update(self._task, completed=self._done, told=told)
        elif self._shown and (self._done >= self._total or self._line_is_due(now)):
            self._print(now, [self._note(now, note)])

    def show_beside(self, notes: Mapping[Path, ProgressNote]) -> None:
        """Show how far parts of this work are that other processes do: in bars, or in lines."""
        if self._bar is None:
            now = time.monotonic()
            if notes and self._shown and self._line_is_due(now):
                self._print(now, [self._note(now, ""), *notes.values()])
            return
        for path in self._beside.keys() - notes.keys():
            self._bar.remove_task(self._beside.pop(path))
        for path, note in notes.items():
            if path not in self._beside:
                self._beside[path] = self._bar.add_task(note.description, told="")
            self._bar.update(
                self._beside[path],
                description=note.description,
                completed=note.done,
                total=note.total,
                told=", ".join(note.told),
            )

    def _line_is_due(self, now: float) -> bool:
        """Whether a line is due: one for each tenth of what has passed, so that logs stay short."""
        pause = min(LONGEST_INTERVAL, max(PLAIN_INTERVAL, (now - self._begun) / 10))
        return now - self._last_line >= pause

    def _print(self, now: float, notes: Iterable[ProgressNote]) -> None:
        self._last_line = now
        for note in notes:
            print(note, file=sys.stderr)
        sys.stderr.flush()

    def _note(self, now: float, note: str) -> ProgressNote:
        told = tuple(self._told(now, note))
        return ProgressNote(self._description, self._done, self._total, told)

    def _told(self, now: float, note: str) -> list[str]:
        """How fast it goes, how long it will take yet, and the note: what is known of these."""
        steps, seconds = self._done - self._before, now - self._begun
        told = []
        if steps > 0 and seconds > 0.5:  # a rate of less says nothing
            if self._per_step:
                told.append(f"{steps * self._per_step / seconds:,.0f} images/s")
            if self._done < self._total and not self._left:
                told.append(time_left((self._total - self._done) * seconds / steps))
        if self._left and self._done < self._total and (rest := self._left()) is not None:
            told.append(time_left(rest))
        return [*told, note] if note else told


@contextmanager
def meter(
    description: str,
    total: int,
    *,
    shown: bool = True,
    per_step: int = 0,
    noted: Path | None = None,
    left: Callable[[], float | None] | None = None,
) -> Iterator[Meter]:
    """Show the progress of ``total`` steps of work while the context lasts.

    Not ``shown`` is the work of one of several processes, whose parent shows how they get on, by
    what they write to the file ``noted``. Where a step is of ``per_step`` images, images per second
    are shown. What ``left`` tells is how many seconds the rest will take, where steps differ; else
    they are taken to be alike.

    >>> with meter("reading", 2) as progress:
    ...     for _ in range(2):
    ...         progress.advance()
    """
    if not shown or not console.is_terminal:
        yield Meter(description, total, None, shown, per_step, noted, left)
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
        yield Meter(description, total, bar, True, per_step, noted, left)


@contextmanager
def following(progress: Meter, paths: Callable[[], Sequence[Path]]) -> Iterator[None]:
    """Show beside ``progress`` what other processes note of theirs, while the context lasts.

    Args:
        progress: that of the work whose parts they do.
        paths: gives the files of the parts in work at the moment.
    """
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(NOTE_INTERVAL):
            notes = {path: ProgressNote.read(path) for path in paths()}
            progress.show_beside({path: note for path, note in notes.items() if note})

    thread = threading.Thread(target=look, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


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
        """Seconds that the pieces ``left`` will take; None where nothing is known any more."""
        expected = sum(map(self._of, left))
        if self._done:
            return expected * (time.monotonic() - self._begun) / self._done
        rest = expected / self._workers - (time.monotonic() - self._begun)
        return max(rest, 0.0) if self._expected and (rest > 0 or not expected) else None
