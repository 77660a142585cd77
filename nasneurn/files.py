"""Files that are either whole or absent, whoever else writes them; and those that are read."""

import errno
import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nasneurn.errors import InputError


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and put it in the place of ``path`` at the end.

    A reader sees the old file or the new one. Two writers do not disturb each other: each has its
    own temporary file, and the last to finish wins. After an error nothing is left behind.

    Raises:
        InputError: the folder cannot be written.
    """
    # The suffix stays, because numpy appends ".npz" to a name that lacks it.
    draft = path.with_name(f".{path.stem}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            draft.unlink()


def opened(path: Path) -> io.BufferedReader:
    """Open a regular file to read; a named pipe would let the reader wait for ever.

    Raises:
        OSError: it cannot be read, or is something else than a file.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte-order mark.

    Raises:
        OSError: as :func:`opened`.
        UnicodeDecodeError: it is in no UTF-8.
    """
    with opened(path) as file:
        return file.read().decode("utf-8-sig")
