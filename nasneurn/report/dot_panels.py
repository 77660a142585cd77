"""Panels of dots with bars: some numbers of each stem, a line for each pair or domain."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasneurn.report.style import draw_legend, level_colours

#: Share of a line's height over which the dots of several stems are spread.
SPREAD = 0.4


def draw_dots(
    panels: Mapping[str, pd.DataFrame], stems: Sequence[str], title: str, columns: int = 3
) -> Figure:
    """Draw panels whose lines are the same.

    Args:
        panels: by what the axis says; columns ``line``, ``stem``, ``mean`` and ``std``, which is
            drawn as a bar to both sides where it is a number. A ``line`` of None is left out.
        stems: in their order.
        title: of the figure.
        columns: panels side by side.
    """
    lines = list(dict.fromkeys(line for one in panels.values() for line in one["line"]))
    rows = -(-len(panels) // columns)
    height = 0.9 + rows * (0.75 + 0.2 * len(lines) + 0.06 * len(stems) * len(lines))
    figure = Figure(figsize=(1.6 + 3.1 * columns, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    colours = level_colours(stems)
    places = {line: -place for place, line in enumerate(lines)}
    for axis, (label, table) in zip(axes, panels.items(), strict=False):
        _draw(axis, table, stems, places, colours)
        axis.set_xlabel(label)
        axis.tick_params(labelbottom=True)
        axis.set_yticks(list(places.values()), list(places))
        axis.set_ylim(-len(lines) + 0.4, 0.6)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    handles = [mpl.lines.Line2D([], [], ls="", marker="o", color=colours[stem]) for stem in stems]
    draw_legend(figure, handles, stems, loc="outside lower center", ncols=min(5, len(handles)))
    figure.suptitle(title, fontsize=11)
    return figure


def _draw(
    axis: Axes,
    table: pd.DataFrame,
    stems: Sequence[str],
    places: Mapping[str, int],
    colours: Mapping[str, object],
) -> None:
    step = SPREAD / max(len(stems) - 1, 1)
    offsets = {stem: SPREAD / 2 - step * place for place, stem in enumerate(stems)}
    if len(stems) == 1:
        offsets = dict.fromkeys(stems, 0.0)
    for stem, own in table[table["stem"].isin(stems)].groupby("stem", sort=False):
        colour = colours[str(stem)]
        heights = [places[line] + offsets[str(stem)] for line in own["line"]]
        spread = own["std"].fillna(0.0).to_numpy(float)
        axis.errorbar(
            own["mean"].to_numpy(float), heights, xerr=spread, fmt="o", ms=4.5, lw=1.2, color=colour
        )
