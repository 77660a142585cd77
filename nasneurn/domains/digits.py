"""The suites of real digits: MNIST, MNIST-M, SVHN, USPS and SYN, from prepared npz files.

A domain is two files, ``<name>_train.npz`` and ``<name>_test.npz``, each with ``images``, uint8 of
shape (N, H, W) or (N, H, W, 3), and ``labels``, whole numbers of shape (N,), 0 to 9.
``nasneurn data prepare`` writes them. They are read without pickle: a file cannot run code.

Sources: LeCun et al. (1998) for MNIST, Ganin et al. (2016) for MNIST-M and SYN, Netzer et al.
(2011) for SVHN, Hull (1994) for USPS.
"""

import hashlib
import math
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nasneurn.domains.file_hashes import FileHashes, Hashes, Keys, content_digest, keys_of
from nasneurn.domains.resizing import resize, three_channels, zero_pad
from nasneurn.domains.suite import Labels, Split
from nasneurn.errors import InputError, one_line
from nasneurn.paths import cache_dir

NAME = "digits"
#: The same files, with MNIST stretched to size and not padded, as the literature has them.
RESIZED = "digits-resized"
SIZE = 32
CLASSES = tuple("0123456789")

DOMAINS = ("mnist", "mnistm", "svhn", "usps")
#: Synthetic digits, which only few have: a domain of the suites whose name says so.
SYN = "syn"
#: The suites, with their domains.
SUITES = {
    NAME: DOMAINS,
    RESIZED: DOMAINS,
    f"{NAME}+{SYN}": (*DOMAINS, SYN),
    f"{RESIZED}+{SYN}": (*DOMAINS, SYN),
}
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Header:
    """Shape and type of one array in a file, read without the array itself."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def pack_file(folder: Path, domain: str, split: str) -> Path:
    """Where the file of one domain and split lies."""
    return folder / f"{domain}_{split}.npz"


def is_padded(suite: str) -> bool:
    """Whether a suite gives MNIST a margin; else it is stretched."""
    return not suite.startswith(RESIZED)


def how_to_prepare(domain: str) -> str:
    """The command that makes the files of a domain.

    >>> how_to_prepare("usps")
    'nasneurn data prepare usps'
    """
    return f"nasneurn data prepare {domain}" + (" --images FOLDER" if domain == SYN else "")


def read_headers(path: Path) -> dict[str, Header]:
    """Read the shapes of ``images`` and ``labels``, and check that they fit each other.

    Raises:
        InputError: no such file, not an npz file, an array missing, or of a wrong shape or type.
    """
    if not path.is_file():
        known = path.stem.rpartition("_")[0]
        hint = (
            "; name the folder that has it by --data-dir or NASNEURN_DATA, or make it by: "
            f"{how_to_prepare(known)}"
        )
        hint = hint if known in (*DOMAINS, SYN) else ""
        raise InputError(f"{path}: no such file{hint}")
    try:
        headers = _npz_headers(path)
    except Exception as error:  # damaged bytes raise nearly anything: zip, zlib, numpy, ast
        raise InputError(
            f"{path}: not a whole npz file ({one_line(error)}); make it anew"
        ) from error
    for name in ("images", "labels"):
        if name not in headers:
            found = ", ".join(headers) or "none"
            raise InputError(f"{path}: no array {name!r} (found: {found}); it needs images, labels")
    images, labels = headers["images"], headers["labels"]
    if images.dtype != np.uint8:
        raise InputError(f"{path}: images are {images.dtype}; they must be uint8, 0 to 255")
    grey_or_rgb = len(images.shape) == 3 or (len(images.shape) == 4 and images.shape[3] == 3)
    if not grey_or_rgb or 0 in images.shape[1:]:
        raise InputError(
            f"{path}: images have shape {images.shape}; it must be (N, H, W) or (N, H, W, 3)"
        )
    if labels.dtype.kind not in "iu":
        raise InputError(f"{path}: labels are {labels.dtype}; they must be whole numbers, int64")
    if len(labels.shape) != 1:
        raise InputError(f"{path}: labels have shape {labels.shape}; it must be (N,)")
    if images.shape[0] != labels.shape[0]:
        raise InputError(
            f"{path}: {images.shape[0]} images but {labels.shape[0]} labels; each needs one"
        )
    if images.shape[0] == 0:
        raise InputError(f"{path}: holds no images; it must hold at least one")
    return headers


def _npz_headers(path: Path) -> dict[str, Header]:
    headers = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            with archive.open(member) as stream:
                major, _ = np.lib.format.read_magic(stream)
                read = {
                    1: np.lib.format.read_array_header_1_0,
                    2: np.lib.format.read_array_header_2_0,
                }[major]
                shape, _, dtype = read(stream)
                begun = stream.tell()
            told, held = math.prod(shape) * dtype.itemsize, archive.getinfo(member).file_size
            if not dtype.hasobject and told != held - begun:
                raise ValueError(f"{member} has {held - begun} bytes of values, must have {told}")
            headers[member.removesuffix(".npy")] = Header(shape, dtype)
    return headers


def read_labels(path: Path) -> Labels:
    """Read the labels of one prepared file, int64.

    Raises:
        InputError: as :func:`read_pack`.
    """
    read_headers(path)
    return _whole_labels(path, _arrays(path, "labels")["labels"])


def _arrays(path: Path, *names: str) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except Exception as error:  # damaged bytes raise nearly anything: zip, zlib, numpy, ast
        raise InputError(
            f"{path}: not a whole npz file ({one_line(error)}); make it anew"
        ) from error


def _whole_labels(path: Path, labels: npt.NDArray[Any]) -> Labels:
    outside = np.flatnonzero((labels < 0) | (labels >= len(CLASSES)))
    if len(outside):
        row = int(outside[0])
        raise InputError(f"{path}: label {labels[row]} in row {row}; labels must be 0 to 9")
    return labels.astype(np.int64)


def read_pack(path: Path) -> Split:
    """Read one prepared file as it is: images keep their size and channels.

    Returns:
        A split whose images are (N, H, W) or (N, H, W, 3); labels are int64.

    Raises:
        InputError: the file is missing, damaged or malformed, or has a label outside 0 to 9.
    """
    read_headers(path)  # first, so that an array that needs pickle is refused unread
    arrays = _arrays(path, "images", "labels")
    return Split(arrays["images"], _whole_labels(path, arrays["labels"]))


#: Raise it when images are brought to size otherwise.
RECIPE_VERSION = 1
#: Images of this side get this margin of black before they are stretched; MNIST's are 28 x 28.
#: In MNIST-M's released files the digits are padded to 32, not stretched: the edges of a padded
#: MNIST row correlate with those of the MNIST-M row made from it at 0.86, of a stretched row at
#: 0.08, and the padded one is the nearer in each of 600 rows. USPS's 16 x 16 is filled by the
#: digit to the border, so it is stretched.
PADDED_SIDE, MARGIN = 28, 2


def brought_to(
    size: int, images: npt.NDArray[np.uint8], *, padded: bool = True
) -> npt.NDArray[np.uint8]:
    """Bring raw images to uint8 (N, ``size``, ``size``, 3): margin, stretch, three channels."""
    if padded and images.shape[1:3] == (PADDED_SIDE, PADDED_SIDE):
        images = zero_pad(images, MARGIN)
    return three_channels(resize(images, size))


class DigitsReader:
    """Reads the files of one folder; a missing one is an error only when its part is asked for."""

    has_all = False

    def __init__(self, folder: Path, size: int, *, padded: bool = True) -> None:
        self._folder = folder
        self._padded = padded
        self._size = size

    def labels(self, domain: str, part: str) -> Labels:
        """The labels of one file."""
        return read_labels(pack_file(self._folder, domain, part))

    def images(self, domain: str, part: str) -> Split:
        """The images of one file, brought to size."""
        raw = read_pack(pack_file(self._folder, domain, part))
        return Split(
            brought_to(self._size, np.asarray(raw.images), padded=self._padded), raw.labels
        )

    def digest(self, domain: str, part: str) -> str:
        """Of the arrays, however they are compressed, and of how they are brought to size."""
        known = self.known_digest(domain, part)
        if known is not None:
            return known
        path = pack_file(self._folder, domain, part)
        key = _key(path)
        raw = read_pack(path)
        images = np.asarray(raw.images)
        content = content_digest(images.shape, images, raw.labels)
        found = np.frombuffer(content.encode(), np.uint8)[None]
        self._hashes.add(key, found)
        return self._digest(found)

    def known_digest(self, domain: str, part: str) -> str | None:
        """The digest, where the file's hash is known."""
        path = pack_file(self._folder, domain, part)
        if not path.is_file():
            return None
        found, known = self._hashes.find(_key(path))
        return self._digest(found) if known.all() else None

    def changed_files(self, domain: str, part: str, digest: str) -> list[str]:
        """A part is one file."""
        return [pack_file(self._folder, domain, part).name]

    def held_out(self, domain: str) -> None:
        """Digits have no validation rows of their own."""

    @property
    def _hashes(self) -> FileHashes:
        place = hashlib.sha256(os.fsencode(self._folder.resolve())).hexdigest()[:12]
        return FileHashes(cache_dir() / NAME / f"{place}-hashes.npz")

    def _digest(self, content: Hashes) -> str:
        margin = MARGIN if self._padded else 0
        return content_digest([NAME, RECIPE_VERSION, PADDED_SIDE, margin, self._size], content)


def _key(path: Path) -> Keys:
    if not path.is_file():
        read_headers(path)  # tells that it is missing, and how it is made
    stat = path.stat()
    return keys_of([(path.name, stat.st_size, stat.st_mtime_ns)])


def fingerprint(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of the files that are there: changes when a domain is replaced."""
    stats: list[tuple[str, int, int]] = []
    for domain in (*DOMAINS, SYN):
        for split in SPLITS:
            path = pack_file(folder, domain, split)
            if path.is_file():
                stat = os.stat(path)
                stats.append((path.name, stat.st_size, stat.st_mtime_ns))
    return tuple(stats)
