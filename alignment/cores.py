"""How many cores this process may use."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: What a library reads at its import to bound its threads.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def available_cores(
    mount: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> int:
    """Cores of the machine that this process may use.

    A scheduler or a container may give a process fewer than the machine has: by its affinity, or
    by a quota of processor time (``cpu.max`` of its control group, or of one above). A quota of
    two and a half cores counts as two, since a third thread would be stopped half of the time.

    Args:
        mount: where the control groups are mounted.
        membership: the file that names the groups of this process.
    """
    return max(1, int(min([_by_affinity(), *_quotas(mount, membership)])))


def bound_threads() -> None:
    """Let no library start more threads than a quota has cores; before any is imported.

    They look at the affinity themselves, and not at quotas. What a person has set stays.
    """
    cores = available_cores()
    if cores < _by_affinity():
        for name in THREAD_VARIABLES:
            os.environ.setdefault(name, str(cores))


def _by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows


def _quotas(mount: Path, membership: Path) -> Iterator[float]:
    """Each limit that holds for this process, in cores."""
    try:
        lines = membership.read_text().splitlines()
    except (OSError, ValueError):  # or a group whose name is no text
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if not controllers:  # version 2
            root = mount
        elif "cpu" in controllers.split(","):  # version 1
            root = next(
                (mount / one for one in (controllers, "cpu") if (mount / one).is_dir()), mount
            )
        else:
            continue
        group = root / name.lstrip("/")
        for folder in [group, *group.parents]:
            with suppress(OSError, ValueError):
                yield _quota(folder)
            if folder == root:
                break


def _quota(folder: Path) -> float:
    """The limit of one group; raises OSError or ValueError where it has none."""
    if (folder / "cpu.max").exists():
        allowed, period = (folder / "cpu.max").read_text().split()
    else:
        allowed = (folder / "cpu.cfs_quota_us").read_text()
        period = (folder / "cpu.cfs_period_us").read_text()
    if float(allowed) <= 0 or float(period) <= 0:  # -1 is no limit; "max" is no number
        raise ValueError("no limit")
    return float(allowed) / float(period)
