"""Figures of a search: accuracy against cost, and source against target."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasneurn.report.style import DPI, STYLE, stem_colours


def front_of(candidates: pd.DataFrame) -> pd.DataFrame:
    """Rows that no other beats in both ``source_accuracy`` and ``flops``, cheapest first."""
    ordered = candidates.sort_values(["flops", "source_accuracy"], ascending=[True, False])
    before = ordered["source_accuracy"].cummax().shift(fill_value=-np.inf)
    return ordered[ordered["source_accuracy"] > before]


def draw_search(evolution: pd.DataFrame, path: Path) -> None:
    """One panel for each source and stem: every candidate, the front, and the winners.

    ``evolution`` has the columns of ``evolution.csv``. The search ranks by accuracy, then by
    cost, so the winner of a seed is the right end of its front.
    """
    sources = list(dict.fromkeys(evolution["source"]))
    stems = list(dict.fromkeys(evolution["stem"]))
    with mpl.rc_context(STYLE):
        figure = Figure(
            figsize=(1.2 + 3.6 * len(stems), 0.9 + 2.7 * len(sources)), layout="constrained"
        )
        axes = figure.subplots(len(sources), len(stems), squeeze=False, sharex=True, sharey="row")
        for i, source in enumerate(sources):
            for j, stem in enumerate(stems):
                chosen = evolution[(evolution["source"] == source) & (evolution["stem"] == stem)]
                if len(chosen):  # a search that is still running has gaps
                    _draw_candidates(axes[i, j], chosen)
                axes[i, j].set_title(f"{source}, stem {stem}")
            axes[i, 0].set_ylabel("held-out source accuracy (%)")
        for axis in axes[-1]:
            axis.set_xlabel("multiply-adds (millions)")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(handles))
        figure.savefig(path, dpi=DPI)


def _draw_candidates(axis: Axes, chosen: pd.DataFrame) -> None:
    last = max(1, int(chosen["generation"].max()))
    colours = sns.color_palette("crest", as_cmap=True)
    for generation in (0, last):  # two entries in the legend stand for the scale between
        axis.scatter([], [], s=18, color=colours(generation / last), label=f"gen. {generation}")
    axis.scatter(
        chosen["flops"] / 1e6,
        chosen["source_accuracy"] * 100,
        c=chosen["generation"] / last,
        cmap=colours,
        s=14,
        alpha=0.75,
        linewidths=0,
    )
    for number, (_, rows) in enumerate(chosen.groupby("seed")):
        front = front_of(rows)
        axis.step(
            front["flops"] / 1e6,
            front["source_accuracy"] * 100,
            where="post",
            color="0.25",
            linewidth=1,
            label="front of a seed" if number == 0 else None,
        )
        axis.scatter(
            front["flops"].iloc[-1:] / 1e6,
            front["source_accuracy"].iloc[-1:] * 100,
            marker="*",
            s=110,
            color="#d1495b",
            edgecolor="white",
            linewidth=0.6,
            zorder=3,
            label="winner" if number == 0 else None,
        )


def draw_hypervolumes(volumes: pd.DataFrame, path: Path) -> None:
    """One panel for each source: hypervolume over generations, a line for each stem and seed."""
    sources = list(dict.fromkeys(volumes["source"]))
    colours = stem_colours(list(dict.fromkeys(volumes["stem"])))
    burden = volumes["burden"].iloc[0]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.8 + 4.2 * len(sources), 3.4), layout="constrained")
        axes = figure.subplots(1, len(sources), squeeze=False, sharey=True)[0]
        for axis, source in zip(axes, sources, strict=True):
            own = volumes[volumes["source"] == source]
            for (stem, seed), rows in own.groupby(["stem", "seed"], sort=False):
                axis.plot(
                    rows["generation"],
                    rows["hypervolume"],
                    marker="o",
                    markersize=3,
                    color=colours[str(stem)],
                    label=stem if seed == own["seed"].iloc[0] else None,
                )
            axis.set_title(str(source))
            axis.set_xlabel("generation")
            axis.xaxis.get_major_locator().set_params(integer=True)
        axes[0].set_ylabel(f"hypervolume of error and {burden}")
        axes[0].legend(title="stem")
        figure.savefig(path, dpi=DPI)


def mean_transfer(accuracy: pd.DataFrame, stem: str) -> pd.DataFrame:
    """Mean accuracy over seeds in percent, sources as rows and targets as columns.

    All sources and targets of the whole table are there; what was not measured is missing.
    """
    rows = accuracy[accuracy["stem"] == stem]
    table = rows.pivot_table(index="source", columns="target", values="accuracy", sort=False)
    sources, targets = (list(dict.fromkeys(accuracy[axis])) for axis in ("source", "target"))
    return table.reindex(index=sources, columns=targets) * 100


def draw_transfer(accuracy: pd.DataFrame, path: Path) -> None:
    """Source x target heatmap of each stem, and below it what the stem adds to the first.

    Drawn from the retrained networks where there are any, else from the inherited weights.
    """
    kinds = list(dict.fromkeys(accuracy["weights"]))
    weights = "retrained" if "retrained" in kinds else kinds[0]
    accuracy = accuracy[accuracy["weights"] == weights]
    stems = list(dict.fromkeys(accuracy["stem"]))
    tables = {stem: mean_transfer(accuracy, stem) for stem in stems}
    height, width = tables[stems[0]].shape
    rows = min(2, len(stems))
    seeds = accuracy["seed"].nunique()
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(
            figsize=(1.4 + len(stems) * (0.9 + 0.75 * width), 1.1 + rows * (0.6 + 0.62 * height)),
            layout="constrained",
        )
        axes = figure.subplots(rows, len(stems), squeeze=False, sharey=True)
        for column, (stem, table) in enumerate(tables.items()):
            _heatmap(axes[0, column], table, f"stem {stem}", difference=False)
            if column:
                below = table - tables[stems[0]]
                _heatmap(axes[1, column], below, f"{stem} minus {stems[0]}", difference=True)
        if rows == 2:
            axes[1, 0].set_axis_off()
        for axis in axes[-1, 1:] if rows == 2 else axes[0]:
            axis.set_xlabel("target")
        axes[0, 0].set_ylabel("source")
        over = "one seed" if seeds == 1 else f"mean of {seeds} seeds"
        figure.suptitle(f"Test accuracy (%), {weights} weights, {over}", fontsize=11)
        figure.savefig(path, dpi=DPI)


def _heatmap(axis: Axes, table: pd.DataFrame, title: str, *, difference: bool) -> None:
    reach = max(1.0, float(np.nanmax(np.abs(table)))) if difference else 100.0
    sns.heatmap(
        table,
        ax=axis,
        annot=True,
        fmt="+.1f" if difference else ".1f",
        cmap="vlag" if difference else "crest",
        vmin=-reach if difference else 0,
        vmax=reach,
        cbar=False,
        linewidths=1,
        linecolor="white",
    )
    axis.set_title(title)
    axis.set(xlabel="", ylabel="")
    axis.tick_params(length=0)
    axis.tick_params(axis="y", rotation=0)
    axis.set_xticklabels(axis.get_xticklabels(), rotation=30, ha="right")
