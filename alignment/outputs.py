"""Result files: whole or absent, and naming the options that they were computed with."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alignment.drafts import draft_of
from alignment.errors import WRONG_TAGS, AlignmentError
from alignment.regular_files import opened, place_of

#: How figures are written: as PNG alone, or with a vector copy beside each.
FIGURE_FORMATS = ("png", "pdf", "svg")

#: What each figure of the folder shows, a line each.
CAPTIONS_FILE = "captions.txt"

#: The figures that an alignment may write.
FIGURES = ("heatmap", "tree", "silhouette", "map", "published", "published_as_they_are")

#: What an alignment may write into its folder, and so may take away from it.
FILES = (
    "scores.csv",
    "similarity.csv",
    "tokens.csv",
    "representatives.csv",
    "nearest.csv",
    "null.csv",
    "settings.csv",
    "silhouette.csv",
    "map.html",
    "published.csv",
    "published_rule.csv",
    "fidelity.csv",
    CAPTIONS_FILE,
    *(f"{figure}.{kind}" for figure in FIGURES for kind in FIGURE_FORMATS),
)

#: The file that says what an alignment was made with, and the kind that it names.
CONFIG, KIND = "config.yaml", "align"


def prepare_folder(folder: Path) -> None:
    """Make ``folder``, and find out now, not after the work, whether it can be written.

    Raises:
        AlignmentError: it cannot; or it holds results of another kind.
    """
    probe = draft_of(folder / "probe")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"\0")  # an empty file has room on a full disk
    except OSError as error:
        raise AlignmentError(
            f"{folder}: cannot be written ({error.strerror or error}); choose another --out"
        ) from error
    finally:
        with suppress(OSError):
            probe.unlink()
    if (folder / CONFIG).exists() and (kind := _kind(folder / CONFIG)) != KIND:
        raise AlignmentError(
            f"{folder}: its {CONFIG} is of kind {kind}, not {KIND}; choose another --out"
        )


def check_own(folder: Path) -> None:
    """Refuse a folder with files of others, which an alignment would write over or take away.

    Raises:
        AlignmentError: there are such, and no configuration of an alignment.
    """
    others = [name for name in FILES if (folder / name).exists()]
    if others and not (folder / CONFIG).exists():
        raise AlignmentError(
            f"{folder}: holds {others[0]}, which no alignment wrote; choose another --out"
        )


def _kind(config: Path) -> object:
    try:
        with opened(config) as file:
            return config_of(file.read()).get("kind", "unknown")
    except OSError:
        return "unknown"


def config_of(text: bytes) -> dict[str, Any]:
    """What a configuration holds, by name; nothing if it cannot be read."""
    import yaml

    try:
        content = yaml.safe_load(text.decode("utf-8"))
    except (ValueError, RecursionError, *WRONG_TAGS, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def remove_others(folder: Path, kept: Iterable[Path]) -> None:
    """Remove what an alignment may write from ``folder``, but for ``kept``; nothing else.

    Raises:
        AlignmentError: a file cannot be removed.
    """
    names = {path.name for path in kept}
    for name in (CONFIG, *FILES):
        if name not in names:
            try:
                (folder / name).unlink(missing_ok=True)
            except OSError as error:
                raise AlignmentError(
                    f"{folder / name}: cannot be removed ({error.strerror or error})"
                ) from error


def write_config(folder: Path, content: Mapping[str, object]) -> Path:
    """Write ``content`` as YAML, with the kind before it.

    Raises:
        AlignmentError: it cannot be written.
    """
    path, text = folder / CONFIG, config_text(content)
    write_with(path, lambda draft: draft.write_bytes(text))
    return path


def config_text(content: Mapping[str, object]) -> bytes:
    """A configuration as it stands in its file."""
    import yaml

    text: str = yaml.safe_dump({"kind": KIND, **content}, sort_keys=False, allow_unicode=True)
    return text.encode("utf-8")


def write_with(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file beside ``path``, and put it in the place of ``path``.

    A link stays, and the file that it leads to is written.

    Raises:
        AlignmentError: the file cannot be written.
    """
    draft: Path | None = None
    try:
        place = place_of(path)
        draft = draft_of(place.with_name(path.name))
        write(draft)
        draft.replace(place)
    except OSError as error:
        raise AlignmentError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        if draft is not None:
            with suppress(OSError):
                draft.unlink()


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    write_with(path, lambda draft: draft.write_text(text.getvalue(), encoding="utf-8"))


def write_matrix(
    path: Path, title: str, names: Sequence[str], matrix: npt.NDArray[np.generic]
) -> None:
    """Write a square matrix with names on both axes; ``title`` is the cell in its corner."""
    form = str if np.issubdtype(matrix.dtype, np.integer) else "{:.6f}".format
    rows = ([name, *map(form, row)] for name, row in zip(names, matrix.tolist(), strict=True))
    write_table(path, [title, *names], rows)
