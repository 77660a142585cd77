"""Figures of an evolution over supernets: accuracy against cost, and how far the front has come."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasneurn.analysis.cells import levels
from nasneurn.report.style import NEUTRAL, ORDER, draw_legend, level_colours

#: Winners; the other colours stand for stems, generations and gains.
WINNER = "black"

#: What a score of a candidate is, by what scored it: the search's ``select_under``.
SCORES = {"clean": "held-out accuracy", "shifts": "held-out accuracy under shifts"}


def front_of(candidates: pd.DataFrame) -> pd.DataFrame:
    """Rows that no other beats in both ``held_out_accuracy`` and ``flops``, cheapest first."""
    ordered = candidates.sort_values(["flops", "held_out_accuracy"], ascending=[True, False])
    before = ordered["held_out_accuracy"].cummax().shift(fill_value=-np.inf)
    return ordered[ordered["held_out_accuracy"] > before]


def draw_evolution(evolution: pd.DataFrame, under: str = "clean") -> Figure:
    """One panel for each space, source and stem: every candidate, the front, and the winners.

    The search ranks by accuracy, then by cost, so the winner of a seed is the right end of its
    front.

    Args:
        evolution: with the columns of ``evolution.csv``.
        under: a key of :data:`SCORES`.
    """
    places = list(dict.fromkeys(zip(evolution["space"], evolution["source"], strict=True)))
    several = evolution["space"].nunique() > 1
    stems = levels(evolution)
    figure = Figure(figsize=(1.2 + 3.6 * len(stems), 1.1 + 2.7 * len(places)), layout="constrained")
    axes = figure.subplots(len(places), len(stems), squeeze=False, sharex=not several, sharey="row")
    for i, (space, source) in enumerate(places):
        for j, stem in enumerate(stems):
            chosen = evolution[
                (evolution["space"] == space)
                & (evolution["source"] == source)
                & (evolution["stem"] == stem)
            ]
            if len(chosen):  # a search that is still running has gaps
                _draw_candidates(axes[i, j], chosen)
            axes[i, j].set_title(f"{space}, {source}, {stem}" if several else f"{source}, {stem}")
        axes[i, 0].set_ylabel(f"{SCORES[under].replace(' under', chr(10) + 'under')} (%)")
    for axis in axes[-1]:
        axis.set_xlabel("multiply-adds (millions)")
    drawn = next(axis for axis in axes.ravel() if axis.get_legend_handles_labels()[0])
    handles, labels = drawn.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(handles), 1 + len(stems))
    )
    return figure


def _draw_candidates(axis: Axes, chosen: pd.DataFrame) -> None:
    last = max(1, int(chosen["generation"].max()))
    colours = sns.color_palette(ORDER, as_cmap=True)
    for generation in (0, last):  # two entries in the legend stand for the scale between
        axis.scatter([], [], s=18, color=colours(generation / last), label=f"gen. {generation}")
    axis.scatter(
        chosen["flops"] / 1e6, chosen["held_out_accuracy"] * 100, c=chosen["generation"] / last,
        cmap=colours, s=14, alpha=0.75, linewidths=0,
    )  # fmt: skip
    for number, (_, rows) in enumerate(chosen.groupby("seed")):
        front = front_of(rows)
        flops, accuracy = front["flops"] / 1e6, front["held_out_accuracy"] * 100
        axis.step(
            flops, accuracy, where="post", color=NEUTRAL, linewidth=1,
            label="Pareto front of a seed" if number == 0 else None,
        )  # fmt: skip
        axis.scatter(
            flops.iloc[-1:], accuracy.iloc[-1:], marker="*", s=130, color=WINNER,
            edgecolor="white", linewidth=0.6, zorder=3, label="winner" if number == 0 else None,
        )  # fmt: skip


def draw_hypervolumes(volumes: pd.DataFrame, under: str = "clean") -> Figure:
    """One panel for each space and source: hypervolume over generations, a line for each seed.

    Args:
        volumes: of :func:`nasneurn.analysis.hypervolumes.hypervolumes`.
        under: a key of :data:`SCORES`.
    """
    places = list(dict.fromkeys(zip(volumes["space"], volumes["source"], strict=True)))
    several = volumes["space"].nunique() > 1
    colours = level_colours(levels(volumes))
    figure = Figure(figsize=(1.6 + 3.8 * len(places), 4.0), layout="constrained")
    axes = figure.subplots(1, len(places), squeeze=False, sharey=True)[0]
    named: dict[str, Any] = {}
    for axis, (space, source) in zip(axes, places, strict=True):
        own = volumes[(volumes["space"] == space) & (volumes["source"] == source)]
        for (stem, _), rows in own.groupby(["stem", "seed"], sort=False):
            (named[str(stem)],) = axis.plot(
                rows["generation"], rows["hypervolume"], marker="o", markersize=3,
                color=colours[str(stem)],
            )  # fmt: skip
        axis.set_title(f"{space}, {source}" if several else str(source))
        axis.set_xlabel("generation")
        axis.xaxis.get_major_locator().set_params(integer=True)
    burden = "multiply-adds" if volumes["burden"].iloc[0] == "flops" else volumes["burden"].iloc[0]
    axes[0].set_ylabel(f"hypervolume of\nerror and {burden}")
    draw_legend(
        figure, list(named.values()), list(named), loc="outside lower center",
        ncols=min(5, len(named)),
    )  # fmt: skip
    shifted = " under shifts" if under == "shifts" else ""
    note = (
        f"How far the front has come: more is better. Error{shifted} and {burden} from 0 to 1 over "
        "all candidates of a source; reference: 1.05 of both, so 1.10 at most. A line is a seed."
    )
    lines = textwrap.wrap(note, int(13 * figure.get_figwidth()))
    figure.suptitle("\n".join(lines), fontsize=10)
    return figure
