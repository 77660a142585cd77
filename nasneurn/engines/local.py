"""Work done by worker processes of this machine."""

import atexit
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from alignment.variables import with_variables
from nasneurn.engines.answers import Failure, answered, handed_out, unpacked
from nasneurn.engines.main_guard import check_main_guard
from nasneurn.engines.threads import THREAD_VARIABLES, threads_each
from nasneurn.streams import make_lasting

Work = Callable[[Any], Any]

#: Workers that a payload may outlive before it is given up.
TRIES = 2
#: Seconds between two looks at whether workers live whose pipes are silent.
LOOK = 5.0
#: Seconds that a worker has to end by itself.
PATIENCE = 2.0


@contextmanager
def local_workers(work: Work, workers: int) -> Iterator["_Team"]:
    """See :func:`nasneurn.engines.working`."""
    check_main_guard()
    team = _Team(work, workers)
    atexit.register(team.stop)  # for a generator that is left open until the very end
    try:
        yield team
    finally:
        team.stop()
        atexit.unregister(team.stop)


# ---------------------------------------------------------------- the side of the parent


@dataclass
class _Task:
    """A payload, the bytes that workers get of it, and how many workers have begun on it."""

    payload: Any
    data: bytes
    tries: int = 0


class _Team:
    """Workers by number, each started when it is first needed."""

    def __init__(self, work: Work, size: int) -> None:
        self._work = work
        self._size = size
        self._workers: dict[int, _Worker] = {}

    def __call__(self, payloads: Iterator[Any], *, last: bool = False) -> Iterator[Any]:
        """See :class:`nasneurn.engines.Do`."""
        while True:
            yield from handed_out(payloads, self._has_room, self._give_next)
            if last and self._has_room():
                self._stop_idle()
            if not self._busy():
                return
            task, answer = self._answer()
            yield task.payload, answer

    def _has_room(self) -> bool:
        return len(self._busy()) < self._size

    def _busy(self) -> list["_Worker"]:
        return [worker for worker in self._workers.values() if worker.task]

    def _give_next(self, payload: Any, data: bytes) -> None:
        """Give a payload to a worker that is idle, or to a new one."""
        for number in range(self._size):
            worker = self._workers.get(number)
            if worker is None or worker.task is None:
                self._give(number, _Task(payload, data))
                return

    def _give(self, number: int, task: _Task) -> None:
        worker = self._workers.get(number)
        if worker is None:
            # Kept before it is started, so that a signal at the start leaves no process behind.
            worker = self._workers[number] = _Worker(number, self._work)
            worker.start(_variables(number, self._size))
        worker.give(task)

    def _answer(self) -> tuple[_Task, Any]:
        """Wait for the next answer; the tasks of dead workers are given to new ones meanwhile."""
        while True:
            number, worker = self._next_ready()
            task = worker.task
            assert task is not None
            try:
                data = worker.receive()
            except (EOFError, OSError):
                how = worker.how_it_died()
                _stop([self._workers.pop(number)])
                if task.tries < TRIES:
                    self._give(number, task)
                    continue
                return task, Failure(f"worker died ({how}), and another on the same work")
            return task, unpacked(data)

    def _next_ready(self) -> tuple[int, "_Worker"]:
        while True:
            busy = {worker.pipe: number for number, worker in self._workers.items() if worker.task}
            ready = wait(list(busy), timeout=LOOK)
            # A process that a worker started may outlive it, and hold its end of the pipe open.
            dead = [pipe for pipe in busy if not self._workers[busy[pipe]].is_alive]
            for pipe in [*ready, *dead]:
                assert isinstance(pipe, Connection)
                return busy[pipe], self._workers[busy[pipe]]

    def _stop_idle(self) -> None:
        """End the workers for which there is no more to do."""
        idle = [number for number, worker in self._workers.items() if worker.task is None]
        _stop([self._workers.pop(number) for number in idle])

    def stop(self) -> None:
        """End all workers, whatever they do."""
        _stop(self._workers.values())


class _Worker:
    """A process, the pipe to it, and the task that it has."""

    def __init__(self, number: int, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self.task: _Task | None = None
        self.pipe, self._theirs = context.Pipe()
        # No daemon, since work may start processes of its own, as to read images.
        self.process = context.Process(
            target=_serve, args=(self._theirs, work), name=f"worker-{number}"
        )
        self._has_answered = False

    def start(self, variables: dict[str, str]) -> None:
        with with_variables(variables):  # a spawned process reads them before it imports anything
            self.process.start()
        self._theirs.close()

    @property
    def is_alive(self) -> bool:
        return self.process.is_alive()

    def give(self, task: _Task) -> None:
        self.task = task
        task.tries += 1
        try:
            self.pipe.send_bytes(task.data)
        except OSError:  # it died; what is read from the pipe next will say so
            if self._has_answered:  # it died idle, so that nobody has begun on this task
                task.tries -= 1

    def receive(self) -> bytes:
        """The bytes of an answer; raises EOFError or OSError if the worker died without one."""
        if not self.is_alive and not self.pipe.poll():
            raise EOFError
        data = self.pipe.recv_bytes()
        self.task, self._has_answered = None, True
        return data

    def how_it_died(self) -> str:
        self.process.join(5)
        code = self.process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def close(self) -> None:
        self.pipe.close()
        self._theirs.close()


def _stop(workers: Iterable[_Worker]) -> None:
    workers = list(workers)
    for worker in workers:
        worker.close()
    # Without a process id it was interrupted at its start, and finds its pipe closed.
    started = [worker.process for worker in workers if worker.process.pid is not None]
    for process in started:
        process.terminate()
    deadline = time.monotonic() + PATIENCE
    for process in started:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _variables(number: int, workers: int) -> dict[str, str]:
    """The environment of a worker: its share of the threads, and its GPU where there are more."""
    variables = {name: str(threads_each(workers)) for name in THREAD_VARIABLES}
    gpus = _gpus()
    if len(gpus) > 1:
        variables["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    return variables


def _gpus() -> list[str]:
    """The GPUs that workers share out among them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


# ---------------------------------------------------------------- the side of the worker


def _serve(pipe: Connection, work: Work) -> None:
    """What a worker process does: one payload after the other, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    make_lasting()
    # Without a parent the pipe gives an end of file, but only between two pieces of work.
    _end_with_parent()
    while True:
        try:
            payload = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        answer = answered(work, payload)
        try:
            pipe.send_bytes(answer)
        except OSError:
            return


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
