"""Figures of answers: which classes are taken for which, and images rescued and lost."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasneurn.analysis.cells import cross_domain
from nasneurn.report.diagnosis_figures import arrows
from nasneurn.report.style import GAINS, reach_of

#: Classes whose names are shown.
NAMED = 20


def draw_confusions(
    table: pd.DataFrame, stems: Sequence[str], source: str, classes: Sequence[str]
) -> Figure:
    """A column for each target; a row for each stem, and after each its difference to the first."""
    own = table[table["source"] == source]
    targets = list(dict.fromkeys(own["target"]))
    there = [stem for stem in stems if stem in set(own["stem"])]
    rows = [(there[0], False)]
    for stem in there[1:]:
        rows += [(stem, False), (stem, there[0] == "none")]
    rows = list(dict.fromkeys(rows))
    figure = Figure(figsize=(1.8 + 2.3 * len(targets), 0.9 + 2.3 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(targets), squeeze=False)
    # One scale for all differences.
    changed = [
        100 * (_matrix(own, target, stem, classes) - _matrix(own, target, there[0], classes))
        for stem, difference in rows
        for target in targets
        if difference
    ]
    reach, beyond = reach_of(float(one) for one in np.ravel(changed) if one)
    for (stem, difference), line in zip(rows, axes, strict=True):
        for axis, target in zip(line, targets, strict=True):
            values = _matrix(own, target, stem, classes)
            if difference:
                values = values - _matrix(own, target, there[0], classes)
            low, high = (-reach, reach) if difference else (0, 100)
            colours = GAINS if difference else "Greys"
            image = axis.imshow(100 * values, vmin=low, vmax=high, cmap=colours)
            axis.grid(False)
            _name(axis, classes)
            axis.set_title(target if target != source else f"{target}, itself", fontsize=9)
        line[0].set_ylabel(f"{stem} − {there[0]}" if difference else stem, fontweight="bold")
        what = "difference (points)" if difference else "% of the class"
        ends = beyond if difference else "neither"
        figure.colorbar(image, ax=list(line), shrink=0.85, label=what, extend=ends)
    for axis in axes[-1]:
        axis.set_xlabel("answer")
    figure.suptitle(
        f"After training on {source}: right class (down) and answer (across), all seeds",
        fontsize=11,
    )
    return figure


def _matrix(
    table: pd.DataFrame, target: str, stem: str, classes: Sequence[str]
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    own = table[(table["target"] == target) & (table["stem"] == stem)]
    if own.empty:
        return np.full((len(classes), len(classes)), np.nan)
    wide = own.pivot(index="label", columns="answer", values="share")
    return wide.loc[list(classes), list(classes)].to_numpy(float)


def _name(axis: Axes, classes: Sequence[str]) -> None:
    if len(classes) > NAMED:
        axis.set_xticks([])
        axis.set_yticks([])
        return
    upright = max(map(len, classes)) <= 2
    axis.set_xticks(range(len(classes)), classes, fontsize=7, rotation=0 if upright else 90)
    axis.set_yticks(range(len(classes)), classes, fontsize=7)


def draw_rescued(table: pd.DataFrame) -> Figure:
    """Bars to the right for the images that a stem rescues, to the left for those it loses."""
    across = cross_domain(table)
    table = across if len(across) else table
    several = table["stem"].nunique() > 1
    names = [
        f"{arrow}, {stem}" if several else arrow
        for arrow, stem in zip(arrows(table), table["stem"], strict=True)
    ]
    figure = Figure(figsize=(7.5, 1.5 + 0.34 * len(table)), layout="constrained")
    axis = figure.subplots()
    places = -np.arange(len(table))
    palette = sns.color_palette(GAINS, 10)
    rescued, lost = 100 * table["rescued_share"], 100 * table["lost_share"]
    axis.barh(places, rescued, color=palette[8], height=0.62, label="rescued")
    axis.barh(places, -lost, color=palette[1], height=0.62, label="lost")
    axis.plot(rescued - lost, places, "D", color="0.1", ms=5, label="difference")
    axis.axvline(0, color="0.35", lw=1)
    axis.set_yticks(places, names)
    axis.xaxis.set_major_formatter(lambda x, _: f"{abs(x):g}")
    axis.set_xlabel("% of the target's test images")
    stems, few = " or ".join(dict.fromkeys(table["stem"])), table["seeds"].min()
    of = f"in most of {few} seeds" if few > 1 else "one seed"
    figure.suptitle(
        f"Rescued: wrong without a stem and right with {stems}, {of};\nlost: the other way round",
        fontsize=10,
    )
    figure.legend(loc="outside lower center", ncols=3)
    return figure
