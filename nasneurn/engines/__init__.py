"""Where work is done: in this process, in worker processes of this machine, or by Ray."""

import difflib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from nasneurn.errors import InputError

P = TypeVar("P")
R = TypeVar("R")

#: What a library reads at its import to bound its threads.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Failure:
    """Why a piece of work gave no result: in one line, and as a traceback."""

    error: str
    details: str = ""

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """What is kept of an exception."""
        line = " ".join(f"{type(error).__name__}: {error}".split())
        return cls(line, "".join(traceback.format_exception(error)))


def run(
    engine: str, work: Callable[[P], R], payloads: Iterator[P], workers: int
) -> Iterator[tuple[P, R | Failure]]:
    """Do ``work`` on every payload; results come as they are ready, with their payloads.

    A payload is taken only when a worker is free for it. An exception is a :class:`Failure`; a
    worker that dies is replaced, and its payload tried once more.

    Args:
        engine: ``here``, ``local`` or ``ray``.
        work: a function of a module, for processes to import.
        payloads: one argument each.
        workers: how many at once; ``here`` has one.

    Raises:
        InputError: no such engine, or it is not installed.
    """
    if engine not in ENGINES:
        near = difflib.get_close_matches(engine, ENGINES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"engine is {engine!r}, must be one of {', '.join(ENGINES)}{hint}")
    if workers < 1:
        raise InputError(f"workers is {workers}, must be 1 or more")
    return ENGINES[engine](work, payloads, workers)


def _here(work: Callable[[Any], Any], payloads: Iterator[Any], workers: int) -> Iterator[Any]:
    for payload in payloads:
        try:
            yield payload, work(payload)
        except Exception as error:
            yield payload, Failure.of(error)


# ---------------------------------------------------------------- processes of this machine


def threads_each(workers: int) -> int:
    """Threads that one of several workers may use."""
    return max(1, (os.cpu_count() or 1) // workers)


class _Worker:
    """A process, the pipe to it, and the payload that it works on."""

    def __init__(self, number: int, workers: int, work: Callable[[Any], Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        settings = {name: str(threads_each(workers)) for name in THREAD_VARIABLES}
        gpus = _gpus()
        if gpus:
            settings["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
        self._process = context.Process(
            target=_serve, args=(theirs, work), name=f"worker-{number}", daemon=True
        )
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)  # a spawned process reads them before it imports anything
        try:
            self._process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        theirs.close()
        self.payload: Any = None
        self.tries = 0

    def give(self, payload: Any, tries: int = 1) -> None:
        self.payload, self.tries = payload, tries
        self.pipe.send(payload)

    def how_it_died(self) -> str:
        self._process.join(5)
        code = self._process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def stop(self) -> None:
        self.pipe.close()
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _gpus() -> list[str]:
    """The GPUs that workers share out among them; none where there is one at most."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        found = [name for name in named.split(",") if name]
    else:
        import torch

        found = [str(index) for index in range(torch.cuda.device_count())]
    return found if len(found) > 1 else []


def _serve(pipe: Connection, work: Callable[[Any], Any]) -> None:
    """What a worker process does: one payload after the other, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Without a parent the pipe gives an end of file, but only between two pieces of work.
    _end_with_parent()
    while True:
        try:
            payload = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer: Any = work(payload)
        except Exception as error:
            answer = Failure.of(error)
        pipe.send(answer)


def _end_with_parent() -> None:
    import threading

    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _local(work: Callable[[Any], Any], payloads: Iterator[Any], workers: int) -> Iterator[Any]:
    team: list[_Worker] = []
    try:
        for number in range(workers):
            payload = next(payloads, None)
            if payload is None:
                break
            team.append(_Worker(number, workers, work))
            team[-1].give(payload)
        while team:
            ready = wait([worker.pipe for worker in team])
            for place, worker in enumerate(list(team)):
                if worker.pipe not in ready:
                    continue
                payload, tries = worker.payload, worker.tries
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    how = worker.how_it_died()
                    worker.stop()
                    team[team.index(worker)] = worker = _Worker(place, workers, work)
                    if tries < 2:
                        worker.give(payload, tries + 1)
                        continue
                    answer = Failure(f"worker died ({how}), and another on the same work")
                yield payload, answer
                following = next(payloads, None)
                if following is None:
                    team.remove(worker)
                    worker.stop()
                else:
                    worker.give(following)
    finally:
        for worker in team:
            worker.stop()


def _ray(work: Callable[[Any], Any], payloads: Iterator[Any], workers: int) -> Iterator[Any]:
    from nasneurn.engines.on_ray import run_on_ray

    return run_on_ray(work, payloads, workers)


ENGINES: dict[str, Callable[[Callable[[Any], Any], Iterator[Any], int], Iterator[Any]]] = {
    "here": _here,
    "local": _local,
    "ray": _ray,
}
