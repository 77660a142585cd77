"""The machine: cores, threads, memory, open files, room on its disks."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from alignment.cores import THREAD_VARIABLES, available_cores
from nasneurn.doctor.remarks import Remark, gigabytes
from nasneurn.paths import cache_dir

#: A study holds images, a model and their gradients: below these it may fail.
LEAST_MEMORY, LEAST_DISK, LEAST_FILES = 2e9, 1e9, 256


def examine_machine() -> Iterator[Remark]:
    """What this process may use of the machine."""
    import psutil

    cores, all_cores = available_cores(), os.cpu_count() or 1
    told = f"{cores} of {all_cores} cores" if cores < all_cores else f"{cores} cores"
    named = [f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    yield Remark("ok", f"{told}; threads: {', '.join(named) or 'as libraries choose'}")
    memory = psutil.virtual_memory()
    limit = _memory_limit()
    total = min(memory.total, limit) if limit else memory.total
    limited = f", limited to {gigabytes(total)}" if total < memory.total else ""
    text = f"memory: {gigabytes(memory.available)} free of {gigabytes(memory.total)}{limited}"
    little = min(memory.available, total) < LEAST_MEMORY
    yield Remark("missing" if little else "ok", text + ("; that is little" if little else ""))
    yield from _open_files()
    for what, folder in (("working folder", Path.cwd()), ("cache", cache_dir())):
        yield _room(what, folder)


def _memory_limit() -> int | None:
    """Bytes that the control group of a container allows."""
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # none, or "max"
        return None


def _open_files() -> Iterator[Remark]:
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = soft != resource.RLIM_INFINITY and soft < LEAST_FILES
    hint = "; workers may need more: ulimit -n 1024" if few else ""
    yield Remark("missing" if few else "ok", f"open files at once: {soft}{hint}")


def _room(what: str, folder: Path) -> Remark:
    there = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    if not os.access(there, os.W_OK):
        return Remark("broken", f"{what} {folder} cannot be written")
    free = shutil.disk_usage(there).free
    little = free < LEAST_DISK
    text = f"{what} {folder}: {gigabytes(free)} free"
    return Remark("missing" if little else "ok", text + ("; make room" if little else ""))
