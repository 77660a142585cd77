"""The figure of a prediction: what was predicted without a group, against what was measured."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nasneurn.choices import check_known
from nasneurn.report.style import NEUTRAL, draw_legend, marker

#: What is left out, in words.
TITLES = {
    "domain": "domains left out",
    "shift": "shifts left out",
    "suite": "suites left out",
}
#: More groups than these have no legend of their own that can be read.
MOST = 24


def draw_prediction(left_out: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    """A row of panels for each stem, a panel for each way of leaving out.

    Args:
        left_out: predictions, of :class:`nasneurn.prediction.predicting.Prediction`.
        scores: how good they are, of the same.
    """
    stems = list(dict.fromkeys(left_out["stem"]))
    schemes = [name for name in TITLES if name in set(left_out["left_out"])]
    size = (0.6 + 4.6 * len(schemes), 0.4 + 3.9 * len(stems))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(stems), len(schemes), squeeze=False)
    for row, stem in zip(axes, stems, strict=True):
        for axis, scheme in zip(row, schemes, strict=True):
            own = left_out[(left_out["stem"] == stem) & (left_out["left_out"] == scheme)]
            if own.empty:
                axis.set_axis_off()
            else:
                draw_predicted(left_out, scores, stem, scheme, axis)
        row[0].set_ylabel("measured gain (points)")
    return figure


def draw_predicted(
    left_out: pd.DataFrame,
    scores: pd.DataFrame,
    stem: str | None = None,
    scheme: str = "domain",
    axis: Axes | None = None,
) -> Axes:
    """One panel: of a stem, the first by default, and a way of leaving out.

    Raises:
        InputError: nothing was left out so.
    """
    stems = list(dict.fromkeys(left_out["stem"]))
    stem = stem or stems[0]
    check_known("stem", stem, stems)
    own = left_out[left_out["stem"] == stem]
    check_known("left_out", scheme, list(dict.fromkeys(own["left_out"])))
    own = own[own["left_out"] == scheme]
    found = scores[(scores["stem"] == stem) & (scores["left_out"] == scheme)]
    if axis is None:
        axis = Figure(figsize=(5.2, 4.3), layout="constrained").subplots()
        axis.set_ylabel("measured gain (points)")
    _draw(axis, own)
    axis.set_title(f"{stem}: {TITLES[scheme]}\n{_told(found.iloc[0])}", fontsize=9)
    return axis


def _draw(axis: Axes, own: pd.DataFrame) -> None:
    groups = list(dict.fromkeys(own["group"]))
    palette = sns.color_palette("colorblind" if len(groups) <= 10 else "husl", len(groups))
    ends = [
        own[["predicted", "gain"]].to_numpy().min(),
        own[["predicted", "gain"]].to_numpy().max(),
    ]
    axis.axhline(0, color="0.8", lw=1)
    axis.axvline(0, color="0.8", lw=1)
    axis.plot(ends, ends, color=NEUTRAL, lw=1, ls="--")
    handles = []
    for number, (group, colour) in enumerate(zip(groups, palette, strict=True)):
        few = own[own["group"] == group]
        look = {"color": colour, "marker": marker(number)}
        axis.scatter(few["predicted"], few["gain"], s=16, alpha=0.7, linewidths=0, **look)
        handles.append(Line2D([], [], ls="", ms=5, **look))
    if len(groups) <= MOST:
        draw_legend(
            axis, handles, groups, fontsize=7, loc="best", title="left out", title_fontsize=7
        )
    axis.set_xlabel("predicted gain (points)")


def _told(found: "pd.Series[float]") -> str:
    spearman = "" if np.isnan(found["spearman"]) else f", rank correlation {found['spearman']:.2f}"
    return (
        f"error {found['mae']:.1f} points, of the mean {found['mae_of_mean']:.1f}\n"
        f"R² {found['r2']:.2f}{spearman}"
    )
