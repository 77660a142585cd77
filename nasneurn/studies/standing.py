"""How far a study is, and how long it will take yet by what it took so far."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import mean, median

from nasneurn.progress import time_left
from nasneurn.progress_notes import ProgressNote
from nasneurn.studies.config import StudyConfig
from nasneurn.studies.folder import Study
from nasneurn.studies.store import Outcomes
from nasneurn.studies.units import Unit

#: So many finished units tell how long one takes.
RECENT = 20
#: Pauses longer than this, times the usual one, were no work: a study that lay for a night.
PAUSE = 10.0


@dataclass(frozen=True)
class Standing:
    """How far a study is.

    Attributes:
        kinds: (units, done, failed) by architecture, space or kind of unit.
        failures: title and error of each unit that failed.
        in_work: the units that living processes do now, and how far each is.
        seconds_left: None where it cannot be told: nothing is done yet, or no process works.
    """

    kinds: dict[str, tuple[int, int, int]]
    failures: tuple[tuple[str, str], ...]
    in_work: tuple[str, ...]
    seconds_left: float | None

    @property
    def units(self) -> int:
        """All units that are known by now."""
        return sum(units for units, _, _ in self.kinds.values())

    @property
    def done(self) -> int:
        """Those that are done."""
        return sum(done for _, done, _ in self.kinds.values())

    @property
    def left(self) -> int:
        """Those that are neither done nor have failed."""
        return self.units - self.done - len(self.failures)

    def __str__(self) -> str:
        """In one line."""
        parts = [f"{self.done} of {self.units} done"]
        if self.failures:
            parts.append(f"{len(self.failures)} failed")
        if not self.left:
            return ", ".join(parts)
        parts.append(f"{len(self.in_work)} in work" if self.in_work else "none in work")
        if self.seconds_left is not None:
            parts.append(f"about {time_left(self.seconds_left)}")
        return ", ".join(parts)


def standing(study: Study, config: StudyConfig) -> Standing:
    """How far a study is at this moment, whichever processes work on it."""
    outcomes = study.store.outcomes()
    units = config.units(outcomes)
    taken = set(study.locks.held_by_others())
    left = [u for u in units if u.identity not in outcomes.done | outcomes.failed]
    in_work = tuple(_how_far(study, unit) for unit in left if unit.identity in taken)
    times = sorted(
        outcomes.done[unit.identity]["time"] for unit in units if unit.identity in outcomes.done
    )
    return Standing(
        kinds=progress_of(units, outcomes),
        failures=tuple(
            (unit.title, outcomes.failed[unit.identity]["error"])
            for unit in units
            if unit.identity in outcomes.failed
        ),
        in_work=in_work,
        seconds_left=_seconds_left(times, len(left)) if in_work else None,
    )


def _how_far(study: Study, unit: Unit) -> str:
    note = ProgressNote.read(study.note_of(unit.identity))
    if note is None:
        return unit.title
    # Before the title may stand which of how many it is for the process that does it.
    part = note.description.partition(unit.title)[2]
    return str(replace(note, description=f"{unit.title}{part}"))


def progress_of(units: Iterable[Unit], outcomes: Outcomes) -> dict[str, tuple[int, int, int]]:
    """How far units are: (units, done, failed) by architecture, space or kind of unit."""
    counts: dict[str, tuple[int, int, int]] = {}
    for unit in units:
        name = unit.title.split(", ")[0].partition("/")[0]
        known, done, failed = counts.get(name, (0, 0, 0))
        counts[name] = (
            known + 1,
            done + (unit.identity in outcomes.done),
            failed + (unit.identity in outcomes.failed),
        )
    return counts


def _seconds_left(times: Sequence[float], left: int, now: float | None = None) -> float | None:
    """By the usual time between two units that were finished; what passed since the last counts."""
    gaps = [after - before for before, after in pairwise(times[-RECENT - 1 :])]
    if not gaps:
        return None
    usual = median(gaps)
    each = mean(gap for gap in gaps if gap <= PAUSE * usual) if usual else mean(gaps)
    since = (time.time() if now is None else now) - times[-1]
    rest = left * each - min(since, each)
    return rest if rest > 0 else None  # the last one takes longer than others did
