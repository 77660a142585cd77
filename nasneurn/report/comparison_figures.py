"""Figures of what each stem adds; rows with gaps are drawn with them."""

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alignment.drawing import size_of
from nasneurn.analysis.cells import CASE, NO_STEM, cross_domain, levels, mean_over
from nasneurn.analysis.comparisons import compare, differences
from nasneurn.report.captions import in_lines, notes_of, randomness, seeds_of
from nasneurn.report.style import (
    GAINS,
    MANY,
    NEUTRAL,
    draw_legend,
    in_panels,
    level_colours,
    marker,
    one_panel,
    reach_of,
)
from nasneurn.rows import sources

#: What a pair is.
PAIR = ("source", "target")
#: Share of a row's height over which the marks of several stems are spread.
SPREAD = 0.6
#: Panels side by side.
COLUMNS = 4
#: Letters in a line of a panel's title.
LETTERS = 38
#: More pairs of domains than these are not shown: those with the most extreme differences are.
MOST_PAIRS = 40
#: The same of architectures, where each has a line.
MOST_ARCHITECTURES = 60


def extremes(values: "pd.Series[float]", most: int) -> tuple[list[Any], str]:
    """Those with the greatest and the least values, in their order, and how many are left out.

    >>> extremes(pd.Series({"a": 0.1, "b": 3.0, "c": -2.0}), 2)
    (['b', 'c'], '2 of 3, those with the greatest and the least means; 1 left out')
    """
    if len(values) <= most:
        return list(values.index), ""
    ordered = values.fillna(0.0).sort_values(kind="stable")
    chosen = {*ordered.index[: most // 2], *ordered.index[len(ordered) - (most - most // 2) :]}
    told = (
        f"{most} of {len(values)}, those with the greatest and the least means; "
        f"{len(values) - most} left out"
    )
    return [one for one in values.index if one in chosen], told


def _of_pairs(table: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    chosen = set(pairs)
    there = [pair in chosen for pair in zip(table["source"], table["target"], strict=True)]
    return table[there]


def _shown_pairs(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows of the pairs that are shown, and which these are where some are left out."""
    pairs = _pairs(rows)
    if len(pairs) <= MOST_PAIRS:
        return rows, ""
    paired = differences(cross_domain(rows))
    means = mean_over(paired, ["source", "target"], "difference")
    chosen, told = extremes(means.reindex(pd.MultiIndex.from_tuples(pairs)), MOST_PAIRS)
    return _of_pairs(rows, chosen), f"pairs: {told}"


def _pairs(rows: pd.DataFrame) -> list[tuple[str, str]]:
    across = cross_domain(rows)
    return list(dict.fromkeys(zip(across["source"], across["target"], strict=True)))


def _arrows(rows: pd.DataFrame) -> list[str]:
    """The pairs in words; all other domains as one source are ``others``."""
    pairs = _pairs(rows)
    domains = {domain for pair in pairs for one in pair for domain in sources(one)}
    arrows = []
    for source, target in pairs:
        learned = sources(source)
        left_out = len(learned) > 1 and {*learned, target} == domains
        arrows.append(f"{'others' if left_out else source} → {target}")
    return arrows


def draw_overall(rows: pd.DataFrame) -> Figure:
    """What each adds across domains: each architecture, and all together with intervals."""
    across = cross_domain(rows)
    table = compare(across)
    whole = table.set_index("stem").sort_values("difference")
    each = compare(across, by=("architecture",))
    colours = level_colours(levels(rows))
    names = list(dict.fromkeys(each["architecture"]))
    figure = Figure(figsize=(7.5, 1.5 + 0.62 * len(whole)), layout="constrained")
    axis = figure.subplots()
    for place, (level, row) in enumerate(whole.iterrows()):
        colour = colours[str(level)]
        if row["random"]:
            axis.plot([100 * row["low"], 100 * row["high"]], [place] * 2, lw=3, c=colour)
        axis.plot(100 * row["difference"], place, "|", ms=20, mew=3, c=colour)
        own = each[each["stem"] == level].set_index("architecture")
        for name, value in own["difference"].items():
            shape = marker(names.index(str(name))) if len(names) <= MANY else "o"
            axis.plot(100 * value, place + 0.27, shape, ms=5, c=colour, alpha=0.75)
    marks = names if len(names) <= MANY else [f"one of {len(names)} architectures"]
    handles: list[Any] = []
    for number in range(len(marks)):
        handles += axis.plot([], [], marker(number), ms=5, c=NEUTRAL)
    axis.axvline(0, color=NEUTRAL, lw=1)
    axis.set_yticks(range(len(whole)), list(whole.index))
    axis.set_ylim(-0.5, len(whole) - 0.4)
    axis.set_xlabel("accuracy against none (percentage points)")
    title = (
        f"Mean over domains not trained on, {seeds_of(rows)}; {randomness(table, '95% interval')}"
    )
    figure.suptitle("\n".join(in_lines([title], figure.get_figwidth())), fontsize=11)
    draw_legend(figure, handles, marks, loc="outside lower center", ncols=min(COLUMNS, len(marks)))
    return figure


def draw_effects(rows: pd.DataFrame) -> Figure:
    """For each architecture and pair, a line from the accuracy of the control to that of each.

    The line is as long as the difference over the seeds that both have: where a stem has fewer
    seeds than the control, it ends there and not at the mean of the stem's own.
    """
    seeds, arrows = seeds_of(rows), dict(zip(_pairs(rows), _arrows(rows), strict=True))
    rows, left_out = _shown_pairs(rows)
    rows = in_panels(rows)
    paired, pairs = _gains(rows), _pairs(rows)
    panels = list(dict.fromkeys(rows["panel"]))
    found = levels(rows)
    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    height = 1.2 + (0.22 + 0.13 * len(found[1:])) * len(pairs)
    figure = Figure(figsize=(1.9 + 3.1 * columns, 0.6 + lines * height), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True, sharex=True).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        own, gains = (table[table["panel"] == panel] for table in (rows, paired))
        _draw_effects(axis, own, gains, pairs, found)
        axis.set_title(textwrap.fill(str(panel), LETTERS))
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis in axes[max(0, len(panels) - columns) : len(panels)]:
        axis.set_xlabel("test accuracy (%)")
        axis.tick_params(labelbottom=True)
    axes[0].set_yticks(range(len(pairs)), [arrows[pair] for pair in pairs])
    axes[0].set_ylim(len(pairs) - 0.4, -0.6)
    draw_legend(
        figure,
        _effect_handles(found),
        found,
        loc="outside lower center",
        ncols=min(len(found), 2 + columns),
    )
    title = [f"Each stem against none, means of {seeds}"]
    title += in_lines([left_out], figure.get_figwidth())
    figure.suptitle("\n".join(title), fontsize=11)
    return figure


def draw_effects_on(rows: pd.DataFrame, axis: Axes) -> Axes:
    """The same of a single architecture, in axes of someone else's.

    Raises:
        InputError: there are several architectures, each a panel.
    """
    seeds, arrows = seeds_of(rows), dict(zip(_pairs(rows), _arrows(rows), strict=True))
    shown, left_out = _shown_pairs(rows)
    shown = in_panels(shown)
    one_panel(dict.fromkeys(shown["panel"]), "an architecture")
    pairs, found = _pairs(shown), levels(shown)
    _draw_effects(axis, shown, _gains(shown), pairs, found)
    axis.set_yticks(range(len(pairs)), [arrows[pair] for pair in pairs])
    axis.set_ylim(len(pairs) - 0.4, -0.6)
    axis.set_xlabel("test accuracy (%)")
    draw_legend(axis, _effect_handles(found), found, fontsize=8)
    width = size_of(axis)[0]
    told = [f"Each stem against none, means of {seeds}", left_out]
    axis.set_title("\n".join([*in_lines(told, width), *notes_of(rows, width)]), fontsize=9)
    return axis


def _gains(rows: pd.DataFrame) -> pd.DataFrame:
    """What stems add, paired by architecture and seed, with the panels of the rows."""
    across = cross_domain(rows)
    if NO_STEM not in set(across["stem"]):
        return pd.DataFrame(columns=["stem", *CASE, "difference", "panel"])
    panels = dict(zip(rows["architecture"], rows["panel"], strict=True))
    paired = differences(across)
    return paired.assign(panel=paired["architecture"].map(panels))


def _draw_effects(
    axis: Axes,
    rows: pd.DataFrame,
    gains: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    found: Sequence[str],
) -> None:
    """A panel: its rows and what stems add, in all pairs and with all stems of the figure."""
    across, colours = cross_domain(rows), level_colours(found)
    starts = 100 * mean_over(across[across["stem"] == found[0]], list(PAIR))
    lengths = 100 * mean_over(gains, ["stem", *PAIR], "difference")
    for place, pair in enumerate(pairs):
        start = starts.get(pair)
        added = {level: lengths.get((level, *pair)) for level in found[1:]}
        values = {found[0]: start} | {
            level: None if start is None or more is None else start + more
            for level, more in added.items()
        }
        _draw_effect(axis, place, values, colours)
    axis.grid(axis="y", visible=False)


def _effect_handles(found: Sequence[str]) -> list[Any]:
    colours = level_colours(found)
    dots = [
        mpl.lines.Line2D([], [], color=colours[level], marker="o", ms=4.5) for level in found[1:]
    ]
    return [mpl.lines.Line2D([], [], color=NEUTRAL, lw=2), *dots]


def _draw_effect(
    axis: Axes, place: int, values: dict[str, float | None], colours: dict[str, Any]
) -> None:
    (_, start), *others = values.items()
    if start is None:
        return
    axis.plot([start] * 2, [place - SPREAD / 2 - 0.1, place + SPREAD / 2 + 0.1], c=NEUTRAL, lw=2)
    spread = SPREAD / 2 if len(others) > 1 else 0.0
    offsets = np.linspace(-spread, spread, len(others))
    for offset, (level, value) in zip(offsets, others, strict=True):
        if value is not None:
            axis.plot([start, value], [place + offset] * 2, color=colours[level], lw=1.5)
            axis.plot(value, place + offset, "o", ms=4.5, color=colours[level])


def draw_differences(rows: pd.DataFrame) -> Figure:
    """What each adds, architecture by pair, in percentage points; gains are blue."""
    seeds, named = seeds_of(rows), dict(zip(_pairs(rows), _arrows(rows), strict=True))
    rows, left_out = _shown_pairs(rows)
    paired = differences(cross_domain(rows))
    pairs, found = _pairs(rows), list(dict.fromkeys(paired["stem"]))
    each = mean_over(paired, ["architecture"], "difference")
    all_names = list(dict.fromkeys(rows["architecture"]))
    architectures, fewer = extremes(each.reindex(all_names), MOST_ARCHITECTURES)
    keys = ["stem", "architecture", "source", "target"]
    means = 100 * mean_over(paired, keys, "difference")
    reach, beyond = reach_of(means)
    arrows = [named[pair] for pair in pairs]
    longest, slanted = max(map(len, architectures)), max(map(len, arrows))
    figure = Figure(
        figsize=(
            1.9 + 0.08 * longest + 0.62 * max(3, len(pairs)),
            1.7 + 0.05 * max(0, slanted - 20) + len(found) * (0.45 + 0.36 * len(architectures)),
        ),
        layout="constrained",
    )
    axes = figure.subplots(len(found), 1, squeeze=False, sharex=True)[:, 0]
    columns = pd.MultiIndex.from_tuples(pairs)
    for axis, level in zip(axes, found, strict=True):
        table = means[level].unstack(["source", "target"]).reindex(architectures, columns=columns)
        sns.heatmap(
            table.to_numpy(),
            ax=axis,
            annot=True,
            fmt="+.1f",
            annot_kws={"size": 8},
            cmap=GAINS,
            vmin=-reach,
            vmax=reach,
            cbar=False,
            linewidths=1,
            linecolor="white",
            xticklabels=arrows,
            yticklabels=architectures,
        )
        axis.set_title(level, loc="left")
        drawn = axis.collections[0]
        axis.tick_params(length=0)
        axis.tick_params(axis="y", rotation=0)
        axis.grid(visible=False)
    axes[-1].tick_params(axis="x", rotation=40)
    for label in axes[-1].get_xticklabels():
        label.set_horizontalalignment("right")
    # One scale for all panels.
    bar = figure.colorbar(drawn, ax=list(axes), extend=beyond, aspect=12, shrink=0.9, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("percentage points")
    title = f"Accuracy against none, means of {seeds}"
    notes = [left_out, f"architectures: {fewer}" if fewer else ""]
    lines = in_lines((title, *notes), figure.get_figwidth())
    figure.suptitle("\n".join(lines), fontsize=11)
    return figure
