"""A person's own settings of Matplotlib: seen before any work, as figures come at the end."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from io import BytesIO
from pathlib import Path
from typing import Any

from nasneurn.errors import InputError, one_line
from nasneurn.files import read_text, reading, shown

#: Commands that never load Matplotlib.
UNDRAWN = frozenset({"status", "doctor", "data list", "data prepare"})


def with_figure_settings(name: str, command: Callable[..., None]) -> Callable[..., None]:
    """The command, which first sees that Matplotlib can be loaded with this person's settings."""
    if name in UNDRAWN:
        return command

    @wraps(command)
    def seen(*args: Any, **kwargs: Any) -> None:
        check_figure_settings()
        command(*args, **kwargs)

    return seen


def check_figure_settings() -> None:
    """Refuse a file of settings with which Matplotlib, or what loads it, would end in an error.

    A value that is bad by itself does no harm: Matplotlib says so and goes on without it.

    Raises:
        InputError: the file is no text in UTF-8, cannot be read, or cannot be used here.
    """
    path = next(filter(_is_there, _places()), None)
    if path is None or stat.S_ISCHR(path.stat().st_mode):  # /dev/null is a usual way to have none
        return
    told = "mend Matplotlib's settings there, or move the file away"
    try:
        with reading(path):
            read_text(path)
    except UnicodeDecodeError as error:
        raise InputError(f"{shown(path)}: is not text in UTF-8 ({error.reason}); {told}") from None
    try:
        _draw_a_little()
    except Exception as error:  # as of a locale that this machine lacks, or of no such colours
        raise InputError(f"{shown(path)}: cannot be used ({one_line(error)}); {told}") from None


def _draw_a_little() -> None:
    """Some values are taken when they are read, and refused when something is drawn."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1))
    axes = figure.subplots()
    axes.imshow([[0, 1]])
    axes.plot([0, 1], [0, 1], label="1")
    axes.legend(title="1")
    figure.savefig(BytesIO(), format="png", dpi=20)


def _is_there(path: Path) -> bool:
    return os.path.exists(path) and not os.path.isdir(path)


def _places() -> Iterator[Path]:
    """Where Matplotlib looks, in its order, which it documents; the first file is the one."""
    name = "matplotlibrc"
    yield Path(name)
    if named := os.environ.get("MATPLOTLIBRC"):
        yield from (Path(named), Path(named, name))
    if own := os.environ.get("MPLCONFIGDIR"):
        yield Path(own, name)
    elif sys.platform.startswith(("linux", "freebsd")):
        config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        yield Path(config, "matplotlib", name)
    else:
        yield Path(os.path.expanduser("~/.matplotlib"), name)
