"""Where files lie on this machine: the cache of derived files and the folder of prepared data."""

import os
import stat
import tempfile
from functools import cache
from pathlib import Path

import platformdirs

from nasneurn.errors import InputError
from nasneurn.files import check_folder_target


def cache_dir() -> Path:
    """Folder of derived files: ``$NASNEURN_CACHE``, else the user's cache folder.

    A user without a home folder has one among the temporary files.
    """
    chosen = os.environ.get("NASNEURN_CACHE")
    if chosen:
        return Path(chosen)
    try:
        usual = Path(platformdirs.user_cache_dir("nasneurn"))
    except (RuntimeError, KeyError):  # as in a container whose user has no entry, and no HOME
        return _temporary(tempfile.gettempdir())
    # Some versions leave "~" as it is, which would be a folder of this name where the command runs.
    return usual if usual.is_absolute() else _temporary(tempfile.gettempdir())


@cache
def _temporary(parent: str) -> Path:
    """A folder of this user alone: in one that others made, they could place files for us."""
    owner = os.geteuid() if hasattr(os, "geteuid") else "user"
    folder = Path(parent) / f"nasneurn-{owner}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and (found.st_uid == owner or owner == "user"):
            return folder
    except OSError:  # a cache that cannot be written only costs time
        pass
    return Path(tempfile.mkdtemp(prefix="nasneurn-", dir=parent))


def lend_caches() -> None:
    """Give libraries a place for what they keep, where the user's home cannot be written.

    Without a home folder some make a folder ``~`` where the command runs, and others raise. For
    this process and those that it starts; what a person has set stays.
    """
    home = Path(os.path.expanduser("~"))
    if home.is_absolute() and _can_be_made(home / ".cache"):
        return
    try:
        lent = _temporary(tempfile.gettempdir())
    except OSError:  # there is no place for temporary files either
        return
    if not home.is_absolute():
        os.environ["HOME"] = str(lent)
    for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
        os.environ.setdefault(name, str(lent))


def _can_be_made(folder: Path) -> bool:
    """Whether a folder is there, or could be made, and written."""
    try:
        check_folder_target(folder)
    except InputError:
        return False
    return True


def data_dir(chosen: Path | None = None) -> Path:
    """Folder of prepared data: ``chosen``, else ``$NASNEURN_DATA``, else one in the cache."""
    if chosen is not None:
        return chosen
    named = os.environ.get("NASNEURN_DATA")
    return Path(named) if named else cache_dir() / "data"
