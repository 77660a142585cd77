"""What lies in a folder of images: its domains, classes and files, found by one scan.

The files of a domain are arrays and one string of names, so that 600,000 of them take some tens of
megabytes. A listing is kept in the cache under its digest: worker processes read it there.
"""

import hashlib
import io
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nasneurn.domains.class_images import (
    OUTSIDE,
    ClassImages,
    images_below,
    outside,
    passed_over_line,
)
from nasneurn.domains.decoding import SUFFIXES
from nasneurn.domains.file_hashes import content_digest
from nasneurn.errors import InputError
from nasneurn.files import opened, reading, written_atomically
from nasneurn.paths import cache_dir
from nasneurn.rows import JOINT

#: Raise it when the files of kept listings change.
LISTING_VERSION = 1
#: Class folders that are scanned at once.
SCANNED_AT_ONCE = 8
#: So many listings of a root are looked at for files that are known, the newest.
RECENT = 8
LAYOUT = "<domain>/<class>/<image files>"
#: Folders of these names alone are parts of data, as in many a collection, and no classes.
PARTS = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "testing"})


@dataclass(frozen=True, eq=False)
class DomainFiles:
    """The image files of one domain, ordered by class and then by name.

    Attributes:
        domain: its name.
        classes: the names of the suite's classes.
        names: the files' names, joined by zero bytes; of one in a folder below its class's, the
            path from there.
        labels: int64 (N,), indices into ``classes``.
        bytes: int64 (N,), the files' sizes.
        times: int64 (N,), when they were last changed, in nanoseconds.
    """

    domain: str
    classes: tuple[str, ...]
    names: bytes = field(repr=False)
    labels: npt.NDArray[np.int64]
    bytes: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def paths(self) -> list[str]:
        """The files' paths below the root, with forward slashes."""
        folders = [f"{self.domain}/{name}/" for name in self.classes]
        names = os.fsdecode(self.names).split("\0")
        return [
            folders[label] + name for label, name in zip(self.labels.tolist(), names, strict=True)
        ]

    @cached_property
    def digest(self) -> str:
        """Changes when a file is added, removed, renamed or changed in size or time."""
        heading = [LISTING_VERSION, self.domain, self.classes]
        names = np.frombuffer(self.names, np.uint8)
        return content_digest(heading, names, self.labels, self.bytes, self.times)


@dataclass(frozen=True, eq=False)
class Listing:
    """What lies in ``root``: the classes, and the files of each domain by its name.

    Of one that was scanned and not kept: ``nested``, the folders below those of classes, as paths
    below the root; ``passed_over``, how many files were, by reason.
    """

    root: Path
    classes: tuple[str, ...]
    domains: dict[str, DomainFiles]
    nested: tuple[str, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Of all domains' files."""
        return content_digest([files.digest for files in self.domains.values()])


def cache_folder(root: Path) -> Path:
    """Where all that is derived from the folder ``root`` is kept."""
    root = root.resolve()
    return (
        cache_dir()
        / "folders"
        / f"{root.name}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"
    )


# ---------------------------------------------------------------- scanning


def scan(root: Path) -> Listing:
    """List a root's domains, classes and images; no image is opened.

    Raises:
        InputError: not a folder, fewer than two domains, classes that differ between domains, a
            class with fewer than two images (train and test need one each), or parts of data where
            domains or classes must be.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; it must hold {LAYOUT}")
    with reading(root):
        return _scan(root)


def _folders(parent: Path) -> list[str]:
    with os.scandir(parent) as entries:
        return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())


def _scan(root: Path) -> Listing:
    domains = _folders(root)
    if len(domains) < 2:
        found = domains[0] if domains else "none"
        raise InputError(
            f"{root}: holds {len(domains)} domains ({found}); it must hold at least 2, as {LAYOUT}"
        )
    found_in = {domain: _folders(root / domain) for domain in domains}
    _refuse_parts(root, "domains", domains)
    _refuse_parts(root, "classes", {name for names in found_in.values() for name in names})
    _check_names(root, "domain", domains)
    _check_names(root, "class", {name for names in found_in.values() for name in names})
    classes = tuple(sorted({name for names in found_in.values() for name in names}))
    for domain in domains:
        if not found_in[domain]:
            raise InputError(
                f"{root / domain}: holds no class folders; it must hold <class>/<image files>"
            )
        for name in classes:
            if name not in found_in[domain]:
                other = next(d for d, names in found_in.items() if name in names)
                raise InputError(
                    f"{root / domain}: no class {name!r}, which the domain {other!r} has; "
                    "every domain must have the same classes"
                )
    if len(classes) < 2:
        raise InputError(f"{root}: holds one class ({classes[0]}); at least 2 are needed")
    # In threads: a file system over a network answers many questions at once.
    with ThreadPoolExecutor(SCANNED_AT_ONCE) as pool:
        scanning = {
            domain: pool.map(_images, [root / domain / name for name in classes])
            for domain in domains
        }
        nested: list[str] = []
        files, passed_over = {}, Counter[str]()
        for domain in domains:
            in_classes = list(scanning[domain])
            files[domain] = _files(domain, classes, in_classes)
            for name, one in zip(classes, in_classes, strict=True):
                nested += (f"{domain}/{name}/{folder}" for folder in one.folders)
                passed_over += one.passed_over
    passed_over[OUTSIDE] += sum(map(outside, [root, *(root / domain for domain in domains)]))
    return Listing(root, classes, files, tuple(nested), +passed_over)


def _check_names(root: Path, what: str, names: Iterable[str]) -> None:
    """Refuse names that a table or another machine would not give back as they are.

    Raises:
        InputError: with the name, as Python writes it.
    """
    same: dict[str, str] = {}
    for name in sorted(names):
        reason = ""
        if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
            reason = "is not text in UTF-8, or holds control characters"
        elif what == "domain" and JOINT in name:
            reason = f"holds {JOINT!r}, which joins the names of several domains"
        elif what == "domain" and "," in name:
            reason = "holds ',', which stands between the names of domains"
        elif (other := same.setdefault(unicodedata.normalize("NFC", name), name)) != name:
            reason = f"looks like {other!a}, with its letters composed otherwise"
        if reason:
            raise InputError(f"{str(root)!a}: the {what} {name!a} {reason}; rename it")


def _refuse_parts(root: Path, what: str, names: Iterable[str]) -> None:
    """Refuse ``train`` and ``val``, which would be learned as classes or domains without a word.

    Raises:
        InputError: all names are such.
    """
    found = sorted(names)
    if found and PARTS.issuperset(map(str.lower, found)):
        raise InputError(
            f"{root}: its {what} are {', '.join(found)}, which are parts of data; it must hold "
            f"{LAYOUT}, and a split file says which image is for what"
        )


def _images(folder: Path) -> ClassImages:
    """The images of a class.

    Raises:
        InputError: there are fewer than two.
    """
    found = images_below(folder)
    if len(found.images) < 2:
        beside = passed_over_line(found.passed_over)
        there = "one image" if found.images else "no images"
        raise InputError(
            f"{folder}: holds {there} ({' '.join(SUFFIXES)}); a class needs at least 2, "
            f"one to train and one to test on{beside and f' ({beside})'}"
        )
    return found


def _files(domain: str, classes: tuple[str, ...], found: Iterable[ClassImages]) -> DomainFiles:
    names: list[str] = []
    numbers: list[npt.NDArray[np.int64]] = []
    for one in found:
        names += (name for name, _, _ in one.images)
        numbers.append(np.array([row[1:] for row in one.images], dtype=np.int64))
    sizes, times = np.concatenate(numbers).T
    return DomainFiles(
        domain,
        classes,
        os.fsencode("\0".join(names)),
        np.repeat(np.arange(len(classes), dtype=np.int64), list(map(len, numbers))),
        np.ascontiguousarray(sizes),
        np.ascontiguousarray(times),
    )


# ---------------------------------------------------------------- keeping


def keep(listing: Listing) -> None:
    """Put a listing into the cache, where :func:`kept` finds it by its digest.

    A cache that cannot be written only costs the worker processes a scan.
    """
    path = _path(listing.root, listing.digest)
    if path.is_file():
        return
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for number, files in enumerate(listing.domains.values()):
        arrays[f"names{number}"] = np.frombuffer(files.names, np.uint8)
        arrays[f"labels{number}"] = files.labels
        arrays[f"bytes{number}"] = files.bytes
        arrays[f"times{number}"] = files.times
    heading = json.dumps([listing.classes, list(listing.domains)]).encode()
    content = io.BytesIO()
    np.savez(content, heading=np.frombuffer(heading, np.uint8), **arrays)  # type: ignore[arg-type]
    try:
        with written_atomically(path) as draft:
            draft.write_bytes(content.getbuffer())
    except InputError:
        return
    for older in path.parent.glob("listing-*.npz"):
        # Others may still read a recent one: a study of the same folder that runs now.
        if older != path and older.stat().st_mtime < path.stat().st_mtime - 30 * 86400:
            older.unlink(missing_ok=True)


def kept(root: Path, digest: str) -> Listing | None:
    """The listing of ``root`` with this digest; None where the cache has it not, or damaged."""
    try:
        with opened(_path(root, digest)) as file, np.load(file, allow_pickle=False) as arrays:
            classes, domains = json.loads(arrays["heading"].tobytes())
            listing = Listing(
                root,
                tuple(classes),
                {
                    domain: DomainFiles(
                        domain,
                        tuple(classes),
                        arrays[f"names{number}"].tobytes(),
                        arrays[f"labels{number}"],
                        arrays[f"bytes{number}"],
                        arrays[f"times{number}"],
                    )
                    for number, domain in enumerate(domains)
                },
            )
            return listing if listing.digest == digest else None
    except Exception:  # whatever is wrong with the entry, the folder is scanned again
        return None


def kept_listings(root: Path) -> Iterator[Listing]:
    """What the cache has of a root: the newest ones, the newest first."""
    found = cache_folder(root).glob("listing-*.npz")
    for path in sorted(found, key=lambda one: one.stat().st_mtime, reverse=True)[:RECENT]:
        if (listing := kept(root, path.stem.removeprefix("listing-"))) is not None:
            yield listing


def _path(root: Path, digest: str) -> Path:
    return cache_folder(root) / f"listing-{digest}.npz"


def folder_times(root: Path, nested: Iterable[str] = ()) -> tuple[int, ...]:
    """When each folder of a root was last changed: a file was added, removed or renamed there.

    Args:
        root: the folder.
        nested: folders below those of classes, as paths below the root; -1 where one has gone.
    """
    with reading(root):
        return tuple(
            os.stat(folder).st_mtime_ns
            for domain in _folders(root)
            for folder in (
                root / domain,
                *(root / domain / name for name in _folders(root / domain)),
            )
        ) + tuple(_time(root / name) for name in nested)


def _time(folder: Path) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except FileNotFoundError:
        return -1
