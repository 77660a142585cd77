"""How all figures look."""

from typing import Any

import seaborn as sns

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
}

DPI = 150

#: What stands for "no stem" in every figure.
NEUTRAL = "0.35"


def stem_colours(stems: list[str]) -> dict[str, Any]:
    """A colour for each stem that all eyes can tell apart; no stem is grey."""
    others = [stem for stem in stems if stem != "none"]
    palette = sns.color_palette("colorblind", max(len(others), 1))
    return {"none": NEUTRAL} | dict(zip(others, palette, strict=False))
