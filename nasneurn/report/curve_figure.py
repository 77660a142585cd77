"""Held-out accuracy over the epochs of each training."""

import textwrap
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alignment.drawing import size_of
from nasneurn.analysis.cells import levels
from nasneurn.report.captions import notes_of, seeds_of
from nasneurn.report.style import draw_legend, in_panels, level_colours, one_panel

#: The width of a panel in inches, and how many letters of its title stand in a line.
PANEL, LETTERS = 2.4, 24
#: More sources than these are not shown.
MOST_SOURCES = 12


def draw_curves(history: pd.DataFrame) -> Figure:
    """Held-out source accuracy over epochs: mean over seeds, and the range of the seeds."""
    seeds = seeds_of(history)
    history = in_panels(history)
    sources = list(dict.fromkeys(history["source"]))
    more = len(sources) - MOST_SOURCES
    sources = sources[:MOST_SOURCES]
    panels = list(dict.fromkeys(history["panel"]))
    found = levels(history)
    colours = level_colours(found)
    figure = Figure(
        figsize=(1.2 + PANEL * max(2, len(sources)), 1.2 + 2.1 * len(panels)),
        layout="constrained",
    )
    axes = figure.subplots(len(panels), len(sources), squeeze=False, sharex=True, sharey="col")
    for i, panel in enumerate(panels):
        for j, source in enumerate(sources):
            chosen = history[(history["panel"] == panel) & (history["source"] == source)]
            _draw(axes[i, j], chosen, colours)
            axes[i, j].set_title(textwrap.fill(f"{panel}, {source}", LETTERS))
        axes[i, 0].set_ylabel("held-out accuracy (%)")
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    handles = [mpl.lines.Line2D([], [], color=colours[level]) for level in found]
    draw_legend(figure, handles, found, loc="outside lower center", ncols=min(5, len(handles)))
    title = f"Held-out source images, {_spread(seeds)}"
    if more > 0:
        title += f"\n{len(sources)} of {len(sources) + more} sources, the first; {more} left out"
    figure.suptitle(title, fontsize=11)
    return figure


def draw_curves_on(history: pd.DataFrame, rows: pd.DataFrame, axis: Axes) -> Axes:
    """The same of a single architecture and source, in axes of someone else's.

    Args:
        history: with the columns of ``history.csv``.
        rows: those of the same trainings in ``accuracy.csv``, for what must be known of them.
        axis: drawn into these.

    Raises:
        InputError: there are several architectures or sources, each a panel.
    """
    seeds = seeds_of(history)
    history = in_panels(history)
    one_panel(history.groupby(["panel", "source"]), "an architecture and source")
    found = levels(history)
    colours = level_colours(found)
    _draw(axis, history, colours)
    axis.set_xlabel("epoch")
    axis.set_ylabel("held-out accuracy (%)")
    axis.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    draw_legend(
        axis, [mpl.lines.Line2D([], [], color=colours[level]) for level in found], found, fontsize=8
    )
    notes = notes_of(rows, size_of(axis)[0])
    title = f"Held-out source images,\n{_spread(seeds)}"
    axis.set_title("\n".join([title, *notes]), fontsize=9)
    return axis


def _spread(seeds: str) -> str:
    return seeds if seeds == "one seed" else f"mean and range of {seeds}"


def _draw(axis: Axes, chosen: pd.DataFrame, colours: dict[str, Any]) -> None:
    for level, rows in chosen.groupby("stem", sort=False):
        # A run that stopped early keeps its best accuracy: that is what it is measured with.
        curves = rows.pivot_table(
            index="epoch", columns=["architecture", "seed"], values="held_out_accuracy"
        )
        curves = 100 * curves.fillna(curves.max()).T.groupby(level="seed").mean().T
        colour = colours[str(level)]
        mark = "o" if len(curves) == 1 else None  # a line of one point cannot be seen
        axis.plot(curves.index, curves.mean(axis=1), color=colour, lw=1.6, marker=mark)
        low, high = curves.min(axis=1), curves.max(axis=1)
        axis.fill_between(curves.index, low, high, color=colour, alpha=0.12, linewidth=0)
