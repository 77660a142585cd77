"""Work for tests of engines; in a module, for other processes to import."""

import os
import signal
import sys
import time
from pathlib import Path


def square(number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is\nnegative")
    return number * number


def threads(_: int) -> str:
    return os.environ["OMP_NUM_THREADS"]


def process(_: int) -> int:
    time.sleep(0.2)
    return os.getpid()


def die_once(marker: str) -> str:
    """Kill this very process, unless the marker says that this was done."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def die_always(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def note_and_wait(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)


if __name__ == "__main__":
    from nasneurn.engines import run
    from nasneurn.interruption import Interrupted, raise_on_signals

    raise_on_signals()
    try:
        list(run("local", note_and_wait, iter([sys.argv[1]] * 4), 2))
    except Interrupted:
        sys.exit(130)
