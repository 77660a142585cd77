"""The figures of a folder as files, whole or absent: as PNG, as vectors, and what each shows."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from alignment.drawing import save
from alignment.outputs import CAPTIONS_FILE, FIGURE_FORMATS, write_with

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What each figure shows, in a sentence, in the order in which they are shown.
CAPTIONS = {
    "heatmap": "Similarities of all pairs of architectures; names of representatives are marked.",
    "map": "Architectures on a plane, near each other if alike; circles are representatives.",
    "published": "The published similarities, those of this alignment, and the difference.",
    "published_as_they_are": "The published similarities, those of this alignment with all "
    "networks as their libraries have them, and the difference.",
    "tree": "The tree of average linkage: the further left two meet, the less alike they are.",
    "silhouette": "How well the architectures fall into so many groups; the line is the number "
    "that was chosen.",
}


def write_picture(axes: "Axes", path: Path, figure_format: str = "png") -> list[Path]:
    """Write the figure of ``axes`` as PNG, and a vector copy beside it if one is asked for.

    Args:
        axes: of the figure.
        path: the PNG file.
        figure_format: of :data:`alignment.outputs.FIGURE_FORMATS`; ``png`` is no copy.

    Returns:
        The files, the PNG first.

    Raises:
        AlignmentError: a file cannot be written.
    """
    paths = [path.with_name(name) for name in _with_copy(path.name, figure_format)]
    for one in paths:
        write_with(one, partial(save, axes, format=one.suffix[1:]))
    return paths


def _with_copy(name: str, figure_format: str) -> list[str]:
    """A file, and after a PNG its vector copy, if one is asked for."""
    stem, _, kind = name.rpartition(".")
    return [name, f"{stem}.{figure_format}"] if kind == "png" != figure_format else [name]


def as_asked(names: Iterable[object], figure_format: str) -> list[str]:
    """The figures among ``names`` in the format that is asked for; nothing if a file is missing.

    >>> as_asked(["map.png", "map.html", "map.pdf"], "png")
    ['map.png', 'map.html']
    >>> as_asked(["map.png", "map.html", "map.pdf"], "svg")
    []
    """
    given = [str(name) for name in names]
    copies = tuple(f".{one}" for one in FIGURE_FORMATS if one != "png")
    once = [name for name in given if not name.endswith(copies)]
    wanted = [one for name in once for one in _with_copy(name, figure_format)]
    return wanted if set(wanted) <= set(given) else []


def write_captions(folder: Path) -> list[Path]:
    """Write what each figure of a folder shows, a line each: the file and the sentence.

    Returns:
        The file; nothing where there is no figure.

    Raises:
        AlignmentError: it cannot be written.
    """
    there = [name for name in CAPTIONS if (folder / f"{name}.png").is_file()]
    if not there:
        return []
    path, text = folder / CAPTIONS_FILE, "".join(f"{one}.png: {CAPTIONS[one]}\n" for one in there)
    write_with(path, lambda draft: draft.write_text(text, encoding="utf-8"))
    return [path]
