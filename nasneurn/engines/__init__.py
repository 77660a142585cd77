"""Where work is done: in this process, in worker processes of this machine, or by Ray."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from nasneurn.choices import check_known
from nasneurn.engines.answers import Failure
from nasneurn.engines.local import run_in_processes
from nasneurn.engines.on_ray import run_on_ray
from nasneurn.engines.threads import available_cores, threads_each
from nasneurn.errors import InputError

__all__ = ["ENGINES", "Failure", "available_cores", "run", "threads_each"]

P = TypeVar("P")
R = TypeVar("R")


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
    check_known("engine", engine, ENGINES)
    if workers < 1:
        raise InputError(f"workers is {workers}, must be 1 or more")
    return ENGINES[engine](work, payloads, workers)


def _run_here(work: Callable[[Any], Any], payloads: Iterator[Any], workers: int) -> Iterator[Any]:
    for payload in payloads:
        try:
            answer: Any = work(payload)
        except Exception as error:
            answer = Failure.of(error)
        yield payload, answer


ENGINES: dict[str, Callable[[Callable[[Any], Any], Iterator[Any], int], Iterator[Any]]] = {
    "here": _run_here,
    "local": run_in_processes,
    "ray": run_on_ray,
}
