"""Where files lie on this machine: the cache of derived files and the folder of prepared data."""

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """Folder of derived files: ``$NASNEURN_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("NASNEURN_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("nasneurn"))


def data_dir(chosen: Path | None = None) -> Path:
    """Folder of prepared data: ``chosen``, else ``$NASNEURN_DATA``, else one in the cache."""
    if chosen is not None:
        return chosen
    named = os.environ.get("NASNEURN_DATA")
    return Path(named) if named else cache_dir() / "data"
