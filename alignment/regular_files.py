"""Regular files, told from what only looks like one: pipes, devices, links to what is open."""

import errno
import io
import os
import stat
from pathlib import Path

#: Where devices, and the open files of processes, have names; no file may take the place of these.
_NO_FILES = ("/dev", "/proc")
#: A folder below these in which files are files.
_MEMORY = "/dev/shm"
#: Links of links that a system follows, at most.
_LINKS = 40


def opened(path: Path) -> io.BufferedReader:
    """Open a regular file to read; a named pipe would let the reader wait for ever.

    Raises:
        OSError: it cannot be read, or is something else than a file.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        _check_regular(os.fstat(descriptor).st_mode, path)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def place_of(path: Path) -> Path:
    """Where a file named ``path`` is to be written: of a link, the file that it leads to.

    A draft that takes the place of a link would leave the file behind it as it was, and no link.
    Nothing is written.

    Raises:
        OSError: there is something else than a regular file or nothing; or a link that leads
            nowhere, or into ``/dev`` or ``/proc``, as that of the standard output.
    """
    place = path
    for _ in range(_LINKS):
        if not place.is_symlink():
            break
        _check_place(place, path)
        place = place.parent / os.readlink(place)
    try:
        kind = place.stat().st_mode
    except FileNotFoundError:
        if place == path:
            return path
        raise FileNotFoundError(
            errno.ENOENT, f"A link to {place}, which is not there", str(path)
        ) from None
    _check_regular(kind, path)
    if place != path:
        _check_place(place, path)
    return place


def _check_regular(kind: int, path: Path) -> None:
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(kind):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))


def _check_place(place: Path, path: Path) -> None:
    folder = Path(os.path.realpath(place.parent))
    if any(map(folder.is_relative_to, _NO_FILES)) and not folder.is_relative_to(_MEMORY):
        told = f"A link to {place}" if place != path else "A link of the system"
        raise OSError(errno.EINVAL, f"{told}, where no file can be", str(path))
