"""Requests to architectures: from the cache, else traced, in worker processes if there are many."""

import gc
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TYPE_CHECKING

from alignment.builders import build
from alignment.cache import SequenceCache
from alignment.cores import available_cores
from alignment.errors import AlignmentError, TraceError
from alignment.layers import Architecture
from alignment.zoo import Request

if TYPE_CHECKING:
    from torch import nn

#: Fewer missing architectures than this are traced in this process: starting others, each of
#: which imports torch, would take longer.
MANY = 12

#: Most bytes in the path of the folder of temporary files that leave room for the name of a socket:
#: its path has 104 bytes on macOS and 108 on Linux, and Python appends up to 32.
LONGEST_TEMP = 70


@dataclass(frozen=True)
class Serialized:
    """What became of the requests.

    Attributes:
        architectures: those that could be serialized, in the order of the requests.
        failures: name and reason of the others.
    """

    architectures: tuple[Architecture, ...]
    failures: tuple[tuple[str, str], ...]


def serialize(
    requests: Sequence[Request],
    cache_folder: Path | None = None,
    *,
    jobs: int | None = None,
    strict: bool = False,
    step: Callable[[int], None] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Serialized:
    """Serialize what ``requests`` name; what the cache holds needs no torch.

    Every architecture is kept as soon as it is done, so an interrupted call continues where it
    stopped. Those that cannot be built or traced are left out, and that too is kept.

    Args:
        requests: see :func:`alignment.zoo.resolve`.
        cache_folder: where serialized architectures are kept; None keeps nothing.
        jobs: processes to trace in; by default one a core.
        strict: raise instead of leaving out.
        step: called with 1 whenever another architecture was traced.
        meanwhile: called once, in another thread, while others trace, if they do.

    Raises:
        AlignmentError: ``strict`` and one cannot be traced; ``jobs`` below 1; or a worker died.
    """
    if jobs is not None and jobs < 1:
        raise AlignmentError(f"jobs is {jobs}; it must be at least 1")
    cache = SequenceCache(cache_folder)
    answers = {request.name: cache.load(request) for request in requests}
    missing = [request for request in requests if answers[request.name] is None]
    jobs = min(jobs or available_cores(), max(1, len(missing) // (MANY // 2)))
    tell = step or (lambda _count: None)
    if jobs == 1 or len(missing) < MANY:
        for request in missing:
            answers[request.name] = _traced(cache_folder, request)
            tell(1)
    else:
        answers.update(_in_processes(missing, cache_folder, jobs, tell, meanwhile))
    for request in requests:
        answers[request.name] = _listed_by_keras(answers[request.name], request)
    failures = tuple((name, answer) for name, answer in answers.items() if isinstance(answer, str))
    if strict and failures:
        name, reason = failures[0]
        raise AlignmentError(f"{name} {reason}")
    return Serialized(
        tuple(answer for answer in answers.values() if isinstance(answer, Architecture)), failures
    )


def _listed_by_keras(
    answer: Architecture | str | None, request: Request
) -> Architecture | str | None:
    """The listing of what the request stands for, where another library builds it here."""
    if request.keras is None or not isinstance(answer, Architecture):
        return answer
    from alignment.keras_listings import APPLICATIONS, keras_listing

    if request.keras not in APPLICATIONS:
        return answer
    return replace(answer, listing=keras_listing(request.keras))


def missing_requests(requests: Sequence[Request], cache_folder: Path | None) -> int:
    """How many of ``requests`` the cache lacks."""
    cache = SequenceCache(cache_folder)
    paths = map(cache.path, requests)
    return sum(path is None or not path.exists() for path in paths)


def catalogue(cache_folder: Path | None = None) -> list[str]:
    """The names of all architectures that timm knows; torch is imported if the cache lacks them."""
    cache = SequenceCache(cache_folder)
    names = cache.load_catalogue()
    if names is None:
        import timm

        names = [str(name) for name in timm.list_models()]
        cache.store_catalogue(names)
    return names


def serialize_model(
    model: "nn.Module",
    name: str,
    *,
    family: str = "other",
    image_shape: tuple[int, int, int] = (3, 224, 224),
) -> Architecture:
    """Serialize any module that takes images; best on the meta device.

    Args:
        model: takes images (N, C, H, W), on any device.
        name: how outputs are to call it.
        family: its colour in figures. "found" is for those of a search: tables then say which
            known architectures each of them resembles.
        image_shape: (C, H, W) of the images.

    Raises:
        TraceError: it cannot be traced; the message says its name and why.
    """
    try:
        return _architecture(model, name, family, image_shape)
    except TraceError as error:
        raise TraceError(f"{name} {error}") from error


def _architecture(
    model: "nn.Module", name: str, family: str, image_shape: tuple[int, int, int]
) -> Architecture:
    from alignment.canonical import canonical_order
    from alignment.graphs import graph_layers, layer_graph
    from alignment.listings import listed

    with listed(model) as listing:
        graph = layer_graph(model, image_shape)
    return Architecture(name, family, graph_layers(graph), tuple(listing), canonical_order(graph))


def _traced(cache_folder: Path | None, request: Request) -> Architecture | str:
    answer: Architecture | str
    try:
        if request.library == "keras":
            answer = _of_keras(request)
        else:
            model, shape, family = build(request)
            answer = _architecture(model, request.name, family, shape)
    except TraceError as error:
        answer = str(error)
        if isinstance(error.__cause__, (MemoryError, OSError, KeyboardInterrupt)):
            return answer  # may be otherwise next time
    SequenceCache(cache_folder).store(request, answer)
    return answer


def _of_keras(request: Request) -> Architecture:
    """A Keras Application, with the layers that Keras itself lists."""
    from alignment.keras_graphs import keras_architecture

    shape = request.shape and (*request.shape[1:], request.shape[0])
    one = keras_architecture(request.model, input_shape=shape)
    return replace(one, name=request.name, family=request.family or one.family)


def _start_worker() -> None:
    # An interrupt is for the parent, which stops handing out work.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    import torch

    torch.set_num_threads(1)
    gc.freeze()  # what was imported need not be searched for garbage


def _clean_context() -> BaseContext:
    """How workers start. Not as forks of this process: one with threads may hang.

    A fork server imports what they need once for all of them. Windows has none, and its socket lies
    in the folder of temporary files, whose path must not be long.
    """
    room = len(os.fsencode(tempfile.gettempdir())) <= LONGEST_TEMP
    if "forkserver" not in multiprocessing.get_all_start_methods() or not room:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["timm", "alignment.graphs", "alignment.meta"])
    if threading.current_thread() is threading.main_thread():
        # What the server imports must not end in a traceback of its own at an interrupt.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            forkserver.ensure_running()
        finally:
            signal.signal(signal.SIGINT, before)
    return context


@contextmanager
def _main_left_alone() -> Iterator[None]:
    """Start processes that do not run the user's script again; they need nothing of it.

    So a script may align without the guard ``if __name__ == "__main__"``.
    """
    main = sys.modules["__main__"]
    before = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    try:
        for name in before:
            setattr(main, name, None)
        yield
    finally:
        for name, value in before.items():
            setattr(main, name, value)


def _in_processes(
    requests: list[Request],
    cache_folder: Path | None,
    jobs: int,
    tell: Callable[[int], None],
    meanwhile: Callable[[], None] | None,
) -> dict[str, Architecture | str]:
    pool = ProcessPoolExecutor(jobs, mp_context=_clean_context(), initializer=_start_worker)
    futures: dict[Future[Architecture | str], str] = {}
    beside = ThreadPoolExecutor(1)  # the first submission waits for the fork server
    try:
        ready = beside.submit(meanwhile or (lambda: None))
        with _main_left_alone():
            for request in requests:
                futures[pool.submit(partial(_traced, cache_folder), request)] = request.name
        answers = {}
        for future in as_completed(futures):
            answers[futures[future]] = future.result()
            tell(1)
        ready.result()
        return answers
    except BrokenProcessPool as error:
        raise AlignmentError(
            "a process that traced architectures died, perhaps for lack of memory; the same "
            "command continues, and --jobs 1 needs least memory"
        ) from error
    finally:
        # One by one: the pool's own cancelling is lost if the pool is collected before its thread
        # has woken, and an interrupted command would trace to the end.
        for future in futures:
            future.cancel()
        pool.shutdown(wait=False, cancel_futures=True)
        beside.shutdown(wait=False)
