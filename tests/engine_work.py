"""Work for tests of engines; in a module, for other processes to import."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path


def square(number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is\nnegative")
    return number * number


def threads(_: int) -> str:
    return os.environ["OMP_NUM_THREADS"]


def gpu(_: int) -> str:
    time.sleep(0.3)
    return os.environ["CUDA_VISIBLE_DEVICES"]


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


def answer_and_die(number: int) -> int:
    """Answer, and be dead soon after."""
    threading.Timer(0.2, os._exit, [3]).start()
    return number


def leave_a_child_and_die_once(marker: str) -> str:
    """Die, while a process of one's own lives on and holds all pipes open."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
        path.write_text(str(child))
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


class CannotLeave:
    def __reduce__(self) -> str:
        raise TypeError("stays here")


class CannotArrive:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return refuse, ("not this one",)


def refuse(text: str) -> None:
    raise OSError(text)


ODD = {"leave": CannotLeave, "arrive": CannotArrive}


def odd_answer(name: str) -> object:
    return ODD[name]() if name in ODD else name


def same(payload: object) -> object:
    return payload


def in_a_process_of_its_own(number: int) -> int:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(square, (number,))


def note_and_wait(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)


if __name__ == "__main__":
    from nasneurn.engines import run
    from nasneurn.interruption import Interrupted, raise_on_signals

    raise_on_signals()
    try:
        answers = run("local", note_and_wait, iter([sys.argv[1]] * 4), 2)
        if sys.argv[2:] == ["--leave"]:
            # Kept by a thread that never ends, so that nobody closes the generator.
            quick = run("local", process, iter(range(9)), 2)
            print(next(quick))
            threading.Thread(target=lambda kept: time.sleep(600), args=[quick], daemon=True).start()
        else:
            list(answers)
    except Interrupted:
        sys.exit(130)
