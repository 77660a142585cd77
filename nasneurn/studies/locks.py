"""Which process does which job, where several work on one folder."""

import json
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

#: Seconds between two signs of life of a process.
HEARTBEAT = 15.0
#: Seconds without one after which its claims are void.
STALE = 90.0


class Claims:
    """Files that each say that a living process does a job.

    A claim is made by creating a file, which one process alone can do. Its owner touches it while
    it lives; what has not been touched for :data:`STALE` seconds, or is of a dead process of this
    machine, may be taken over.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: set[Path] = set()
        self._beating: threading.Thread | None = None

    def take(self, job: str) -> bool:
        """Claim a job; False if a living process has it."""
        path = self._path(job)
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._create(path):
            if not self._void(path):
                return False
            # The one whose rename succeeds removes the void claim; the file is then free to all.
            grave = path.with_name(f".{path.name}-{os.getpid()}-{time.monotonic_ns()}")
            with suppress(FileNotFoundError):
                path.rename(grave)
                grave.unlink()
            if not self._create(path):
                return False
        self._held.add(path)
        if self._beating is None or not self._beating.is_alive():
            self._beating = threading.Thread(target=self._beat, daemon=True)
            self._beating.start()
        return True

    def release(self, job: str) -> None:
        """Give a claim back."""
        path = self._path(job)
        self._held.discard(path)
        with suppress(FileNotFoundError):
            path.unlink()

    def _path(self, job: str) -> Path:
        return self._folder / f"{job}.json"

    def _create(self, path: Path) -> bool:
        owner = json.dumps({"host": socket.gethostname(), "pid": os.getpid()})
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w") as file:
            file.write(owner)
        return True

    def _void(self, path: Path) -> bool:
        try:
            age = self._now() - path.stat().st_mtime
            owner = json.loads(path.read_text())
        except FileNotFoundError:
            return True  # given back in this moment
        except ValueError:
            return age > STALE  # its owner is just writing it, or died doing so
        if owner["host"] == socket.gethostname():
            return not _alive(owner["pid"])
        return age > STALE

    def _now(self) -> float:
        """The time by the clock of the file system, which another machine's may differ from."""
        probe = self._folder / f".now-{os.getpid()}"
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink(missing_ok=True)
        return now

    def _beat(self) -> None:
        while self._held:
            time.sleep(HEARTBEAT)
            for path in list(self._held):
                with suppress(FileNotFoundError):
                    os.utime(path)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
