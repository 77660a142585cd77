"""Files that are either whole or absent, whoever else writes them; and those that are read."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alignment.drafts import draft_of
from alignment.regular_files import opened as opened
from alignment.regular_files import place_of
from nasneurn.errors import InputError


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and put it in the place of ``path`` at the end.

    A reader sees the old file or the new one. Two writers do not disturb each other: each has its
    own temporary file, and the last to finish wins. After an error nothing is left behind; what a
    killed writer left is removed by one that comes a day later. A link stays, and the file that
    it leads to is written.

    Raises:
        InputError: the folder cannot be written, or there is something else than a file, as a
            device, whose place a file must not take; or a link to such a thing, or to nothing.
    """
    draft: Path | None = None
    try:
        place = place_of(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = draft_of(place.with_name(path.name))
        yield draft
        draft.replace(place)
    except OSError as error:
        raise InputError(f"{shown(path)}: cannot be written ({error.strerror or error})") from error
    finally:
        if draft is not None:
            with suppress(OSError):
                draft.unlink()


def folder_named(out: Path | str) -> Path:
    """The folder of results that a program names; an empty name would be the current one.

    Raises:
        InputError: it is empty.
    """
    if not str(out):
        raise InputError("out is empty; name a folder, or . for the current one")
    return Path(out)


def results_folder(out: Path | str) -> Path:
    """The same, seen to be one that can be written, for those who write at their end.

    Raises:
        InputError: it is empty, or cannot be written.
    """
    folder = folder_named(out)
    check_folder_target(folder)
    return folder


def results_file(out: Path | str | None, usual: Path) -> Path:
    """The same of a file.

    Args:
        out: the file that a program names, if it does.
        usual: the other, which lies where what it is made of does: if there is no such folder,
            whoever reads that tells so better.

    Raises:
        InputError: it is empty, or cannot be written.
    """
    if out is not None and not str(out):
        raise InputError("out is empty; name a file for the result")
    path = usual if out is None else Path(out)
    if out is not None or usual.parent.is_dir():
        check_file_target(path)
    return path


def check_file_target(path: Path) -> None:
    """See that a file can be written there; nothing is written yet.

    Raises:
        InputError: there is a folder, a device or the like, or a link to one or to nothing; or its
            folder can be neither made nor written.
    """
    try:
        _check_folder(place_of(path).parent)
    except OSError as error:
        raise InputError(
            f"{shown(path)}: cannot be written ({error.strerror}); name a file for the result"
        ) from error


def check_folder_target(folder: Path) -> None:
    """See that a folder is there, or can be made, and can be written; nothing is made yet.

    Raises:
        InputError: it cannot.
    """
    try:
        _check_folder(folder)
    except OSError as error:
        raise InputError(
            f"{shown(folder)}: cannot be written ({error.strerror}); name a folder for the results"
        ) from error


@contextmanager
def reading(path: object) -> Iterator[None]:
    """Tell of what cannot be read.

    Raises:
        InputError: in place of an OSError, with the file that it names, or else ``path``.
    """
    try:
        yield
    except OSError as error:
        named, reason = shown(error.filename or path), error.strerror or error
        raise InputError(f"{named}: cannot be read ({reason})") from error


def shown(path: object) -> str:
    """A path in a line for people: of a very long one its beginning and end.

    >>> shown("a/" * 1000).count("a")
    100
    """
    text = str(path)
    return text if len(text) <= 400 else f"{text[:100]}...{text[-100:]}"


def real(path: Path) -> Path:
    """The path without links, also where these lead in a circle, of which ``resolve`` despairs."""
    return Path(os.path.realpath(path))


def _check_folder(folder: Path) -> None:
    """Raise OSError where a folder cannot be made or written."""
    for there in (folder, *folder.absolute().parents):
        try:
            kind = there.stat().st_mode
        except FileNotFoundError:
            if there.is_symlink():  # to nothing, so that it cannot be made
                raise
            continue
        if not stat.S_ISDIR(kind):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
        # What the system allows may be impossible all the same, as in /proc or on a full disk.
        with tempfile.TemporaryFile(dir=there) as trial:
            trial.write(b"\0")
        return


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte-order mark.

    Raises:
        OSError: it cannot be read, or is something else than a file.
        UnicodeDecodeError: it is in no UTF-8.
    """
    with opened(path) as file:
        return file.read().decode("utf-8-sig")
