"""Which process does which unit, where several work on one folder."""

import json
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import psutil
from pydantic import Field, TypeAdapter, ValidationError

from nasneurn.errors import InputError
from nasneurn.files import opened

#: Seconds between two signs of life of a process.
HEARTBEAT = 15.0
#: Seconds without one after which a lock is void.
STALE = 90.0
#: Seconds by which two readings of the start of one process may differ: it is told by the clock.
SAME_START = 1.0


@dataclass(frozen=True)
class Owner:
    """A process, told apart from all others anywhere, and one lock of it.

    Attributes:
        machine: the name of the host, this boot of its kernel, and the namespace of process ids.
            Two containers may have one host's name, and each a process 7.
        pid: the process id, which is given to another process one day.
        started: when the process began, by the clock of the machine.
        token: unique to this lock.
    """

    machine: str
    pid: Annotated[int, Field(gt=0, lt=2**31)]
    started: float
    token: Annotated[str, Field(pattern="^[0-9A-Za-z]+$")]

    @classmethod
    def of_this_process(cls) -> "Owner":
        """This process as the owner of a new lock."""
        started = psutil.Process().create_time()
        return cls(_this_machine(), os.getpid(), started, secrets.token_hex(8))

    @classmethod
    def read(cls, content: bytes) -> "Owner | None":
        """The owner that a lock's file names; None where it is half written or damaged."""
        try:
            return TypeAdapter(cls).validate_json(content, strict=True)
        except ValidationError:
            return None

    @property
    def name(self) -> str:
        """The process for people."""
        host = self.machine.split(" ")[0] or "an unknown machine"
        return f"process {self.pid} of {host[:80]}"

    def lives(self) -> bool | None:
        """Whether the process lives; None where that cannot be seen from here."""
        if self.machine != _this_machine():
            return None
        with suppress(PermissionError):  # it lives, and is another user's
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                return False
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            same = abs(process.create_time() - self.started) <= SAME_START
        except psutil.Error:
            return None
        # The start of a process is told by a clock that may be set anew, so that a difference
        # alone is no proof that the process is another. It is one if the heartbeat stopped, too.
        return True if same else None


@cache
def _this_machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        boot, namespace = str(int(psutil.boot_time())), ""
    return " ".join([socket.gethostname(), boot, namespace]).strip()


@dataclass(frozen=True)
class _Seen:
    """A lock's file at one moment: its owner, what tells this lock from others, its date."""

    owner: Owner | None
    key: str
    date: float


class Locks:
    """Files that each say that a living process does a unit of work.

    A lock is made by creating a file, which one process alone can do. It is void when its process
    has ended, where that can be seen: on the same machine, in the same namespace of processes.
    Elsewhere the heartbeat decides: the owner touches the file while it lives, and what has not
    been touched for ``stale`` seconds is void. A lock dated far in the future, as after a clock
    was set back, is dated anew by whoever finds it, so that it is void ``stale`` seconds later
    unless its owner goes on touching it.

    A void lock is taken over by the one process that holds the guard of this very lock (a lock
    itself, named by the void one's token), and that finds it unchanged once it has the guard. So a
    process that judged a lock void a moment ago cannot remove the lock that has replaced it.

    Locks belong to a process: a forked child has none of its parent's.

    Args:
        folder: where the files are.
        heartbeat: seconds between two signs of life.
        stale: seconds without one after which a lock is void.
    """

    def __init__(self, folder: Path, *, heartbeat: float = HEARTBEAT, stale: float = STALE) -> None:
        self._folder = folder
        self._heartbeat = heartbeat
        self._stale = stale
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._held: dict[Path, str] = {}  # the token of each lock
        self._mutex = threading.Lock()
        self._beating = False

    def _check_fork(self) -> None:
        if self._pid != os.getpid():
            self._begin()

    def take(self, unit: str) -> bool:
        """Lock a unit; False if a living process has it, this one included.

        Raises:
            InputError: the folder cannot be written.
        """
        self._check_fork()
        path = self._path(unit)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            token = self._acquire(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
        if token is None:
            return False
        with self._mutex:
            self._held[path] = token
            if not self._beating:
                self._beating = True
                threading.Thread(target=self._beat, daemon=True).start()
        return True

    def release(self, unit: str) -> None:
        """Give a lock back; nothing happens if it is not this process's."""
        self._check_fork()
        path = self._path(unit)
        with self._mutex:
            token = self._held.pop(path, None)
        if token is not None:
            _remove(path, token)

    def release_all(self) -> None:
        """Give all locks of this process back."""
        for path in list(self._held):
            self.release(path.stem)

    def held_by_others(self) -> list[str]:
        """The units that other living processes do at this moment."""
        self._check_fork()
        others = (path for path in sorted(self._folder.glob("*.json")) if path not in self._held)
        seen = ((path, _look(path)) for path in others)
        return [path.stem for path, lock in seen if lock and not self._is_void(path, lock)]

    def told(self) -> str:
        """Which other processes do units at this moment, in one line; empty if none does."""
        holders: dict[str, float] = {}
        units = self.held_by_others()
        for unit in units:
            if (lock := _look(self._path(unit))) is not None:
                name = lock.owner.name if lock.owner else "one whose lock cannot be read"
                age = max(0.0, self._now() - lock.date)
                holders[name] = min(age, holders.get(name, age))
        if not holders:
            return ""
        who = ", ".join(f"{name}, {age:.0f} s ago" for name, age in sorted(holders.items()))
        return (
            f"{len(units)} units of work are left to other processes, which gave their last sign "
            f"of life so long ago: {who}; if one has ended, the same command takes its work over "
            f"{self._stale:.0f} s after that sign"
        )

    def _path(self, unit: str) -> Path:
        return self._folder / f"{unit}.json"

    # ------------------------------------------------------------ taking

    def _acquire(self, path: Path) -> str | None:
        """Make or take over the lock of a path: its token, or None if a living process has it."""
        token = _create(path)
        if token is not None:
            return token
        void = _look(path)
        if void is None:  # given back in this moment
            return _create(path)
        if not self._is_void(path, void):
            return None
        guard = self._folder / f".{void.key}.guard"
        right = self._acquire(guard)  # of a guard whose process died, too
        if right is None:
            return None
        try:
            now = _look(path)
            if now is None:
                return _create(path)
            return _replace(path) if now.key == void.key else None
        finally:
            _remove(guard, right)

    def _is_void(self, path: Path, lock: _Seen) -> bool:
        lives = lock.owner.lives() if lock.owner else None
        if lives is not None:
            return not lives
        age = self._now() - lock.date
        if age < -self._stale:
            with suppress(OSError):
                os.utime(path)
        return age > self._stale

    def _now(self) -> float:
        """The time by the clock of the file system, which this machine's may differ from."""
        probe = self._folder / f".{secrets.token_hex(8)}.now"
        try:
            descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except OSError:  # a folder that may be read alone
            return time.time()
        try:
            return os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)
            probe.unlink(missing_ok=True)

    # ------------------------------------------------------------ signs of life

    def _beat(self) -> None:
        while True:
            time.sleep(self._heartbeat)
            with self._mutex:
                if not self._held:
                    self._beating = False
                    return
                held = dict(self._held)
            for path, token in held.items():
                with suppress(OSError):
                    lock = _look(path)
                    if lock is None or (lock.owner and lock.key != token):
                        with self._mutex:  # this process was thought dead, and lost it
                            if self._held.get(path) == token:
                                del self._held[path]
                    else:
                        os.utime(path)


def _look(path: Path) -> _Seen | None:
    """What there is in the place of a lock; None if nothing."""
    try:
        with opened(path) as file:  # opening asks a network file system for the latest
            owner = Owner.read(file.read())
            status = os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    except OSError:  # another user's, who keeps it to himself, or no file at all
        owner, status = None, path.stat()
    key = owner.token if owner else f"{status.st_ino}-{status.st_mtime_ns}"
    return _Seen(owner, key, status.st_mtime)


def _create(path: Path) -> str | None:
    """Create a lock's file, and give its token; None if there is one."""
    owner = Owner.of_this_process()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return None
    try:
        os.write(descriptor, _content(owner))
        # A process that is stopped for long before it writes may find the empty file taken over.
        mine = os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return None
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return owner.token if mine else None


def _replace(path: Path) -> str:
    """Put an own lock in the place of a void one, and give its token."""
    owner = Owner.of_this_process()
    draft = path.with_name(f".{owner.token}.draft")
    try:
        draft.write_bytes(_content(owner))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return owner.token


def _content(owner: Owner) -> bytes:
    return json.dumps(asdict(owner)).encode()


def _remove(path: Path, token: str) -> None:
    """Remove a lock's file if it is still the one with this token."""
    with suppress(OSError):
        lock = _look(path)
        if lock is not None and lock.key == token:
            path.unlink()
