"""The tree of average linkage as lines, with names at its tips."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alignment.arrays import FloatArray, IntArray
from alignment.colours import OTHER, family_colours
from alignment.drawing import (
    FAINT,
    INK,
    as_written,
    beside,
    new_axes,
    plain_style,
    size_of,
    text_width,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Shown:
    """Whom a figure shows.

    Attributes:
        names: of the architectures.
        families: the same.
        representatives: their places.
        title: the figure's first line.
        options: what was computed, with semicolons between its parts.
    """

    names: Sequence[str]
    families: Sequence[str]
    representatives: frozenset[int]
    title: str
    options: str

    @property
    def marked(self) -> list[str]:
        """The names, those of representatives with a dot."""
        return [
            f"{name} ●" if place in self.representatives else name
            for place, name in enumerate(self.names)
        ]

    def heading(self, width: float, size: float) -> str:
        """The title and the options, in lines no wider than ``width`` inches."""
        return f"{self.title}\n{wrapped(self.options.split('; '), width, size)}"


def leaves_of(tree: FloatArray) -> IntArray:
    """The places of the architectures from one end of the tree to the other."""
    from scipy.cluster.hierarchy import leaves_list

    return np.asarray(leaves_list(tree), np.int64)


def branches_of(tree: FloatArray) -> FloatArray:
    """(N - 1, 4, 2), for each merge four points: a child, its parent's height twice, a child.

    A point is a distance and a place between the first leaf, 0, and the last.
    """
    count = len(tree) + 1
    heights, places = np.zeros(2 * count - 1), np.zeros(2 * count - 1)
    places[leaves_of(tree)] = np.arange(count)
    points = np.zeros((count - 1, 4, 2))
    for row, (left, right, height) in enumerate(tree[:, :3]):
        a, b = int(left), int(right)
        heights[count + row] = height
        places[count + row] = (places[a] + places[b]) / 2
        points[row] = [
            (heights[a], places[a]), (height, places[a]), (height, places[b]),
            (heights[b], places[b]),
        ]  # fmt: skip
    return points


def draw_branches(axes: "Axes", tree: FloatArray, *, width: float = 1.0) -> None:
    """The lines of the tree, the root on the left."""
    from matplotlib.collections import LineCollection

    lines = LineCollection(
        list(branches_of(tree)), colors=INK, linewidths=width, capstyle="projecting"
    )
    lines.set_clip_on(False)
    axes.add_collection(lines)
    axes.set_xlim(max(float(tree[-1, 2]), 1e-9), 0.0)
    axes.set_ylim(len(tree) + 0.5, -0.5)


def family_legend(axes: "Axes", shown: Shown, place: tuple[float, float], note: str = "") -> None:
    """The colours of the families, down from a place in inches from the upper right corner."""
    from matplotlib.lines import Line2D

    colours = family_colours(shown.families)
    entries = [(name, colour) for name, colour in colours.items() if colour != OTHER]
    if OTHER in colours.values():
        entries.append(("other families", OTHER))
    handles = [Line2D([], [], marker="s", linestyle="", color=colour) for _, colour in entries]
    # Named afterwards: a legend leaves out names that begin with an underscore.
    legend = axes.legend(
        handles=handles,
        labels=[" "] * len(handles),
        title=f"family{note}",
        loc="upper left",
        bbox_to_anchor=place,
        bbox_transform=beside(axes, 1, 1),
        borderaxespad=0,
        borderpad=0,
        handlelength=1.0,
        handletextpad=0.5,
        frameon=False,
        fontsize=9,
        title_fontsize=9,
        alignment="left",
    )
    as_written(legend.get_texts())
    for text, (name, _) in zip(legend.get_texts(), entries, strict=True):
        text.set_text(name)


def legend_size(shown: Shown) -> tuple[float, float]:
    """Width and height of :func:`family_legend` in inches."""
    colours = family_colours(shown.families)
    rows = min(len(set(colours.values())), len(colours))
    widest = text_width([*colours, "other families", "● representative"], 9)
    return 0.35 + widest, 0.4 + 0.195 * rows


#: Inches: a row of the tree, its width, from a tip to its name, and an edge.
_ROW, _TREE, _TIP, _EDGE = 0.2, 5.4, 0.22, 0.15


@plain_style()
def draw_tree(
    tree: FloatArray,
    shown: Shown,
    axes: "Axes | None" = None,
    *,
    support: FloatArray | None = None,
) -> "Axes":
    """The tree with the names in its order, each with a square in the colour of its family.

    Args:
        tree: (N - 1, 4), of :func:`alignment.representatives.linkage`.
        shown: the architectures.
        axes: drawn into these; None makes a figure.
        support: (N - 1,), shares that stand at the branches as percentages; NaN is left out.
    """
    names, count = shown.marked, len(shown.names)
    if axes is None:
        aside, legend = legend_size(shown)
        right = _TIP + text_width(names, 9) + 0.25 + aside + _EDGE
        head = shown.heading(_TREE + right - _EDGE, 10)
        top = 0.25 + 0.17 * len(head.splitlines())
        body = max(_ROW * count, legend + 0.2)
        axes = new_axes(0.25 + _TREE + right, 0.6 + body + top, (0.25, 0.6, _TREE, body))
    else:
        head = shown.heading(size_of(axes)[0], 10)
    size = min(9.0, 50 * size_of(axes)[1] / count)
    draw_branches(axes, tree, width=1.1)
    order, colours = leaves_of(tree), family_colours(shown.families)
    axes.scatter(
        [_TIP / 2] * count,
        np.arange(count),
        s=(0.75 * size) ** 2,
        c=[colours[shown.families[leaf]] for leaf in order],
        marker="s",
        linewidths=0,
        clip_on=False,
        transform=beside(axes, 1, 0, up="data"),
    )
    axes.yaxis.tick_right()
    axes.set_yticks(np.arange(count), [names[leaf] for leaf in order], fontsize=size)
    as_written(axes.get_yticklabels())
    axes.tick_params(axis="y", length=0, pad=72 * _TIP)
    axes.tick_params(axis="x", labelsize=8, colors=FAINT)
    axes.set_xlabel("distance (1 - similarity)", fontsize=9, color=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.set_title(head, loc="left", fontsize=10, color=INK)
    far = _TIP + text_width(names, size) + 0.25
    family_legend(axes, shown, (far, 0), "\n(● representative)")
    if support is not None:
        _draw_support(axes, tree, support)
    return axes


def _draw_support(axes: "Axes", tree: FloatArray, support: FloatArray) -> None:
    """Percentages above the branches that lead to each merge but the last."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=1.6, foreground="white")]
    middles = branches_of(tree)[:, 1:3].mean(1)
    for (height, place), share in list(zip(middles, support, strict=True))[:-1]:
        if not np.isnan(share):
            axes.annotate(
                f"{100 * share:.0f}",
                (height, place),
                xytext=(-2, 1.5),
                textcoords="offset points",
                ha="right",
                va="bottom",
                fontsize=6.5,
                color="#a4262c" if share < 0.7 else INK,
                path_effects=halo,
            )
