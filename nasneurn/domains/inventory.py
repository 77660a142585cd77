"""What there is of each suite on this machine: ``nasneurn data list``."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nasneurn.domains import (
    Part,
    Suite,
    builtin,
    digits,
    graded_shifts,
    listing,
    load_suite,
)
from nasneurn.errors import InputError, listed
from nasneurn.paths import data_dir as default_data_dir

PARTS: tuple[Part, ...] = ("train", "test")
#: Classes that are named.
NAMED = 12

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Entry:
    """One domain on this machine.

    Attributes:
        suite, domain: their names.
        train, test: numbers of images; None where they are not known.
        shape: of one image as it is stored: (height, width) or (height, width, 3); None for a
            folder, whose images may differ.
        bytes: the size of its files.
        problem: why it cannot be used, and what to do; None where it can.
        classes: of a folder their names, which are those of its folders.
    """

    suite: str
    domain: str
    train: int | None = None
    test: int | None = None
    shape: tuple[int, ...] | None = None
    bytes: int = 0
    problem: str | None = None
    classes: tuple[str, ...] = ()


def take_inventory(suite: str | None = None, data_dir: Path | None = None) -> list[Entry]:
    """List the domains of one suite, or of all named ones; the files' headers alone are read.

    A missing or malformed domain is an entry with a ``problem``.

    Raises:
        InputError: no such suite or folder.
    """
    if suite is None:
        # The other suites of digits are the same files.
        return [
            *take_inventory(builtin.NAME, data_dir),
            *take_inventory(digits.NAME, data_dir),
            *_syn_if_there(default_data_dir(data_dir)),
        ]
    if suite == builtin.NAME:
        return [_builtin_entry(domain) for domain in builtin.RECIPES]
    if suite in digits.SUITES:
        folder = default_data_dir(data_dir)
        return [_digits_entry(domain, folder) for domain in digits.SUITES[suite]]
    found = load_suite(suite, data_dir=data_dir)
    if found.handle.shifted:
        base = take_inventory(suite.removesuffix(graded_shifts.ENDING), data_dir)
        return [replace(entry, suite=found.name) for entry in base] + _shifted_entries(found, base)
    return _folder_entries(found)


def _builtin_entry(domain: str) -> Entry:
    whole = builtin.read(domain)
    path = builtin.cache_file(domain)
    size = path.stat().st_size if path.exists() else 0
    shape = whole.train.images.shape[1:]
    return Entry(builtin.NAME, domain, len(whole.train), len(whole.test), shape, size)


def _syn_if_there(folder: Path) -> list[Entry]:
    """SYN's entry; nothing where it was never prepared, as most have none."""
    there = any(digits.pack_file(folder, digits.SYN, split).exists() for split in digits.SPLITS)
    return [_digits_entry(digits.SYN, folder)] if there else []


def _digits_entry(domain: str, folder: Path) -> Entry:
    suite = digits.NAME if domain in digits.DOMAINS else f"{digits.NAME}+{domain}"
    paths = [digits.pack_file(folder, domain, split) for split in digits.SPLITS]
    if not all(path.exists() for path in paths):
        return Entry(suite, domain, problem=f"missing: {digits.how_to_prepare(domain)}")
    try:
        train, test = (digits.read_headers(path)["images"].shape for path in paths)
    except InputError as error:
        return Entry(suite, domain, problem=str(error))
    size = sum(path.stat().st_size for path in paths)
    return Entry(suite, domain, train[0], test[0], train[1:], size)


def _shifted_entries(suite: Suite, base: list[Entry]) -> list[Entry]:
    problems = {entry.domain: entry.problem for entry in base}
    entries = []
    for domain in suite.domains[len(base) :]:
        problem = problems[graded_shifts.parse_shifted(domain)[0]]
        if problem is None:
            tested, shape = len(suite.labels(domain, "test")), (suite.size, suite.size, 3)
            entries.append(Entry(suite.name, domain, 0, tested, shape))
        else:
            entries.append(Entry(suite.name, domain, problem=problem))
    return entries


def _folder_entries(suite: Suite) -> list[Entry]:
    entries = []
    for domain, files in listing.scan(Path(suite.handle.suite)).domains.items():
        train, test = (len(suite.labels(domain, part)) for part in PARTS)
        size = int(files.bytes.sum())
        entries.append(Entry(suite.name, domain, train, test, None, size, classes=suite.classes))
    return entries


def print_inventory(entries: list[Entry], *, as_json: bool = False) -> None:
    """Print the entries on stdout: a table for people, or a JSON list for programs."""
    if as_json:
        print(json.dumps([asdict(entry) for entry in entries], indent=2))
        return
    from nasneurn.progress import plain_console

    plain_console().print(as_table(entries))
    for suite, classes in {entry.suite: entry.classes for entry in entries}.items():
        if classes:
            print(f"{suite}: {len(classes)} classes: {listed(classes, NAMED)}")
    for entry in entries:
        if entry.problem is not None:
            print(f"{entry.suite} {entry.domain}: {entry.problem}")


def as_table(entries: list[Entry]) -> "Table":
    """Lay the entries out for people."""
    from rich.filesize import decimal
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column, side in (
        ("suite", "left"),
        ("domain", "left"),
        ("train", "right"),
        ("test", "right"),
        ("image", "left"),
        ("files", "right"),
    ):
        table.add_column(column, justify="right" if side == "right" else "left", no_wrap=True)
    for entry in entries:
        cells = [entry.suite, entry.domain]
        if entry.train is not None and entry.test is not None:
            shape = " x ".join(map(str, entry.shape)) if entry.shape else "various"
            cells += [f"{entry.train:,}", f"{entry.test:,}", shape, decimal(entry.bytes)]
        else:
            cells += ["-", "-", "-", "-"]
        table.add_row(*cells)
    return table
