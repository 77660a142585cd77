"""Suites of domains that share classes: built in, real digits, or a folder of images.

>>> from nasneurn.domains import hold_out, load_suite
>>> suite = load_suite("builtin")
>>> suite.domains
('optdigits', 'optdigits-m', 'print', 'street')
>>> fit, held_out = hold_out(suite.load("optdigits").train)
>>> fit.images.shape, held_out.images.shape
((1101, 32, 32, 3), (196, 32, 32, 3))
"""

from collections.abc import Hashable
from pathlib import Path

from nasneurn.domains import builtin, digits, folders
from nasneurn.domains.suite import Domain, Split, Suite, hold_out, subsample
from nasneurn.errors import InputError
from nasneurn.paths import cache_dir
from nasneurn.paths import data_dir as default_data_dir

__all__ = ["SUITES", "Domain", "Split", "Suite", "hold_out", "load_suite", "subsample"]

#: The suites that have a name; any other is a folder.
SUITES = (builtin.NAME, digits.NAME)
SIZES = range(8, 1025)

#: The suite of each request, with the state of the files it was made from.
_suites: dict[Hashable, tuple[Hashable, Suite]] = {}


def load_suite(
    name_or_folder: str | Path, *, data_dir: Path | None = None, size: int | None = None
) -> Suite:
    """Find a suite; its domains are read when they are asked for, once in a process.

    Args:
        name_or_folder: "builtin"; "digits"; or a folder ``ROOT/<domain>/<class>/<image files>``.
        data_dir: the folder of the npz files of "digits"; by default ``$NASNEURN_DATA``, else
            one in the cache.
        size: side of the images in pixels; by default 32, and 224 for a folder.

    Raises:
        InputError: no such suite or folder, a malformed folder, or a size out of range.
    """
    if size is not None and size not in SIZES:
        raise InputError(
            f"size {size} is out of range; it must be {SIZES[0]} to {SIZES[-1]} pixels"
        )
    request: Hashable
    state: Hashable
    if name_or_folder == builtin.NAME:
        found = builtin.suite(size or builtin.SIZE)
        request, state = (builtin.NAME, cache_dir(), found.size), builtin.RECIPE_VERSION
    elif name_or_folder == digits.NAME:
        folder = default_data_dir(data_dir).resolve()
        found = digits.suite(folder, size or digits.SIZE)
        request, state = (digits.NAME, folder, found.size), digits.fingerprint(folder)
    elif Path(name_or_folder).is_dir():
        root = Path(name_or_folder)
        tree = folders.scan(root)
        found = folders.suite(tree, size or folders.SIZE)
        request = ("folder", root.resolve(), cache_dir(), found.size)
        state = tuple(tree.domains.items())
    else:
        raise InputError(
            f"no suite {str(name_or_folder)!r}; it must be {' or '.join(SUITES)}, or an existing "
            "folder that holds <domain>/<class>/<image files>"
        )
    # A request whose files have not changed gets the suite that has them in memory already.
    if request not in _suites or _suites[request][0] != state:
        _suites[request] = (state, found)
    return _suites[request][1]
