"""Figures of a grid, made from its rows; an unfinished grid has gaps, and is drawn with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasneurn.analysis.comparisons import compare_stems, cross_domain, differences
from nasneurn.analysis.ranks import Ranking, rank_stems
from nasneurn.files import written_atomically
from nasneurn.report.style import DPI, NEUTRAL, STYLE, stem_colours

#: Share of a row's height over which the marks of several stems are spread.
SPREAD = 0.6


def draw_all(accuracy: pd.DataFrame, history: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw every figure that the rows have the stems for."""
    drawn: dict[str, Callable[[], Figure]] = {"curves": lambda: draw_curves(history)}
    if accuracy["stem"].nunique() > 1 and "none" in set(accuracy["stem"]):
        drawn["overall"] = lambda: draw_overall(accuracy)
        drawn["effects"] = lambda: draw_effects(accuracy)
        drawn["differences"] = lambda: draw_differences(accuracy)
    ranking = rank_stems(accuracy)
    if ranking.critical_difference is not None:
        colours = stem_colours(list(dict.fromkeys(accuracy["stem"])))
        drawn["ranks"] = lambda: draw_ranks(ranking, colours)
    written = []
    for name, draw in drawn.items():
        path = folder / f"{name}.png"
        with mpl.rc_context(STYLE), written_atomically(path) as draft:
            draw().savefig(draft, dpi=DPI)
        written.append(path)
    return written


def _seeds(accuracy: pd.DataFrame) -> str:
    count = accuracy["seed"].nunique()
    return "one seed" if count == 1 else f"{count} seeds"


def _pairs(accuracy: pd.DataFrame) -> list[tuple[str, str]]:
    across = cross_domain(accuracy)
    return list(dict.fromkeys(zip(across["source"], across["target"], strict=True)))


def draw_overall(accuracy: pd.DataFrame) -> Figure:
    """What each stem adds across domains: each architecture, and all together with intervals."""
    across = cross_domain(accuracy)
    whole = compare_stems(across).set_index("stem")
    each = compare_stems(across, by=("architecture",))
    stems = list(whole.sort_values("difference")["difference"].index)
    colours = stem_colours(list(dict.fromkeys(accuracy["stem"])))
    figure = Figure(figsize=(7.5, 1.3 + 0.62 * len(stems)), layout="constrained")
    axis = figure.subplots()
    names = list(dict.fromkeys(each["architecture"]))
    markers = dict(zip(names, "osD^vP*X<>hdp" * (1 + len(names) // 13), strict=False))
    for place, stem in enumerate(stems):
        row = whole.loc[stem]
        if pd.notna(row["low"]):
            axis.plot([100 * row["low"], 100 * row["high"]], [place] * 2, lw=3, c=colours[stem])
        axis.plot(100 * row["difference"], place, "|", ms=20, mew=3, c=colours[stem])
        ours = each[each["stem"] == stem]
        for name, value in zip(ours["architecture"], ours["difference"], strict=True):
            axis.plot(100 * value, place + 0.27, markers[name], ms=5, c=colours[stem], alpha=0.75)
    for name in names:
        axis.plot([], [], markers[name], ms=5, c=NEUTRAL, label=name)
    axis.axvline(0, color=NEUTRAL, lw=1)
    axis.set_yticks(range(len(stems)), stems)
    axis.set_ylim(-0.5, len(stems) - 0.4)
    axis.set_xlabel("accuracy less that without a stem (percentage points)")
    interval = ", 95% interval" if accuracy["seed"].nunique() > 1 else ""
    axis.set_title(f"Mean over all pairs of two domains{interval}, {_seeds(accuracy)}")
    figure.legend(loc="outside lower center", ncols=min(4, len(names)))
    return figure


def draw_effects(accuracy: pd.DataFrame) -> Figure:
    """For each architecture and pair, a line from the accuracy without a stem to that with each."""
    pairs, architectures = _pairs(accuracy), list(dict.fromkeys(accuracy["architecture"]))
    stems = list(dict.fromkeys(accuracy["stem"]))
    colours = stem_colours(stems)
    others = [stem for stem in stems if stem != "none"]
    offsets = np.linspace(-SPREAD / 2, SPREAD / 2, len(others)) if len(others) > 1 else [0.0]
    figure = Figure(
        figsize=(1.9 + 3.1 * len(architectures), 1.4 + (0.22 + 0.13 * len(others)) * len(pairs)),
        layout="constrained",
    )
    axes = figure.subplots(1, len(architectures), squeeze=False, sharey=True, sharex=True)[0]
    means = (
        100
        * cross_domain(accuracy)
        .groupby(["architecture", "stem", "source", "target"])["accuracy"]
        .mean()
    )
    for axis, architecture in zip(axes, architectures, strict=True):
        for place, (source, target) in enumerate(pairs):
            control = means.get((architecture, "none", source, target))
            if control is None:
                continue
            reach = [place - SPREAD / 2 - 0.1, place + SPREAD / 2 + 0.1]
            axis.plot([control] * 2, reach, color=NEUTRAL, lw=2)
            for offset, stem in zip(offsets, others, strict=True):
                value = means.get((architecture, stem, source, target))
                if value is None:
                    continue
                axis.plot([control, value], [place + offset] * 2, color=colours[stem], lw=1.5)
                axis.plot(value, place + offset, "o", ms=4.5, color=colours[stem])
        axis.set_title(architecture)
        axis.set_xlabel("test accuracy (%)")
    axes[0].set_yticks(range(len(pairs)), [f"{source} → {target}" for source, target in pairs])
    axes[0].set_ylim(len(pairs) - 0.4, -0.6)
    for axis in axes:
        axis.grid(axis="y", visible=False)
    handles = [mpl.lines.Line2D([], [], color=NEUTRAL, lw=2, label="none")]
    handles += [
        mpl.lines.Line2D([], [], color=colours[stem], marker="o", ms=4.5, label=stem)
        for stem in others
    ]
    columns = min(len(handles), 2 * len(architectures))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    figure.suptitle(f"Each stem against none, means of {_seeds(accuracy)}", fontsize=11)
    return figure


def draw_differences(accuracy: pd.DataFrame) -> Figure:
    """What each stem adds, architecture by pair, in percentage points."""
    paired = differences(cross_domain(accuracy))
    pairs = _pairs(accuracy)
    stems = list(dict.fromkeys(paired["stem"]))
    architectures = list(dict.fromkeys(accuracy["architecture"]))
    means = 100 * paired.groupby(["stem", "architecture", "source", "target"])["difference"].mean()
    reach = max(1.0, float(means.abs().max()))
    figure = Figure(
        figsize=(2.4 + 0.62 * len(pairs), 1.5 + len(stems) * (0.45 + 0.36 * len(architectures))),
        layout="constrained",
    )
    axes = figure.subplots(len(stems), 1, squeeze=False, sharex=True)[:, 0]
    columns = pd.MultiIndex.from_tuples(pairs)
    for axis, stem in zip(axes, stems, strict=True):
        table = means[stem].unstack(["source", "target"]).reindex(architectures, columns=columns)
        sns.heatmap(
            table.to_numpy(),
            ax=axis,
            annot=True,
            fmt="+.1f",
            annot_kws={"size": 8},
            cmap="vlag_r",
            vmin=-reach,
            vmax=reach,
            cbar=False,
            linewidths=1,
            linecolor="white",
            xticklabels=[f"{source} → {target}" for source, target in pairs],
            yticklabels=architectures,
        )
        axis.set_title(stem, loc="left")
        axis.tick_params(length=0)
        axis.tick_params(axis="y", rotation=0)
        axis.grid(visible=False)
    axes[-1].tick_params(axis="x", rotation=40)
    for label in axes[-1].get_xticklabels():
        label.set_horizontalalignment("right")
    figure.suptitle(
        f"Accuracy less that without a stem (percentage points), means of {_seeds(accuracy)}",
        fontsize=11,
    )
    return figure


def draw_curves(history: pd.DataFrame) -> Figure:
    """Held-out source accuracy over epochs: mean over seeds, and the range of the seeds."""
    sources = list(dict.fromkeys(history["source"]))
    architectures = list(dict.fromkeys(history["architecture"]))
    stems = list(dict.fromkeys(history["stem"]))
    colours = stem_colours(stems)
    figure = Figure(
        figsize=(1.2 + 2.4 * len(sources), 1.0 + 2.1 * len(architectures)), layout="constrained"
    )
    axes = figure.subplots(
        len(architectures), len(sources), squeeze=False, sharex=True, sharey="col"
    )
    for i, architecture in enumerate(architectures):
        for j, source in enumerate(sources):
            chosen = history[
                (history["architecture"] == architecture) & (history["source"] == source)
            ]
            _draw_curves(axes[i, j], chosen, colours)
            axes[i, j].set_title(f"{architecture}, {source}")
        axes[i, 0].set_ylabel("held-out accuracy (%)")
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    handles = [mpl.lines.Line2D([], [], color=colours[stem], label=stem) for stem in stems]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)))
    figure.suptitle(f"Held-out source images, mean and range of {_seeds(history)}", fontsize=11)
    return figure


def _draw_curves(axis: Axes, chosen: pd.DataFrame, colours: dict[str, Any]) -> None:
    for stem, rows in chosen.groupby("stem", sort=False):
        # A run that stopped early keeps its best accuracy: that is what it is measured with.
        curves = rows.pivot_table(index="epoch", columns="seed", values="held_out_accuracy")
        curves = 100 * curves.fillna(curves.max())
        axis.plot(curves.index, curves.mean(axis=1), color=colours[str(stem)], lw=1.6)
        axis.fill_between(
            curves.index,
            curves.min(axis=1),
            curves.max(axis=1),
            color=colours[str(stem)],
            alpha=0.12,
            linewidth=0,
        )


def draw_ranks(ranking: Ranking, colours: dict[str, Any]) -> Figure:
    """Critical-difference diagram: average ranks, and bars over stems that do not differ."""
    stems, values = list(ranking.ranks.index), ranking.ranks.to_numpy()
    groups = ranking.alike
    height = 0.5 + 0.28 * len(groups)
    figure = Figure(figsize=(7, 1.6 + 0.3 * len(stems)), layout="constrained")
    axis = figure.subplots()
    axis.axis("off")
    count = len(stems)
    axis.set_xlim(count + 1.4, -0.4)  # the best to the right
    axis.hlines(0, 1, count, color="black", lw=1)
    for tick in range(1, count + 1):
        axis.vlines(tick, 0, -0.12, color="black", lw=1)
        axis.text(tick, -0.2, str(tick), ha="center", va="bottom")
    half = (count + 1) // 2
    for place, (stem, value) in enumerate(zip(stems, values, strict=True)):
        right = place < half
        row = place if right else count - 1 - place
        y, end = height + 0.45 * row, 0.6 if right else count + 0.4
        axis.plot([float(value), float(value), end], [0, y, y], color=colours[stem], lw=1.5)
        label = f"{stem} ({value:.2f})"
        axis.text(end, y, f" {label} ", ha="left" if right else "right", va="center")
    for place, group in enumerate(groups):
        ends = [float(ranking.ranks[stem]) for stem in (group[0], group[-1])]
        axis.plot(ends, [0.3 + 0.28 * place] * 2, color="black", lw=4, solid_capstyle="butt")
    critical = ranking.critical_difference or 0.0
    axis.plot([float(count), count - critical], [-0.75] * 2, color="black", lw=1.5, marker="|")
    axis.text(count - critical / 2, -0.85, f"critical difference {critical:.2f}", ha="center")
    axis.set_ylim(height + 0.45 * half, -1.3)
    p = "" if ranking.p is None else f", Friedman p = {ranking.p:.2g}"
    axis.set_title(f"Average rank over {ranking.blocks} trainings{p}")
    return figure
