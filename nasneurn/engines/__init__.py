"""Where work is done: in this process, in worker processes of this machine, or by Ray."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

from nasneurn.choices import check_known
from nasneurn.engines.answers import Failure
from nasneurn.engines.local import local_workers
from nasneurn.engines.on_ray import need_ray, ray_workers
from nasneurn.engines.threads import available_cores, threads_each
from nasneurn.errors import check_whole

__all__ = ["ENGINES", "Do", "Failure", "available_cores", "check", "run", "threads_each", "working"]

P = TypeVar("P")
R = TypeVar("R")


class Do(Protocol):
    """Does the work on payloads; results come as they are ready, with their payloads."""

    def __call__(self, payloads: Iterator[Any], *, last: bool = False) -> Iterator[Any]:
        """Do it; workers that have no more to do end, if these payloads are the ``last``."""


def run(
    engine: str, work: Callable[[P], R], payloads: Iterator[P], workers: int
) -> Iterator[tuple[P, R | Failure]]:
    """Do ``work`` on every payload; results come as they are ready, with their payloads.

    A payload is taken only when a worker is free for it. An exception is a :class:`Failure`, and
    so is a payload or an answer that cannot be pickled; a worker that dies is replaced, and its
    payload tried once more. Whoever stops reading the results, or is interrupted, leaves no
    process behind.

    Args:
        engine: one of :data:`ENGINES`.
        work: a function of a module, for processes to import.
        payloads: one argument each.
        workers: how many at once; ``here`` has one.

    Raises:
        InputError: no such engine, or it is not installed.
    """
    team = working(engine, work, workers)

    def results() -> Iterator[tuple[P, R | Failure]]:
        with team as do:
            yield from do(payloads, last=True)

    return results()


def working(engine: str, work: Callable[[Any], Any], workers: int) -> AbstractContextManager[Do]:
    """Workers that stay for several rounds of payloads, and keep what they have loaded.

    Args and errors are those of :func:`run`.
    """
    check(engine, workers)
    return ENGINES[engine](work, workers)


def check(engine: str, workers: object) -> None:
    """See that there is such an engine, installed, and that workers are a number of them.

    Raises:
        InputError: they are not.
    """
    check_known("engine", engine, ENGINES)
    if engine == "ray":
        need_ray()
    check_whole("workers", workers, 1)


@contextmanager
def _here(work: Callable[[Any], Any], workers: int) -> Iterator[Do]:
    def do(payloads: Iterator[Any], *, last: bool = False) -> Iterator[Any]:
        for payload in payloads:
            try:
                answer: Any = work(payload)
            except Exception as error:
                answer = Failure.of(error)
            yield payload, answer

    yield do


ENGINES: dict[str, Callable[[Callable[[Any], Any], int], AbstractContextManager[Do]]] = {
    "here": _here,
    "local": local_workers,
    "ray": ray_workers,
}
