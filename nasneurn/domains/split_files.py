"""Split files of a user's own: a CSV file, or the lists that are published with PACS.

A CSV file has the columns ``path`` (below the root, with ``/``) and ``split`` (train, val or test).
PACS comes with three lists a domain, ``<domain>_train_kfold.txt``, ``<domain>_crossval_kfold.txt``
and ``<domain>_test_kfold.txt``, whose lines are a path and a number; its test list holds all images
of the domain.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nasneurn.choices import suggestion
from nasneurn.domains.listing import Listing
from nasneurn.errors import InputError
from nasneurn.files import read_text, reading

#: What a row is for: flags, as an image of PACS's test list may be in another list too.
TRAIN, VAL, TEST, NAMED = 1, 2, 4, 8
SPLITS = {"train": TRAIN, "val": VAL, "test": TEST}
LISTS = {
    "{}_train_kfold.txt": TRAIN,
    "{}_crossval_kfold.txt": VAL,
    "{}_test_kfold.txt": NAMED,
}
#: An entry of the published lists that is in error; loaders of the field leave the image out.
LEFT_OUT = "sketch/dog/n02103406_4068-1.png"

#: For each domain a uint8 a file of its listing.
Roles = dict[str, npt.NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class _Line:
    """One image of a split file, and where it is written."""

    file: Path
    number: int
    path: str
    role: int

    @property
    def place(self) -> str:
        return f"{self.file}, line {self.number}"


def is_test(roles: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which images are named, and neither to train on nor for validation."""
    test: npt.NDArray[np.bool_] = (roles > 0) & (roles & (TRAIN | VAL) == 0)
    return test


def fingerprint(splits: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of the file, or of the lists: changes when one is edited."""
    files = sorted(splits.glob("*_kfold.txt")) if splits.is_dir() else [splits]
    stats = [(path.name, path.stat()) for path in files if path.is_file()]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def read_roles(splits: Path, listing: Listing) -> Roles:
    """Read what each image of a folder is for.

    An image that is not named is used for nothing.

    Raises:
        InputError: with the file and the line: an image that is not there, one that is named for
            two splits, an unknown split, a domain without images to train on or to test on.
    """
    if not splits.exists():
        raise InputError(
            f"{splits}: no such file; it must be a CSV file with the columns path and split, or a "
            "folder of the PACS lists"
        )
    lines = _list_lines(splits, tuple(listing.domains)) if splits.is_dir() else _csv_lines(splits)
    places = {domain: _Places(listing, domain) for domain in listing.domains}
    for line in lines:
        domain = line.path.partition("/")[0]
        if domain not in places:
            raise InputError(
                f"{line.place}: no domain {domain!r} in {listing.root}; a path is "
                f"<domain>/<class>/<file>, and the domains are {', '.join(places)}"
                f"{suggestion(domain, places)}"
            )
        places[domain].put(line)
    for domain, found in places.items():
        if not np.any(found.roles & TRAIN):
            raise InputError(
                f"{splits}: the domain {domain!r} has no train images; every domain needs some"
            )
        if not np.any(found.roles & VAL) and not np.any(is_test(found.roles)):
            raise InputError(
                f"{splits}: the domain {domain!r} has neither test nor val images apart from its "
                "train images; every domain needs some"
            )
    return {domain: found.roles for domain, found in places.items()}


class _Places:
    """The rows of one domain, by their paths, with what was read of them."""

    def __init__(self, listing: Listing, domain: str) -> None:
        files = listing.domains[domain]
        self._listing = listing
        self._rows = {path: row for row, path in enumerate(files.paths())}
        self._lines: dict[int, _Line] = {}
        self.roles = np.zeros(len(files), dtype=np.uint8)

    def put(self, line: _Line) -> None:
        row = self._rows.get(line.path)
        if row is None:
            raise InputError(f"{line.place}: {self._why_missing(line.path)}")
        if line.role != NAMED:
            before = self._lines.setdefault(row, line)
            if before.role != line.role:
                names = {role: name for name, role in SPLITS.items()}
                raise InputError(
                    f"{line.place}: {line.path} is for {names[line.role]}, but it is for "
                    f"{names[before.role]} in {before.place}; it must be for one of them"
                )
        self.roles[row] |= line.role

    def _why_missing(self, path: str) -> str:
        root, classes = self._listing.root, self._listing.classes
        parts = path.split("/")
        if len(parts) < 3:
            return f"{path!r} must be <domain>/<class>/<file>, below {root}"
        if parts[1] not in classes:
            return (
                f"no class {parts[1]!r} in {root / parts[0]}; it has {', '.join(classes)}"
                f"{suggestion(parts[1], classes)}"
            )
        return f"no image {root / path}; every image that is named must be there"


def _text(file: Path) -> list[str]:
    try:
        with reading(file):
            return read_text(file).splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not a text file in UTF-8") from error


def _csv_lines(file: Path) -> Iterator[_Line]:
    reader = csv.DictReader(_text(file))
    missing = [name for name in ("path", "split") if name not in (reader.fieldnames or ())]
    if missing:
        raise InputError(
            f"{file}, line 1: no column {' and '.join(missing)}; the first line must be path,split"
        )
    for row in reader:
        path, split = (row["path"] or "").strip(), (row["split"] or "").strip()
        if split not in SPLITS:
            raise InputError(
                f"{file}, line {reader.line_num}: split is {split!r}, must be one of "
                f"{', '.join(SPLITS)}{suggestion(split, SPLITS)}"
            )
        yield _Line(file, reader.line_num, path, SPLITS[split])


def _list_lines(folder: Path, domains: tuple[str, ...]) -> Iterator[_Line]:
    for domain in domains:
        for pattern, role in LISTS.items():
            file = folder / pattern.format(domain)
            if not file.is_file():
                raise InputError(
                    f"{file}: no such file; the folder must hold, for each domain, "
                    f"{', '.join(name.format('<domain>') for name in LISTS)}"
                )
            for number, text in enumerate(_text(file), start=1):
                if not text.strip():
                    continue
                # The number repeats the class, and is wrong in some copies: folders decide.
                path, _, label = text.strip().rpartition(" ")
                if not path or not label.isdecimal():
                    raise InputError(
                        f"{file}, line {number}: {text.strip()!r} must be a path and a number, as "
                        "in art_painting/dog/pic_001.jpg 1"
                    )
                if path.partition("/")[0] != domain:
                    raise InputError(
                        f"{file}, line {number}: {path} is not of the domain {domain!r}, whose "
                        "list this is"
                    )
                if path.strip() != LEFT_OUT:
                    yield _Line(file, number, path.strip(), role)
