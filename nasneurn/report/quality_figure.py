"""The figure of a search's quality: supernet against stand-alone training, and the control."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasneurn.report.style import DPI, NEUTRAL, STYLE, stem_colours

#: Columns of panels that are scatter plots: a way of measuring in the supernet, and its title.
MEASURES = {
    "recalibrated": "supernet, recalibrated (%)",
    "raw": "supernet, without recalibration (%)",
}
MARKERS = "osD^vP*X"


def draw_quality(
    quality: pd.DataFrame, correlation: pd.DataFrame, control: pd.DataFrame, path: Path
) -> None:
    """A row of panels for each source and stem; the tables are those of a measurement."""
    groups = [
        (str(source), str(stem), own)
        for (source, stem), own in quality.groupby(["source", "stem"], sort=False)
    ]
    colours = stem_colours(list(dict.fromkeys(quality["stem"])))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 0.5 + 3.1 * len(groups)), layout="constrained")
        axes = figure.subplots(len(groups), len(MEASURES) + 1, squeeze=False)
        for row, (source, stem, own) in zip(axes, groups, strict=True):
            for axis, measure in zip(row, MEASURES, strict=False):
                _scatter(axis, own, measure, colours[stem])
                found = _of(correlation, source, stem)
                axis.set_title(_title(found[found["measure"] == measure], stem))
            row[0].set_ylabel(f"{source}: alone, from scratch (%)")
            _control(row[-1], _of(control, source, stem), colours[stem])
        figure.savefig(path, dpi=DPI)


def _of(table: pd.DataFrame, source: str, stem: str) -> pd.DataFrame:
    return table[(table["source"] == source) & (table["stem"] == stem)]


def _scatter(axis: Axes, own: pd.DataFrame, measure: str, colour: object) -> None:
    for marker, (seed, rows) in zip(MARKERS, own.groupby("seed"), strict=False):
        axis.scatter(
            100 * rows[measure], 100 * rows["alone"], color=colour, marker=marker, s=28, alpha=0.8,
            linewidths=0, label=f"seed {seed}",
        )  # fmt: skip
    axis.set_xlabel(MEASURES[measure])
    if own["seed"].nunique() > 1:
        axis.legend(fontsize=8)


def _title(found: pd.DataFrame, stem: str) -> str:
    columns = ["kendall", "kendall_low", "kendall_high"]
    shown = [
        "no spread" if np.isnan(tau) else f"{tau:+.2f} [{low:+.2f}, {high:+.2f}]"
        for tau, low, high in found[columns].to_numpy(float)
    ]
    return f"stem {stem}: Kendall tau\n" + "\n".join(shown)


def _control(axis: Axes, own: pd.DataFrame, colour: object) -> None:
    for (method, _), rows in own.groupby(["method", "seed"], sort=False):
        evolution = method == "evolution"
        axis.step(
            rows["evaluations"], 100 * rows["best"], where="post",
            color=colour if evolution else NEUTRAL, linestyle="-" if evolution else "--",
            label=method,
        )  # fmt: skip
    handles, labels = axis.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    axis.legend(named.values(), named.keys(), fontsize=8, loc="lower right")
    axis.set_xlabel("candidates evaluated")
    axis.set_ylabel("best held-out accuracy (%)")
    axis.set_title("evolution and random search")
