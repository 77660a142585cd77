"""Several processes that measure at the same time, each the same, as the workers of a study are.

A script that is measured so calls :func:`serve` where it is started with ``--line``, and
:func:`measure` where it is not. Turns begin at once in all processes, so that each meets the load
of the others from the first moment to the last.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from time import perf_counter, process_time
from typing import Any

#: What a turn does once all are ready; gives what is to be told.
Turn = Callable[[], Any]

#: A process that wants a core all the time, and ends with the one that started it.
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(10**6))"


def serve(turns: Iterable[Turn]) -> None:
    """In a process that is measured: make ready, wait for the others, do a turn, tell of it."""
    for turn in turns:
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(turn()), flush=True)
    print("over", flush=True)


def measure(
    script: str, line: Any, processes: int, variables: dict[str, str | None]
) -> Iterator[list[Any]]:
    """What each of so many processes tells of each turn, turn by turn.

    Args:
        script: the script that calls :func:`serve` where it is given ``--line``.
        line: what stands behind ``--line``, as JSON.
        processes: how many at once.
        variables: changes of the environment; None takes a variable away.
    """
    changed = {**os.environ, **variables}
    environment = {name: value for name, value in changed.items() if value is not None}
    team = [
        subprocess.Popen(
            [sys.executable, script, "--line", json.dumps(line)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for _ in range(processes)
    ]  # fmt: skip
    try:
        while {_answer(one) for one in team} == {"ready"}:
            for one in team:
                assert one.stdin
                one.stdin.write("go\n")
                one.stdin.flush()
            yield [json.loads(_answer(one)) for one in team]
    finally:
        for one in team:
            one.kill()
            one.wait()


def _answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    answer = process.stdout.readline().strip()
    if not answer:
        raise SystemExit(f"a measured process ended with {process.wait()}")
    return answer


def times(step: Callable[[], object], seconds: float) -> dict[str, float]:
    """Milliseconds of a step, of as many as take so many seconds of processor time.

    Returns:
        ``ms``: the mean by the clock. ``cpu_ms`` and ``least_cpu_ms``: the mean and the least of
        the processor time of all threads of this process, which other work on the machine changes
        less. ``steps``: how many.
    """
    begun, spent = perf_counter(), [process_time()]
    while spent[-1] - spent[0] < seconds or len(spent) < 3:
        step()
        spent.append(process_time())
    steps = len(spent) - 1
    return {
        "ms": 1000 * (perf_counter() - begun) / steps,
        "cpu_ms": 1000 * (spent[-1] - spent[0]) / steps,
        "least_cpu_ms": 1000 * min(after - before for before, after in pairwise(spent)),
        "steps": steps,
    }


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes beside, each of which wants a core all the time."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for one in others:
            one.kill()
            one.wait()
