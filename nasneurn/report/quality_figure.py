"""The figure of a search's quality: supernet against stand-alone training, and the control."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasneurn.analysis.cells import levels
from nasneurn.report.evolution_figures import SCORES
from nasneurn.report.style import NEUTRAL, level_colours, marker

#: Columns of panels that are scatter plots: a way of measuring in the supernet, and its title.
MEASURES = {
    "recalibrated": "supernet, recalibrated (%)",
    "raw": "supernet, without recalibration (%)",
}


def draw_quality(
    quality: pd.DataFrame, correlation: pd.DataFrame, control: pd.DataFrame, under: str = "clean"
) -> Figure:
    """A row of panels for each space, source and stem.

    Args:
        quality: with the columns of ``quality.csv``.
        correlation: of :func:`nasneurn.analysis.rank_correlation.rank_correlations`.
        control: with the columns of ``control.csv``.
        under: a key of :data:`nasneurn.report.evolution_figures.SCORES`.
    """
    names = ["space", "source", "stem"]
    groups = list(quality.groupby(names, sort=False))
    colours = level_colours(levels(quality))
    figure = Figure(figsize=(11, 0.5 + 3.1 * len(groups)), layout="constrained")
    axes = figure.subplots(len(groups), len(MEASURES) + 1, squeeze=False)
    for row, (group, own) in zip(axes, groups, strict=True):
        colour = colours[str(group[2])]
        found = correlation[(correlation[names] == group).all(axis=1)]
        for axis, measure in zip(row, MEASURES, strict=False):
            _draw_measure(axis, own, measure, colour)
            axis.set_title(_title(found[found["measure"] == measure], str(group[2])))
        row[0].set_ylabel(f"{group[1]}: alone, from scratch (%)")
        _draw_control(row[-1], control[(control[names] == group).all(axis=1)], colour, under)
    return figure


def _draw_measure(axis: Axes, own: pd.DataFrame, measure: str, colour: object) -> None:
    for number, (seed, rows) in enumerate(own.groupby("seed")):
        axis.scatter(
            100 * rows[measure], 100 * rows["alone"], color=colour, marker=marker(number), s=28,
            alpha=0.8, linewidths=0, label=f"seed {seed}",
        )  # fmt: skip
    axis.set_xlabel(MEASURES[measure])
    if own["seed"].nunique() > 1:
        axis.legend(fontsize=8)


def _title(found: pd.DataFrame, stem: str) -> str:
    columns = ["kendall", "kendall_low", "kendall_high"]
    shown = []
    for tau, low, high in found[columns].to_numpy(float):
        interval = "" if np.isnan(low) else f" [{low:+.2f}, {high:+.2f}]"
        shown.append("no spread" if np.isnan(tau) else f"{tau:+.2f}{interval}")
    return f"stem {stem}: Kendall tau\n" + "\n".join(shown)


def _draw_control(axis: Axes, own: pd.DataFrame, colour: object, under: str) -> None:
    named: dict[str, Any] = {}
    for (method, _), rows in own.groupby(["method", "seed"], sort=False):
        evolution = method == "evolution"
        (named[str(method)],) = axis.step(
            rows["evaluations"], 100 * rows["best"], where="post",
            color=colour if evolution else NEUTRAL, linestyle="-" if evolution else "--",
        )  # fmt: skip
    axis.legend(named.values(), named.keys(), fontsize=8, loc="lower right")
    axis.set_xlabel("candidates evaluated")
    axis.set_ylabel(f"best {SCORES[under]} (%)")
    axis.set_title("evolution and random search")
