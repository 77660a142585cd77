"""What is told before a study starts: how many trainings, and about how long they take."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nasneurn.choices import Choice
from nasneurn.progress import duration
from nasneurn.studies.run import StudyRun
from nasneurn.studies.training_unit import Training
from nasneurn.studies.units import Unit

if TYPE_CHECKING:
    from nasneurn.studies.estimate import Expected


def foresee(run: StudyRun, left: Sequence[Unit]) -> dict[str, float]:
    """Say what is left to do and how long that takes, on standard error.

    Args:
        run: a study that can run.
        left: its units that are to be done.

    Returns:
        Seconds by the identity of a unit; of none where they cannot be told.
    """
    if not left:
        print(f"nasneurn: nothing is left to train in {run.study.folder}", file=sys.stderr)
        return {}
    try:
        expected = _expected(run, left)
    except Exception:  # an estimate must not end what would run, as with a batch beyond the memory
        expected = None
    print(f"nasneurn: {_told(run, left, expected)}", file=sys.stderr)
    return expected.seconds if expected else {}


def longer_with(untimed: Sequence[Choice]) -> str:
    """What an estimate says of algorithms that it knows too little of; nothing where of none."""
    slower = sorted(map(str, untimed))
    named = f"{' and '.join(slower[:2])}{' and others' * (len(slower) > 2)}"
    return f"longer with {named}" if slower else ""


def stops_early(run: StudyRun) -> bool:
    """Whether a training may end before its last pass, so that an estimate is one at most."""
    return run.config.protocol.selection == "held_out"


def _expected(run: StudyRun, left: Sequence[Unit]) -> "Expected":
    from nasneurn.studies.estimate import PLAIN, Expected, expected_seconds

    expected = expected_seconds(run, left)
    if len(expected.seconds) == len(left):
        return expected
    from nasneurn.search.supernet_estimate import supernet_seconds

    seconds = expected.seconds | supernet_seconds(run, left)
    return Expected(seconds, tuple(one for one in run.config.algorithms if one != PLAIN))


def _told(run: StudyRun, left: Sequence[Unit], expected: "Expected | None") -> str:
    words = [f"{_counted(left)} to do" + _later(run, left)]
    if expected:
        seconds, workers = sum(expected.seconds.values()), run.execution.workers
        most = "at most " if stops_early(run) else ""
        words.append(f"{most}about {duration(seconds / min(workers, len(left)))}")
        words += [told for told in [longer_with(expected.untimed)] if told]
    at_once = f", {run.execution.workers} at once" if run.execution.workers > 1 else ""
    return f"{', '.join(words)}{at_once}; results go to {run.study.folder}"


def _counted(left: Sequence[Unit]) -> str:
    counts = Counter(_kind(unit) for unit in left)
    return ", ".join(f"{n} {kind}{'s' * (n > 1)}" for kind, n in counts.items())


def _kind(unit: Unit) -> str:
    if isinstance(unit, Training):
        return "training"
    return "supernet" if unit.shares_out else "measurement of path"


def _later(run: StudyRun, left: Sequence[Unit]) -> str:
    supernets = sum(unit.shares_out for unit in left)
    if not supernets:
        return ""
    from nasneurn.search.supernet_estimate import trainings_after

    count = supernets * trainings_after(run)
    return f", then {count} training{'s' * (count != 1)} of what they find"
