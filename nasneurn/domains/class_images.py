"""The images of one class: in its folder, and in the folders below it.

As torchvision's ImageFolder has it, images may lie at any depth, and folders may be links; but a
folder that several links lead to counts once. What is no image by its name is passed over and
counted, so that it can be told.
"""

import os
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nasneurn.domains.decoding import SUFFIXES

#: Why a file was passed over; an ending has its own reason, the ending itself.
HIDDEN, NO_FILE, OUTSIDE = "hidden", "no file", "outside"
#: How these are told, with their number before.
TOLD = {
    HIDDEN: "hidden",
    NO_FILE: "no regular file",
    OUTSIDE: "in no class folder",
}
#: Endings that are told by name.
LISTED = 5


@dataclass
class ClassImages:
    """What lies below one class's folder.

    Attributes:
        images: names (paths below the folder), sizes in bytes and times in nanoseconds, by name.
        folders: the folders below it, as paths below it.
        passed_over: how many files were passed over, by reason.
    """

    images: list[tuple[str, int, int]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)


def is_image_name(name: str) -> bool:
    """Whether a file is read, by its name; such as begin with a dot are systems' own."""
    return name[0] != "." and name.lower().endswith(SUFFIXES)


def images_below(folder: Path) -> ClassImages:
    """Find the images of a class; none is opened.

    Raises:
        OSError: a folder cannot be read.
    """
    found = ClassImages()
    for name, entry in _files(folder, found.folders):
        if not is_image_name(entry.name):
            found.passed_over[_reason(entry.name)] += 1
        elif not entry.is_file():  # a named pipe, or a link to nothing
            found.passed_over[NO_FILE] += 1
        else:
            status = entry.stat()
            found.images.append((name, status.st_size, status.st_mtime_ns))
    found.images.sort()
    found.folders.sort()
    return found


def _files(folder: Path, folders: list[str]) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """All files below a folder, each with its path below that; ``folders`` gets the folders.

    Each folder is entered once, however many links lead to it and in whatever circles. One that
    lies there itself is entered by its own path, and only then what links lead to, in order.
    """
    seen = {_identity(folder)}
    own, linked = [("", str(folder))], deque[tuple[str, str]]()
    while own or linked:
        prefix, path = own.pop() if own else linked.popleft()
        if prefix:
            one = _identity(path)
            if one in seen:
                continue
            seen.add(one)
            folders.append(prefix[:-1])
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if not entry.is_dir():
                    yield prefix + entry.name, entry
                elif entry.name[0] != ".":
                    below = (f"{prefix}{entry.name}/", entry.path)
                    (linked if entry.is_symlink() else own).append(below)


def _identity(folder: Path | str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _reason(name: str) -> str:
    ending = os.path.splitext(name)[1].lower()
    if name[0] == "." and (ending in SUFFIXES or not ending):
        return HIDDEN
    return ending or "no ending"


def outside(folder: Path) -> int:
    """How many images lie in a folder that should hold folders alone."""
    with os.scandir(folder) as entries:
        return sum(is_image_name(entry.name) and not entry.is_dir() for entry in entries)


def passed_over_line(passed_over: Mapping[str, int]) -> str:
    """What was passed over, and why, in one line; empty if nothing.

    >>> passed_over_line({".heic": 3, ".txt": 1, "hidden": 2})
    'passed over 6 files: 4 with endings that are not read (.heic 3, .txt 1), 2 hidden'
    """
    endings = Counter({why: count for why, count in passed_over.items() if why not in TOLD})
    parts = []
    if endings:
        ordered = sorted(endings.items(), key=lambda one: (-one[1], one[0]))
        named = [f"{ending} {count}" for ending, count in ordered[:LISTED]]
        more = ["..."] if len(endings) > LISTED else []
        listed = ", ".join([*named, *more])
        parts.append(f"{endings.total()} with endings that are not read ({listed})")
    parts += [f"{passed_over[why]} {told}" for why, told in TOLD.items() if passed_over.get(why)]
    total = sum(passed_over.values())
    if not total:
        return ""
    return f"passed over {total} file{'s' if total > 1 else ''}: {', '.join(parts)}"
