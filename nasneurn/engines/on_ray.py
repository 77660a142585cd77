"""Work done by Ray, on a cluster that runs or on this machine."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from nasneurn.engines.answers import Failure, answered, handed_out, unpacked
from nasneurn.engines.threads import THREAD_VARIABLES, threads_each
from nasneurn.errors import InputError, one_line

#: Times that work is done again when its worker dies.
RETRIES = 3
#: Most bytes in the path of the folder of temporary files that leave room for those of Ray's
#: sockets: a session's name has 40, and a path of a socket has 108 on Linux and 104 on macOS.
LONGEST_TEMP = 20


def need_ray() -> None:
    """See that the extra is there.

    Raises:
        InputError: it is not.
    """
    if find_spec("ray") is None:
        raise InputError("--engine ray needs an extra: pip install 'nasneurn[ray]'")


@contextmanager
def ray_workers(work: Callable[[Any], Any], workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """See :func:`nasneurn.engines.working`.

    A cluster is joined if ``RAY_ADDRESS`` names one; else Ray is started here, and stopped at the
    end. On a cluster, folders must be on a file system that all machines share.

    Raises:
        InputError: Ray is not installed, or the cluster does not answer.
    """
    need_ray()
    import ray

    threads = threads_each(workers)
    started = not ray.is_initialized()
    room = _room_for_sockets() if started and not os.environ.get("RAY_ADDRESS") else None
    if started:
        _start(ray, workers * threads, {name: str(threads) for name in THREAD_VARIABLES}, room)
    gpus = 1 if ray.cluster_resources().get("GPU") else 0
    # What no machine has, a task would wait for without end.
    machines = [one["Resources"] for one in ray.nodes() if one["Alive"]]
    cores = [one.get("CPU", 0) for one in machines if one.get("GPU", 0) >= gpus]
    threads = max(1, min(threads, int(max(cores, default=0))))
    remote = ray.remote(
        num_cpus=threads, num_gpus=gpus, max_retries=RETRIES, retry_exceptions=False
    )(answered)
    running: dict[Any, Any] = {}

    def has_room() -> bool:
        return len(running) < workers

    def give(payload: Any, data: bytes) -> None:
        running[remote.remote(work, data)] = payload

    def do(payloads: Iterator[Any], *, last: bool = False) -> Iterator[tuple[Any, Any]]:
        while True:
            yield from handed_out(payloads, has_room, give)
            if not running:
                return
            (ready,), _ = ray.wait(list(running), num_returns=1)
            payload = running.pop(ready)
            try:
                # An exception of the work is an answer: only a worker that dies is Ray's to retry.
                answer = unpacked(ray.get(ready))
            except ray.exceptions.RayError as error:
                answer = Failure(f"worker died ({type(error).__name__})", str(error))
            yield payload, answer

    try:
        yield do
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        if started:
            ray.shutdown()
        if room is not None:
            shutil.rmtree(room, ignore_errors=True)


def _room_for_sockets() -> str | None:
    """A new folder with a short path, where that of the folder of temporary files is too long."""
    usual = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    if len(os.fsencode(usual)) <= LONGEST_TEMP:
        return None
    for parent in ("/tmp", "/var/tmp", "/dev/shm"):
        try:
            return tempfile.mkdtemp(prefix="r", dir=parent)
        except OSError:
            continue
    raise InputError(
        f"{usual}: too long a path for Ray's sockets; set TMPDIR to a folder whose path has at "
        f"most {LONGEST_TEMP} letters"
    )


def _start(ray: Any, cpus: int, variables: dict[str, str], room: str | None) -> None:
    address = os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"num_cpus": cpus, "include_dashboard": False}
    if room is not None:
        options["_temp_dir"] = room
    if address:
        options = {"address": address}
    options["runtime_env"] = {"env_vars": variables}
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"Ray cannot be reached at {address or 'this machine'}: {one_line(error)}"
        ) from None
