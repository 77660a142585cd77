"""Result files: whole or absent, and naming the options that they were computed with."""

import csv
import io
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from alignment.errors import AlignmentError


def prepare_folder(folder: Path) -> None:
    """Make ``folder``, and find out now, not after the work, whether it can be written.

    Raises:
        AlignmentError: it cannot.
    """
    probe = folder / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise AlignmentError(
            f"{folder}: cannot be written ({error.strerror or error}); choose another --out"
        ) from error


def write_with(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file beside ``path``, and put it in the place of ``path``.

    Raises:
        AlignmentError: the file cannot be written.
    """
    draft = path.with_name(f".{path.stem}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
    try:
        write(draft)
        draft.replace(path)
    except OSError as error:
        raise AlignmentError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            draft.unlink()


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    write_with(path, lambda draft: draft.write_text(text.getvalue(), encoding="utf-8"))


def write_matrix(
    path: Path, title: str, names: Sequence[str], matrix: npt.NDArray[np.generic]
) -> None:
    """Write a square matrix with names on both axes; ``title`` is the cell in its corner."""
    form = str if np.issubdtype(matrix.dtype, np.integer) else "{:.6f}".format
    rows = ([name, *map(form, row)] for name, row in zip(names, matrix.tolist(), strict=True))
    write_table(path, [title, *names], rows)
