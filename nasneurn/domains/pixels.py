"""Images that stay in files until their rows are asked for.

Either in the cache, decoded, as one array a domain; or in the image files themselves, where the
cache would not hold them: then they are decoded each time. No memory map: what was read through
one counts as memory of the process, and a file cut short would end it.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alignment.cores import available_cores
from nasneurn.domains.decoding import decode
from nasneurn.errors import InputError

Bytes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]

#: Images decoded at once, before they are handed on; it bounds the memory.
DECODED_AT_ONCE = 256
#: Files that one thread does in a row: handing over costs as much as decoding a tiny file.
CHUNK = 16


@dataclass(frozen=True, eq=False)
class FilePixels:
    """Images in files, indexed like an array uint8 (N, size, size, 3): ``pixels[rows]`` reads.

    Attributes:
        rows: which of the images that ``read`` knows these are.
        size: their side.
        read: gives images by their rows.
        decoding: whether each read decodes, so that neighbours are not read faster together.
    """

    rows: Rows
    size: int
    read: Callable[[Rows], Bytes]
    decoding: bool

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number, height, width, channels."""
        return len(self.rows), self.size, self.size, 3

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Bytes."""
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: int | slice | npt.NDArray[Any]) -> Bytes:
        images = self.read(np.atleast_1d(self.rows[chosen]))
        return np.asarray(images[0]) if np.ndim(self.rows[chosen]) == 0 else images

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype)


def threads() -> int:
    """How many decode at once; Pillow frees the interpreter's lock."""
    return min(16, available_cores())


def mapped(function: Callable[[str], Any], paths: Sequence[str]) -> Iterator[Any]:
    """``function`` of each path in order, in threads, a bounded number ahead.

    Threads decode photographs faster than processes; of tiny files, processes would do more.
    """
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    at_once = DECODED_AT_ONCE // CHUNK
    with ThreadPoolExecutor(threads()) as pool:
        for start in range(0, len(chunks), at_once):
            for results in pool.map(
                lambda chunk: list(map(function, chunk)), chunks[start : start + at_once]
            ):
                yield from results


@dataclass(frozen=True, eq=False)
class Decoder:
    """Decodes images by their rows, from the files themselves."""

    root: Path
    paths: Sequence[str]
    size: int

    def __call__(self, rows: Rows) -> Bytes:
        """Read images uint8 (N, size, size, 3)."""
        images = np.empty((len(rows), self.size, self.size, 3), np.uint8)
        chosen = [os.path.join(self.root, self.paths[row]) for row in rows.tolist()]
        for place, pixels in enumerate(mapped(lambda path: decode(path, self.size), chosen)):
            images[place] = pixels
        return images


@dataclass(frozen=True, eq=False)
class Kept:
    """Reads images by their rows from an npy file of the cache."""

    path: Path
    count: int
    size: int

    @property
    def _bytes(self) -> int:
        return self.size * self.size * 3

    def is_whole(self) -> bool:
        """Whether the file is there, and of the right length and kind."""
        try:
            with self.path.open("rb") as file:
                start = self._start(file)
                return file.seek(0, os.SEEK_END) == start + self.count * self._bytes
        except (OSError, ValueError, EOFError):
            return False

    def _start(self, file: Any) -> int:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("another version")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if shape != (self.count, self.size, self.size, 3) or dtype != np.uint8:
            raise ValueError("another array")
        return int(file.tell())

    def write(self, draft: Path, images: Iterable[Bytes]) -> None:
        """Write images, in order, to a file that is to become this one.

        Not through a map: on a full disk a map ends the process.
        """
        header = {"descr": "|u1", "fortran_order": False}
        shape = (self.count, self.size, self.size, 3)
        with draft.open("wb") as out:
            np.lib.format.write_array_header_1_0(out, {**header, "shape": shape})
            for image in images:
                out.write(image.tobytes())
            out.flush()
            os.fsync(out.fileno())  # before the name: a machine that stops must not leave zeros

    def __call__(self, rows: Rows) -> Bytes:
        """Read images uint8 (N, size, size, 3), neighbours with one another.

        Raises:
            InputError: the file has gone, or is shorter than it was.
        """
        images = np.empty((len(rows), self.size, self.size, 3), np.uint8)
        if not len(rows):
            return images
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        # Runs of consecutive rows are read at once; a row asked for twice starts a run again.
        starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 2) != 1)
        stops = np.append(starts[1:], len(rows))
        in_order = np.array_equal(ordered, rows)
        try:
            with self.path.open("rb", buffering=0) as file:
                offset = self._start(file)
                for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
                    run = images[start:stop] if in_order else np.empty_like(images[start:stop])
                    file.seek(offset + int(ordered[start]) * self._bytes)
                    _fill(file, run.data.cast("B"))
                    if not in_order:
                        images[order[start:stop]] = run
        except (OSError, ValueError, EOFError) as error:
            raise InputError(
                f"{self.path}: this file of the cache has gone or was cut short ({error}); "
                "the next run makes it anew"
            ) from error
        return images


def _fill(file: Any, buffer: memoryview) -> None:
    done = 0
    while done < len(buffer):  # an unbuffered file may give less than was asked for
        got = file.readinto(buffer[done:])
        if not got:
            raise EOFError("it ends early")
        done += got


@dataclass(frozen=True, eq=False)
class Joined:
    """Reads images of several parts as if they were one after the other."""

    parts: Sequence[Bytes | FilePixels]

    def __call__(self, rows: Rows) -> Bytes:
        """Read images uint8 (N, size, size, 3)."""
        starts = np.cumsum([0, *map(len, self.parts)])
        images = np.empty((len(rows), *self.parts[0].shape[1:]), np.uint8)
        for part, start, stop in zip(self.parts, starts[:-1], starts[1:], strict=True):
            places = np.flatnonzero((rows >= start) & (rows < stop))
            if len(places):
                images[places] = part[rows[places] - start]
        return images
