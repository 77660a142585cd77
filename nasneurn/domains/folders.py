"""A suite from a folder of images: ``ROOT/<domain>/<class>/<image files>``.

This is the layout of PACS (Li et al., Deeper, Broader and Artier Domain Generalization, ICCV 2017)
and of DomainNet (Peng et al., ICCV 2019). Images are decoded once, to a cache of
``size * size * 3`` bytes an image, and decoded again only when a file's name, size or time changes.
Where the cache would be too large, they are decoded each time that they are used.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nasneurn.domains.decoding import HASH_BYTES, RECIPE_VERSION, decode, file_hash, read_bytes
from nasneurn.domains.file_hashes import FileHashes, Hashes, content_digest, keys_of
from nasneurn.domains.listing import DomainFiles, Listing, cache_folder, kept_listings
from nasneurn.domains.pixels import Decoder, FilePixels, Kept, mapped
from nasneurn.domains.split_files import TRAIN, VAL, Roles, is_test
from nasneurn.domains.suite import Labels, Mask, Split
from nasneurn.errors import InputError
from nasneurn.files import written_atomically
from nasneurn.progress import Meter, meter

SIZE = 224
TEST_FRACTION = 0.2

GIB = 2**30
#: Most GiB of decoded images of one suite in the cache; ``$NASNEURN_CACHE_LIMIT`` is another limit.
CACHE_LIMIT = 20.0
#: GiB of the disk that the cache leaves free.
LEFT_FREE = 2.0

Rows = npt.NDArray[np.int64]


def test_mask(files: DomainFiles, paths: list[str]) -> Mask:
    """Which of a domain's images are for the test: a fifth of each class.

    Those whose paths have the lowest hashes, so that the split is the same on every machine, and an
    added image moves at most one other.
    """
    ranks = [hashlib.sha256(os.fsencode(path)).digest() for path in paths]
    mask = np.zeros(len(files), dtype=bool)
    counts = np.bincount(files.labels, minlength=len(files.classes)).tolist()
    start = 0
    for members in counts:
        count = min(max(round(TEST_FRACTION * members), 1), members - 1)
        ranked = sorted(range(start, start + members), key=ranks.__getitem__)
        mask[ranked[:count]] = True
        start += members
    return mask


def cache_limit() -> float:
    """Most bytes of decoded images of one suite in the cache.

    Raises:
        InputError: ``$NASNEURN_CACHE_LIMIT`` is no number of GiB.
    """
    text = os.environ.get("NASNEURN_CACHE_LIMIT", str(CACHE_LIMIT))
    try:
        limit = float(text)
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise InputError(f"NASNEURN_CACHE_LIMIT is {text!r}, must be a number of GiB, such as 20")
    return limit * GIB


class FolderReader:
    """Reads the domains of a folder; ``roles`` say what a split file makes of its images."""

    has_all = True

    def __init__(self, listing: Listing, size: int, roles: Roles | None) -> None:
        self._domains = {
            name: _Domain(listing, name, size, None if roles is None else roles[name])
            for name in listing.domains
        }
        self._bytes = sum(map(len, listing.domains.values())) * size * size * 3

    def labels(self, domain: str, part: str) -> Labels:
        """The labels of a part, from the listing."""
        found = self._domains[domain]
        return found.files.labels[found.rows(part)]

    def images(self, domain: str, part: str) -> Split:
        """The images of a part: in the cache after this call, or to be decoded when used."""
        found = self._domains[domain]
        rows = found.rows(part)
        return Split(found.pixels(rows, self._bytes), found.files.labels[rows])

    def digest(self, domain: str, part: str) -> str:
        """Of the files' bytes, labels and what is done to them, in the order of the rows."""
        return self._domains[domain].digest(part, self._domains[domain].hashes(self._bytes))

    def known_digest(self, domain: str, part: str) -> str | None:
        """The digest, where the hashes of all files of the domain are known."""
        return self._domains[domain].known_digest(part)

    def changed_files(self, domain: str, part: str, digest: str) -> list[str]:
        """Those that differ from what a listing in the cache has, by which the part had the digest.

        Not known where a split file divides the images, which may have changed too.
        """
        now = self._domains[domain]
        if now.divided:
            return []
        for listing in kept_listings(now.root):
            if domain in listing.domains:
                before = _Domain(listing, domain, now.size, None)
                if before.known_digest(part) == digest:
                    return now.differences(before)
        return []

    def held_out(self, domain: str) -> Mask | None:
        """The rows of "train" that the split file has for validation."""
        return self._domains[domain].held_out


class _Domain:
    """The files of one domain, with what is kept of them in the cache."""

    def __init__(
        self, listing: Listing, name: str, size: int, roles: npt.NDArray[np.uint8] | None
    ) -> None:
        self.files = listing.domains[name]
        self.root = listing.root
        self.size = size
        self.divided = roles is not None
        self._roles = roles
        folder = cache_folder(listing.root)
        self._prefix = f"{name}-{size}-"
        digest = content_digest([RECIPE_VERSION, self.files.digest])
        self._kept = Kept(folder / f"{self._prefix}{digest}.npy", len(self.files), size)
        self._hash_file = folder / "hashes.npz"

    @cached_property
    def _paths(self) -> list[str]:
        return self.files.paths()

    @cached_property
    def _parts(self) -> dict[str, Rows]:
        if self._roles is None:
            test = test_mask(self.files, self._paths)
            masks = {"train": ~test, "test": test, "all": np.ones_like(test)}
        else:
            test = is_test(self._roles)
            if not test.any():  # PACS keeps no images of a source for the test alone
                test = self._roles & VAL > 0
            train = self._roles & (TRAIN | VAL) > 0
            masks = {"train": train, "test": test, "all": self._roles > 0}
        return {part: np.flatnonzero(mask) for part, mask in masks.items()}

    def rows(self, part: str) -> Rows:
        """The rows of a part among the domain's files."""
        return self._parts[part]

    @property
    def held_out(self) -> Mask | None:
        """Which rows of "train" are for validation; None without a split file that has some."""
        if self._roles is None or not np.any(self._roles & VAL):
            return None
        held_out: Mask = self._roles[self.rows("train")] & VAL > 0
        return held_out

    def digest(self, part: str, hashes: Hashes) -> str:
        """Of a part, from the hashes of all the domain's files."""
        rows = self.rows(part)
        heading = ["folder", RECIPE_VERSION, self.size, len(rows), self.files.classes]
        arrays: list[npt.NDArray[Any]] = [self.files.labels[rows], hashes[rows]]
        if part == "train" and self.held_out is not None:
            arrays.append(self.held_out)
        return content_digest(heading, *arrays)

    def known_digest(self, part: str) -> str | None:
        """The same, where all hashes are known."""
        hashes, known = self.known_hashes()
        return self.digest(part, hashes) if known.all() else None

    def differences(self, before: "_Domain") -> list[str]:
        """The paths of files that were added, removed or changed; hashes must be known."""
        now, then = self._hash_of_path(), before._hash_of_path()
        return [path for path in {**then, **now} if now.get(path) != then.get(path)]

    def _hash_of_path(self) -> dict[str, bytes]:
        return dict(zip(self._paths, map(bytes, self.known_hashes()[0]), strict=True))

    # ------------------------------------------------------------ pixels

    def pixels(self, rows: Rows, suite_bytes: int) -> FilePixels:
        """The images of these rows; they are decoded into the cache, if it may hold them."""
        if not self._kept.is_whole():
            if not self._may_keep(suite_bytes):
                decoder = Decoder(self.root, self._paths, self.size)
                return FilePixels(rows, self.size, decoder, decoding=True)
            self._decode_all()
        return FilePixels(rows, self.size, self._kept, decoding=False)

    def _may_keep(self, suite_bytes: int) -> bool:
        if suite_bytes > cache_limit():
            return False
        folder = self._kept.path.parent
        needed = len(self.files) * self.size**2 * 3
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                return False
            return needed + LEFT_FREE * GIB <= shutil.disk_usage(folder).free
        except OSError:  # a cache that cannot be written only costs time
            return False

    def _decode_all(self) -> None:
        hashes = np.zeros((len(self.files), HASH_BYTES), np.uint8)

        def decoded(path: str) -> tuple[npt.NDArray[np.uint8], bytes]:
            data = read_bytes(path)
            return decode(path, self.size, data), file_hash(data)

        def images(progress: Meter) -> Iterator[npt.NDArray[np.uint8]]:
            for row, (image, digest) in enumerate(mapped(decoded, self._full_paths())):
                hashes[row] = np.frombuffer(digest, np.uint8)
                progress.advance()
                yield image

        what = f"decoding {self.files.domain}"
        path = self._kept.path
        with written_atomically(path) as draft, meter(what, len(self.files)) as progress:
            self._kept.write(draft, images(progress))
        FileHashes(self._hash_file).add(self._keys, hashes)
        _remove_stale(path, self._prefix)
        if not self._kept.is_whole():
            raise InputError(f"{path}: the cache cannot be read back; is the disk full?")

    def _full_paths(self) -> list[str]:
        return [os.path.join(self.root, path) for path in self._paths]

    # ------------------------------------------------------------ hashes

    @cached_property
    def _keys(self) -> npt.NDArray[np.uint64]:
        files = self.files
        return keys_of(zip(self._paths, files.bytes.tolist(), files.times.tolist(), strict=True))

    def known_hashes(self) -> tuple[Hashes, npt.NDArray[np.bool_]]:
        """The hashes of the domain's files, and which of them are known."""
        return FileHashes(self._hash_file).find(self._keys)

    def hashes(self, suite_bytes: int) -> Hashes:
        """The hashes of all the domain's files; those that are not known are read."""
        hashes, known = self.known_hashes()
        if not known.all() and not self._kept.is_whole() and self._may_keep(suite_bytes):
            self._decode_all()  # so that no file is read twice
            hashes, known = self.known_hashes()
        if not known.all():
            paths = self._full_paths()
            unknown = np.flatnonzero(~known)
            chosen = [paths[row] for row in unknown.tolist()]
            with meter(f"reading {self.files.domain}", len(chosen)) as progress:
                found = mapped(lambda path: file_hash(read_bytes(path)), chosen)
                for row, digest in zip(unknown.tolist(), found, strict=True):
                    hashes[row] = np.frombuffer(digest, np.uint8)
                    progress.advance()
            FileHashes(self._hash_file).add(self._keys[unknown], hashes[unknown])
        return hashes


def _remove_stale(current: Path, prefix: str) -> None:
    """Remove what an older state of the same files left; on Windows one in use stays."""
    for path in current.parent.glob("*.npy"):
        rest = path.name.removeprefix(prefix)
        if path.name.startswith(prefix) and "-" not in rest and path != current:
            with suppress(OSError):
                path.unlink()
