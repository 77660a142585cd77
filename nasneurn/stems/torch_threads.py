"""Work on the threads that torch computes in.

After a parallel operation torch's OpenMP threads stay awake for some milliseconds, and keep their
cores busy with waiting. Other threads would share these cores with them, and take nearly twice as
long; so work goes to the same threads, by ``GOMP_parallel`` of the OpenMP library that torch has
loaded. Where torch has none, and in a process forked from one that may have used it (OpenMP does
not survive a fork), Python's threads do the work.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from alignment.cores import available_cores

_Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

_lock = threading.Lock()
_threads: ThreadPoolExecutor | None = None
_forked = False


def _after_fork() -> None:
    global _lock, _threads, _forked
    _lock, _threads, _forked = threading.Lock(), None, True


if hasattr(os, "register_at_fork"):  # a forked child has the pool, and none of its threads
    os.register_at_fork(after_in_child=_after_fork)


def share(work: Callable[[int, int], None], units: int, threads: int) -> None:
    """Do ``work(first, last)`` for all units, a part on each of so many threads.

    ``work`` runs at once only where it lets go of the interpreter's lock. What it raises is raised
    here, when all parts have ended.
    """
    bounds = [units * i // threads for i in range(threads + 1)]
    parts = list(pairwise(bounds))
    if threads == 1:
        work(0, units)
    elif _forked or (parallel := _openmp()) is None:
        _share_among_python_threads(work, parts)
    else:
        errors: list[BaseException] = []

        def take_a_part(_: Any) -> None:
            try:
                work(*parts.pop())
            except BaseException as error:  # cannot pass through OpenMP
                errors.append(error)

        parallel(_Callback(take_a_part), None, threads, 0)
        if errors:
            raise errors[0]
        for part in parts:  # OpenMP may give fewer threads than asked for
            work(*part)


@cache
def _openmp() -> Callable[..., None] | None:
    """``GOMP_parallel(function, data, threads, flags)`` of the library that torch uses, if any."""
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        parallel = ctypes.CDLL(str(library)).GOMP_parallel
    except (OSError, AttributeError):
        return None
    parallel.argtypes = [_Callback, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    parallel.restype = None
    return parallel


def _share_among_python_threads(
    work: Callable[[int, int], None], parts: list[tuple[int, int]]
) -> None:
    global _threads
    with _lock:
        if _threads is None:
            _threads = ThreadPoolExecutor(available_cores(), "neurn")
        others = [_threads.submit(work, *part) for part in parts[1:]]
    try:
        work(*parts[0])
    finally:
        for other in others:
            other.result()
