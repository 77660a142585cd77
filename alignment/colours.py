"""A colour for each family, the same in every picture and in the page, and those of numbers."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

#: Distinct on white and to most colour-blind readers; families beyond them are grey.
PALETTE = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#e68310", "#7f5539",
    "#1b9e77", "#8c6bb1", "#b30059", "#5e7d00", "#003f5c", "#ff9da7",
)  # fmt: skip
OTHER = "#b5b5b5"


def family_colours(families: Sequence[str]) -> dict[str, str]:
    """A colour for each family: in order of appearance, or, of very many, by frequency."""
    order = list(dict.fromkeys(families))
    if len(order) > len(PALETTE):
        # Most frequent first; of equals the one that appears first, which sorting keeps.
        count = Counter(families)
        order = sorted(order, key=lambda family: -count[family])
    colours = dict(zip(order, PALETTE, strict=False))
    return {family: colours.get(family, OTHER) for family in order}


#: Colours at equal steps of the palettes "rocket", which the paper's figure has, and "mako", as
#: seaborn defines them. Seaborn itself would take longer to import than all figures to draw.
_STEPS = {
    "rocket": "03051a 100b23 20122e 30173a 3f1b43 501d4c 611f53 711f57 841e5a 971c5b a8185a ba1656 "
    "cb1b4f d82748 e43841 ec4c3e f06043 f37450 f58860 f59970 f6ab83 f6bc99 f7ccaf f8dcc7 faebdd",
    "mako": "0b0405 160b13 211423 2b1c35 332345 3a2c58 3e356b 413e7d 40498e 3b5698 38629d 366fa0 "
    "357ba3 3486a5 3492a8 359fab 38aaac 3fb6ad 4bc2ad 5bcdad 79d6ae 99ddb6 b2e4c2 caedd4 def5e5",
}


class Scale(NamedTuple):
    """How similarities are coloured: a palette, and the similarities at its ends."""

    palette: str
    low: float
    high: float


#: By the kind of similarity (:data:`alignment.similarity.SIMILARITIES`).
SCALES = {
    "normalized": Scale("mako", 0.0, 1.0),
    "correlation": Scale("rocket", -1.0, 1.0),
    "corrected": Scale("mako", 0.0, 1.0),
}


def palette(name: str) -> "Colormap":
    """A palette of :class:`Scale`, dark to light."""
    from matplotlib.colors import LinearSegmentedColormap

    steps = [f"#{step}" for step in _STEPS[name].split()]
    return LinearSegmentedColormap.from_list(name, steps)
