"""How all figures look, and how one is written."""

import sys
import warnings
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names

from alignment.drawing import UNDATED, VECTORS
from alignment.outputs import FIGURE_FORMATS
from nasneurn.analysis.cells import with_settings
from nasneurn.errors import InputError
from nasneurn.files import written_atomically

#: Fonts and lines of all figures; no state of the caller's matplotlib is touched.
STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.92",
    "axes.axisbelow": True,
    "legend.frameon": False,
    # Names come from data: a dollar sign in one begins no formula.
    "text.parse_math": False,
    "text.usetex": False,
}

#: Looked for where DejaVu Sans lacks a letter, as of Chinese, Japanese and Korean.
FURTHER_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Source Han Sans SC",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "IPAGothic", "Droid Sans Fallback",
    "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "PingFang SC", "Hiragino Sans",
    "Apple SD Gothic Neo", "Arial Unicode MS",
)  # fmt: skip

DPI = 150

#: Dots of the longest side of a figure; larger ones are drawn with fewer dots an inch.
LONGEST = 6000

#: What stands for the control in every figure.
NEUTRAL = "0.35"
#: Differences: a gain is blue and a loss is red, in every figure.
GAINS = "vlag_r"
#: What comes later is darker: generations.
ORDER = "crest"
#: Marks of architectures or seeds, in their order.
MARKERS = "osD^vP*X<>hdp"


#: More architectures than these do not get panels and marks of their own.
MANY = 12


def in_panels(rows: pd.DataFrame, settings: Sequence[str] = ()) -> pd.DataFrame:
    """The rows with the ``panel`` that each is drawn in; rows that have it are left as they are.

    Each architecture has its own, or many share one, ``44 architectures``. Where there are several
    settings, each has panels of its own, and is named with its architectures.
    """
    if "panel" in rows:
        return rows
    count = rows["architecture"].nunique()
    panels = rows if count <= MANY else rows.assign(architecture=f"{count} architectures")
    named = with_settings(panels, "architecture", settings)["architecture"]
    return with_settings(rows, "architecture", settings).assign(panel=named)


def level_colours(levels: Sequence[str], control: str = "none") -> dict[str, Any]:
    """A colour for each stem or algorithm that all eyes can tell apart; the control is grey."""
    others = [level for level in levels if level != control]
    name = "colorblind" if len(others) <= 10 else "husl"
    palette = sns.color_palette(name, max(len(others), 1))
    return {control: NEUTRAL} | dict(zip(others, palette, strict=False))


def reach_of(values: Iterable[float]) -> tuple[float, str]:
    """How far a scale of differences reaches to both sides of 0, and which ends go on beyond it.

    A few large values must not pale all others: the scale ends at four times the median of their
    sizes, or where 95% of them do if that is farther, and what lies beyond has the end's colour.

    Returns:
        The end, 1 at least, and what Matplotlib calls ``extend``.

    >>> reach_of([2.0, -3.0, 1.0]), reach_of([2.0, -2.0, 40.0])
    ((3.0, 'neither'), (8.0, 'max'))
    >>> reach_of([0.1] * 90 + [30.0, -40.0] * 5)
    (30.0, 'min')
    """
    found = np.asarray(list(values), float)
    found = found[np.isfinite(found)]
    if not len(found):
        return 1.0, "neither"
    sizes = np.abs(found)
    nearly_all = float(np.quantile(sizes, 0.95, method="lower"))
    reach = max(1.0, min(float(sizes.max()), max(4 * float(np.median(sizes)), nearly_all)))
    beyond = (bool(found.min() < -reach), bool(found.max() > reach))
    names = {(False, False): "neither", (True, False): "min", (False, True): "max"}
    return reach, names.get(beyond, "both")


def draw_legend(
    where: Figure | Axes, handles: Sequence[Artist], names: Sequence[str], **options: Any
) -> None:
    """A legend with these names, also those that begin with an underscore.

    Matplotlib leaves such names out, so they are written once the legend is there. The legend of a
    figure has fewer columns than asked for where it would be wider than the figure, and a figure of
    which it would take more than a third grows by as much.
    """
    labels = [str(number) for number in range(len(names))]
    for columns in range(options.pop("ncols", 1), 0, -1):
        legend = where.legend(handles=handles, labels=labels, ncols=columns, **options)
        for text, name in zip(legend.get_texts(), names, strict=True):
            text.set_text(name)
        width = where.bbox.width if isinstance(where, Figure) else float("inf")
        if columns == 1 or legend.get_window_extent().width <= width:
            break
        legend.remove()
    if isinstance(where, Figure):
        taken = legend.get_window_extent().height / where.dpi
        if taken > where.get_figheight() / 3:
            where.set_figheight(where.get_figheight() + taken)


def marker(number: int) -> str:
    """The mark of the n-th architecture or seed."""
    return MARKERS[number % len(MARKERS)]


def one_panel(panels: Iterable[object], what: str) -> None:
    """See that a figure for the axes of someone else's has one panel.

    Args:
        panels: what has one each.
        what: one of them in words.

    Raises:
        InputError: there are several.
    """
    count = len(list(panels))
    if count > 1:
        raise InputError(
            f"ax is given, but the figure has {count} panels, one for {what}; leave out ax"
        )


def figure_suffix(values: Mapping[str, str]) -> str:
    """What the names of figures end in that are of one setting, as a file may be named.

    >>> figure_suffix({"stem": "neurn:k=5", "target": "mnist+usps"})
    '-neurn_k=5-mnist+usps'
    """
    text = "".join(f"-{value}" for value in values.values())
    return "".join(letter if letter.isalnum() or letter in "-_.=+" else "_" for letter in text)


def free_name(name: str, taken: Container[str]) -> str:
    """The name of a figure, with a number after it if another has it.

    >>> free_name("images-a_b", {"images-a_b"})
    'images-a_b-2'
    """
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


@cache
def fonts() -> list[str]:
    """The fonts of this machine that letters are looked for in, in this order."""
    there = set(get_font_names())
    return ["DejaVu Sans", *(name for name in FURTHER_FONTS if name in there)]


@contextmanager
def glyphs_told() -> Iterator[None]:
    """Say once that a font lacks letters, in place of a warning for each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for one in caught:
        if "missing from font" in str(one.message):
            _tell_missing_letters()
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


@cache
def _tell_missing_letters() -> None:
    print(
        "nasneurn: figures show boxes for letters that no font of this machine has; install one, "
        "such as Noto Sans CJK",
        file=sys.stderr,
    )


def write_figure(draw: Callable[[], Figure], path: Path, figure_format: str = "png") -> Path:
    """Draw in the style of all figures, and write what was drawn.

    Args:
        draw: makes the figure.
        path: the PNG file.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside it. Copies that lie there already
            are written anew too, so that none shows what was.

    Returns:
        ``path``.
    """
    copies = {
        copy for copy in _copies(path) if copy.is_file() or copy.suffix == f".{figure_format}"
    }
    with mpl.rc_context(STYLE | VECTORS | {"font.family": fonts()}), glyphs_told():
        figure = draw()
        dots = min(DPI, LONGEST / max(figure.get_size_inches()))
        for one in (path, *sorted(copies)):
            kind = one.suffix[1:]
            with written_atomically(one) as draft:
                figure.savefig(draft, dpi=dots, format=kind, metadata=UNDATED.get(kind))
    return path


def files_of(path: Path) -> list[Path]:
    """The files that there are of a figure: its PNG, and its vector copies."""
    return [path, *filter(Path.is_file, _copies(path))]


def _copies(path: Path) -> list[Path]:
    return [path.with_suffix(f".{kind}") for kind in FIGURE_FORMATS if kind != "png"]
