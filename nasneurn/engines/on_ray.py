"""Work done by Ray, on a cluster that runs or on this machine."""

import os
from collections.abc import Callable, Iterator
from typing import Any

from nasneurn.engines import THREAD_VARIABLES, Failure, threads_each
from nasneurn.errors import InputError

#: Times that work is done again when its worker dies.
RETRIES = 3


def run_on_ray(
    work: Callable[[Any], Any], payloads: Iterator[Any], workers: int
) -> Iterator[tuple[Any, Any]]:
    """See :func:`nasneurn.engines.run`.

    A cluster is joined if ``RAY_ADDRESS`` names one; else Ray is started here, and stopped at the
    end. On a cluster, folders must be on a file system that all machines share.

    Raises:
        InputError: Ray is not installed, or the cluster does not answer.
    """
    try:
        import ray
    except ImportError:
        raise InputError("the Ray engine needs an extra: pip install 'nasneurn[ray]'") from None
    threads = threads_each(workers)
    started = not ray.is_initialized()
    if started:
        _start(ray, workers * threads, {name: str(threads) for name in THREAD_VARIABLES})
    gpus = 1 if ray.cluster_resources().get("GPU") else 0
    remote = ray.remote(
        num_cpus=threads, num_gpus=gpus, max_retries=RETRIES, retry_exceptions=False
    )(_guarded)
    running: dict[Any, Any] = {}

    def hand_out() -> None:
        while len(running) < workers and (payload := next(payloads, None)) is not None:
            reference = remote.remote(work, payload)
            running[reference] = payload

    try:
        hand_out()
        while running:
            (ready,), _ = ray.wait(list(running), num_returns=1)
            payload = running.pop(ready)
            try:
                answer = ray.get(ready)
            except ray.exceptions.RayError as error:
                answer = Failure(f"worker died ({type(error).__name__})", str(error))
            yield payload, answer
            hand_out()
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        if started:
            ray.shutdown()


def _guarded(work: Callable[[Any], Any], payload: Any) -> Any:
    # An exception is an answer: only a worker that dies is Ray's to retry.
    try:
        return work(payload)
    except Exception as error:
        return Failure.of(error)


def _start(ray: Any, cpus: int, variables: dict[str, str]) -> None:
    address = os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"num_cpus": cpus, "include_dashboard": False}
    if address:
        options = {"address": address}
    options["runtime_env"] = {"env_vars": variables}
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"Ray cannot be reached at {address or 'this machine'}: {reason}"
        ) from None
