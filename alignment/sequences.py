"""Requests to architectures: from the cache, else traced, in worker processes if there are many."""

import gc
import logging
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignment.cache import SequenceCache
from alignment.errors import AlignmentError, TraceError
from alignment.layers import Architecture
from alignment.zoo import Request

if TYPE_CHECKING:
    from torch import nn

#: Fewer missing architectures than this are traced in this process: starting others, each of
#: which imports torch, would take longer.
MANY = 12


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
    failures = tuple((name, answer) for name, answer in answers.items() if isinstance(answer, str))
    if strict and failures:
        name, reason = failures[0]
        raise AlignmentError(f"{name} {reason}")
    return Serialized(
        tuple(answer for answer in answers.values() if isinstance(answer, Architecture)), failures
    )


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
    from alignment.graphs import graph_layers, layer_graph

    return Architecture(name, family, graph_layers(layer_graph(model, image_shape)))


def build(request: Request) -> tuple["nn.Module", tuple[int, int, int], str]:
    """The requested model on the meta device, the shape of its images, and its family.

    Raises:
        TraceError: the library does not know it, or cannot build it on the meta device.
    """
    import torch

    from alignment.meta import Uninitialized

    try:
        with torch.device("meta"), Uninitialized(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if request.library == "timm":
                import timm

                model: nn.Module = timm.create_model(
                    request.model, pretrained=False, num_classes=request.classes
                )
                entry = timm.model_entrypoint(request.model)
                config: Any = model.pretrained_cfg
                shape = tuple(config.get("input_size", (3, 224, 224)))
            else:
                from torchvision.models import get_model, get_model_builder

                # These two take seconds to draw weights that nobody sees.
                slow = request.model in ("googlenet", "inception_v3")
                model = get_model(
                    request.model, weights=None, **({"init_weights": False} if slow else {})
                )
                entry = get_model_builder(request.model)
                shape = (3, 299, 299) if request.model == "inception_v3" else (3, 224, 224)
    except Exception as error:
        raise TraceError(f"cannot be built: {_one_line(error)}") from error
    if request.size is not None:
        shape = (shape[0], request.size, request.size)
    family = request.family or entry.__module__.rpartition(".")[2]
    return model, (int(shape[0]), int(shape[1]), int(shape[2])), family


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _traced(cache_folder: Path | None, request: Request) -> Architecture | str:
    answer: Architecture | str
    try:
        model, shape, family = build(request)
        answer = _architecture(model, request.name, family, shape)
    except TraceError as error:
        answer = str(error)
        if isinstance(error.__cause__, (MemoryError, OSError, KeyboardInterrupt)):
            return answer  # may be otherwise next time
    SequenceCache(cache_folder).store(request, answer)
    return answer


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

    A fork server imports what they need once for all of them; Windows has none.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["timm", "alignment.graphs", "alignment.meta"])
    return context


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
