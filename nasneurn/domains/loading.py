"""Finding a suite by its name or folder, in this process and, by a handle, in others."""

import sys
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path

from nasneurn.domains import builtin, digits, folders, graded_shifts, listing, split_files
from nasneurn.domains.class_images import passed_over_line
from nasneurn.domains.file_hashes import content_digest
from nasneurn.domains.suite import Suite
from nasneurn.errors import InputError
from nasneurn.files import real
from nasneurn.paths import cache_dir
from nasneurn.paths import data_dir as default_data_dir

#: The suites that have a name; any other is a folder.
SUITES = (builtin.NAME, *digits.SUITES)
SIZES = range(8, 1025)

#: The suite of each request, with the state of the files it was made from.
_suites: dict[Hashable, tuple[Hashable, Suite]] = {}
#: The listing of each folder, with the times of its folders.
_listings: dict[Path, tuple[Hashable, listing.Listing]] = {}
#: The suites of folders that this process knows, by their handles and the cache in use.
_opened: dict[tuple["SuiteHandle", Path], Suite] = {}


@dataclass(frozen=True)
class SuiteHandle:
    """A suite as a small value that another process can open.

    Attributes:
        suite: "builtin", "digits", or the folder's absolute path.
        data_dir: the folder of the files of "digits".
        size: side of the images.
        splits: the absolute path of the split file, or of the folder of lists.
        state: of a folder, a digest of its listing and of what the split file says of it.
        listing: of a folder, the digest by which the cache has its listing.
        shifted: whether its domains under shifts are there too.
    """

    suite: str
    data_dir: Path | None
    size: int
    splits: Path | None = None
    state: str = ""
    listing: str = ""
    shifted: bool = False

    def open(self) -> Suite:
        """The suite, once in a process; a folder is scanned only where the cache has no listing.

        Raises:
            InputError: the folder's files are no longer those that the handle was made for.
        """
        if self.shifted:
            return graded_shifts.with_shifts(replace(self, shifted=False).open())
        if not self.state:
            return load_suite(self.suite, data_dir=self.data_dir, size=self.size)
        if (self, cache_dir()) not in _opened:
            root = Path(self.suite)
            files = listing.kept(root, self.listing) or listing.scan(root)
            if _folder(files, self.size, self.splits).handle != self:
                raise InputError(
                    f"{root}: its files or its split file have changed since the run began; "
                    "start it again"
                )
        return _opened[self, cache_dir()]


def load_suite(
    name_or_folder: str | Path,
    *,
    data_dir: Path | None = None,
    size: int | None = None,
    splits: Path | None = None,
) -> Suite:
    """Find a suite; the parts of its domains are read when they are asked for, once in a process.

    A folder is scanned once in a process, and again when an image was added, removed or renamed;
    an image that was written over is seen by the next process.

    Args:
        name_or_folder: "builtin"; "digits", or "digits-resized", in which MNIST is stretched to
            size and not padded, both also with ``+syn``, which adds the domain SYN; or a folder
            ``ROOT/<domain>/<class>/<image files>``. With ``+shifts`` after it, its test images
            under shifts are further domains (:mod:`nasneurn.domains.graded_shifts`).
        data_dir: the folder of the npz files of "digits"; by default ``$NASNEURN_DATA``, else
            one in the cache.
        size: side of the images in pixels; by default 32, and 224 for a folder.
        splits: of a folder, a CSV file with the columns path and split, or a folder of the lists
            that are published with PACS; by default a fifth of each class is for the test.

    Raises:
        InputError: no such suite or folder, a malformed folder or split file, or a size out of
            range.
    """
    if size is not None and size not in SIZES:
        raise InputError(
            f"size {size} is out of range; it must be {SIZES[0]} to {SIZES[-1]} pixels"
        )
    base = str(name_or_folder).removesuffix(graded_shifts.ENDING)
    if base != str(name_or_folder) and not Path(name_or_folder).is_dir():
        return graded_shifts.with_shifts(
            load_suite(base, data_dir=data_dir, size=size, splits=splits)
        )
    if name_or_folder in SUITES:
        if splits is not None:
            raise InputError(
                f"split files are of folders of images; the suite {name_or_folder!r} has its own "
                "train and test"
            )
        return _named(str(name_or_folder), data_dir, size)
    root = Path(name_or_folder)
    if not str(name_or_folder) or not root.is_dir():
        raise InputError(
            f"no suite {str(name_or_folder)!r}; it must be {', '.join(SUITES)}, or an existing "
            "folder that holds <domain>/<class>/<image files>"
        )
    root, splits, size = real(root), splits and real(splits), size or folders.SIZE
    _check_stored(root)
    if splits is not None:
        _check_stored(splits)
    files = _listed(root)
    request = (root, cache_dir(), size, splits)
    state = (files.digest, splits and split_files.fingerprint(splits))
    if request not in _suites or _suites[request][0] != state:
        listing.keep(files)
        _suites[request] = (state, _folder(files, size, splits))
    return _suites[request][1]


def _check_stored(path: Path) -> None:
    """Refuse a path that a configuration could not hold."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"{str(path)!a}: is not text in UTF-8; rename it") from None


def _listed(root: Path) -> listing.Listing:
    known = _listings.get(root)
    if known is not None and known[0] == listing.folder_times(root, known[1].nested):
        return known[1]
    times = listing.folder_times(root)
    files = listing.scan(root)
    below = listing.folder_times(root, files.nested)[len(times) :]
    _listings[root] = (times + below, files)
    if files.passed_over:
        print(f"nasneurn: {root}: {passed_over_line(files.passed_over)}", file=sys.stderr)
    return files


def _named(name: str, data_dir: Path | None, size: int | None) -> Suite:
    request: Hashable
    state: Hashable
    reader: builtin.BuiltinReader | digits.DigitsReader
    if name == builtin.NAME:
        handle = SuiteHandle(name, None, size or builtin.SIZE)
        request, state = (handle, cache_dir()), builtin.RECIPE_VERSION
        reader, kind = builtin.BuiltinReader(handle.size), (builtin.CLASSES, tuple(builtin.RECIPES))
    else:
        folder = real(default_data_dir(data_dir))
        handle = SuiteHandle(name, folder, size or digits.SIZE)
        request, state = (handle, cache_dir()), digits.fingerprint(folder)
        reader = digits.DigitsReader(folder, handle.size, padded=digits.is_padded(name))
        kind = (digits.CLASSES, digits.SUITES[name])
    # A request whose files have not changed gets the suite that has them in memory already.
    if request not in _suites or _suites[request][0] != state:
        _suites[request] = (state, Suite(name, *kind, handle.size, handle, reader))
    return _suites[request][1]


def _folder(files: listing.Listing, size: int, splits: Path | None) -> Suite:
    roles = None if splits is None else split_files.read_roles(splits, files)
    state = content_digest([files.digest], *(roles or {}).values())
    handle = SuiteHandle(str(files.root), None, size, splits, state, files.digest)
    reader = folders.FolderReader(files, size, roles)
    suite = Suite(files.root.name, files.classes, tuple(files.domains), size, handle, reader)
    return _opened.setdefault((handle, cache_dir()), suite)
