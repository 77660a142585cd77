"""Files that are either whole or absent, whoever else writes them at the same time."""

import os
import secrets
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
