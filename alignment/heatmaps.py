"""Similarities of all pairs as colours, beside them the tree, the families and a scale."""

from typing import TYPE_CHECKING

import numpy as np

from alignment.arrays import FloatArray
from alignment.colours import SCALES, family_colours, palette
from alignment.dendrograms import Shown, draw_branches, family_legend, leaves_of, legend_size
from alignment.drawing import (
    INK,
    as_written,
    beside,
    new_axes,
    plain_style,
    size_of,
    text_width,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

#: Inches: the strip of families, the gap beside it, the tree, and an edge.
_STRIP, _GAP, _TREE, _EDGE = 0.13, 0.05, 1.0, 0.15

#: Inches of a cell where there are few, and where there are very many; and of all cells at least.
_WIDEST, _NARROWEST, _LEAST = 0.205, 0.125, 2.6

#: What stands above the scale.
_SCALE_TITLES = {
    "normalized": "similarity",
    "correlation": "correlation",
    "corrected": "similarity,\ncorrected",
}

#: Points of the names at most, and the size from which on they can be read.
_LARGEST, _LEGIBLE = 8.5, 3.5


@plain_style()
def draw_heatmap(
    similarity: FloatArray,
    shown: Shown,
    kind: str,
    axes: "Axes | None" = None,
    *,
    tree: FloatArray | None = None,
) -> "Axes":
    """Similarities of all pairs, from the upper left corner on.

    Args:
        similarity: (N, N).
        shown: the architectures.
        kind: of :data:`alignment.colours.SCALES`.
        axes: drawn into these, with the tree and the rest around them; None makes a figure.
        tree: (N - 1, 4), of :func:`alignment.representatives.linkage`; rows are in its order, and
            it stands beside them. None leaves them in theirs.
    """
    count = len(similarity)
    if axes is None:
        axes = _own_axes(count, shown, with_tree=tree is not None)
    order = np.arange(count) if tree is None else leaves_of(tree)
    cell = min(size_of(axes)) / count
    scale = SCALES[kind]
    image = axes.imshow(
        similarity[np.ix_(order, order)], palette(scale.palette), vmin=scale.low, vmax=scale.high,
        interpolation="nearest",
    )  # fmt: skip
    axes.spines[:].set_visible(False)
    if cell > 0.13:
        _draw_grid(axes, count)
    size = min(_LARGEST, 50 * cell)
    names = [shown.marked[place] for place in order] if size >= _LEGIBLE else []
    axes.yaxis.tick_right()
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    as_written([*axes.get_xticklabels(), *axes.get_yticklabels()])
    axes.tick_params(length=0, pad=3, colors=INK)
    colours = family_colours(shown.families)
    _draw_families(axes, [colours[shown.families[place]] for place in order])
    if tree is not None:
        _draw_tree(axes, tree)
    far = 0.2 + text_width(names, size)
    _draw_scale(axes, image, far, kind)
    family_legend(
        axes, shown, (far, -_scale_height(size_of(axes)[1]) - 0.55), "\n(● representative)"
    )
    aside = far + legend_size(shown)[0]
    axes.set_title(
        shown.heading(size_of(axes)[0] + aside, 11), loc="left", fontsize=11, color=INK,
        pad=72 * (_STRIP + _GAP) + 7,
    )  # fmt: skip
    return axes


def _own_axes(count: int, shown: Shown, *, with_tree: bool) -> "Axes":
    cell = min(_WIDEST, max(_NARROWEST, 10 / count))
    side = max(_LEAST, cell * count)
    names = text_width(shown.marked, min(_LARGEST, 50 * side / count))
    aside, legend = legend_size(shown)
    right = names + 0.2 + max(aside, 0.9) + _EDGE
    left = _EDGE + _STRIP + _GAP + (_GAP + _TREE if with_tree else 0)
    lines = len(shown.heading(side + right - _EDGE, 11).splitlines())
    top = _STRIP + _GAP + 0.25 + 0.185 * lines
    below = max(names + 0.1, _scale_height(side) + 0.55 + legend - side) + _EDGE
    return new_axes(left + side + right, below + side + top, (left, below, side, side))


def _scale_height(side: float) -> float:
    return min(2.0, 0.4 * side)


def _draw_grid(axes: "Axes", count: int) -> None:
    """White lines between the cells."""
    from matplotlib.collections import LineCollection

    ends = (-0.5, count - 0.5)
    between = np.arange(1, count) - 0.5
    lines = [[(at, ends[0]), (at, ends[1])] for at in between]
    lines += [[(ends[0], at), (ends[1], at)] for at in between]
    axes.add_collection(LineCollection(lines, colors="white", linewidths=0.3))


def _draw_families(axes: "Axes", colours: list[str]) -> None:
    """A strip with the colour of each row's family on the left, and of each column's above."""
    from matplotlib.colors import to_rgb

    strip = np.array([to_rgb(colour) for colour in colours])
    left = axes.inset_axes(
        (-_GAP - _STRIP, 0, _STRIP, 1), transform=beside(axes, 0, 0, up="shares")
    )
    above = axes.inset_axes((0, _GAP, 1, _STRIP), transform=beside(axes, 0, 1, across="shares"))
    left.imshow(strip[:, None], aspect="auto", interpolation="nearest")
    above.imshow(strip[None], aspect="auto", interpolation="nearest")
    for inset in (left, above):
        inset.set_axis_off()


def _draw_tree(axes: "Axes", tree: FloatArray) -> None:
    place = (-2 * _GAP - _STRIP - _TREE, 0, _TREE, 1)
    inset = axes.inset_axes(place, transform=beside(axes, 0, 0, up="shares"))
    draw_branches(inset, tree, width=0.9)
    inset.set_axis_off()


def _draw_scale(axes: "Axes", image: "AxesImage", far: float, kind: str) -> None:
    """The colours and their similarities, ``far`` inches to the right."""
    height = _scale_height(size_of(axes)[1])
    inset = axes.inset_axes((far, -height - 0.25, 0.16, height), transform=beside(axes, 1, 1))
    bar = image.figure.colorbar(image, cax=inset)
    bar.outline.set_visible(False)
    inset.tick_params(labelsize=8, colors=INK)
    inset.set_title(_SCALE_TITLES[kind], loc="left", fontsize=9, color=INK, pad=7)
