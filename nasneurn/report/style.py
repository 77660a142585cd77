"""How all figures look, and how one is written."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

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

DPI = 150

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


def pooled(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, with many architectures taken together as one, ``44 architectures``."""
    count = rows["architecture"].nunique()
    return rows if count <= MANY else rows.assign(architecture=f"{count} architectures")


def level_colours(levels: Sequence[str], control: str = "none") -> dict[str, Any]:
    """A colour for each stem or algorithm that all eyes can tell apart; the control is grey."""
    others = [level for level in levels if level != control]
    name = "colorblind" if len(others) <= 10 else "husl"
    palette = sns.color_palette(name, max(len(others), 1))
    return {control: NEUTRAL} | dict(zip(others, palette, strict=False))


def marker(number: int) -> str:
    """The mark of the n-th architecture or seed."""
    return MARKERS[number % len(MARKERS)]


def write_figure(draw: Callable[[], Figure], path: Path) -> Path:
    """Draw in the style of all figures, and write what was drawn."""
    with mpl.rc_context(STYLE), written_atomically(path) as draft:
        draw().savefig(draft, dpi=DPI)
    return path
