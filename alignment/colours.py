"""A colour for each family, the same in every picture and in the page."""

from collections import Counter
from collections.abc import Sequence

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
