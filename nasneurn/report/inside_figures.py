"""Figures of what is inside networks, and of what they keep under corruptions."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from nasneurn.report.style import draw_legend, level_colours

#: Panels of corruptions side by side.
COLUMNS = 4


def draw_layers(table: pd.DataFrame, source: str) -> Figure:
    """Linear CKA of each layer without the stem (down) with each layer with it (across).

    A column for each domain whose images are seen, a row for each stem. The last row is the network
    without a stem beside the same with another seed, where there are two seeds.
    """
    own = table[table["source"] == source]
    targets = list(dict.fromkeys(own["target"]))
    stems = sorted(dict.fromkeys(own["stem"]), key=lambda stem: stem.startswith("none,"))
    layers = list(dict.fromkeys(own["layer"]))
    side = 0.9 + 0.17 * len(layers)
    figure = Figure(
        figsize=(2.2 + side * len(targets), 1.4 + side * len(stems)), layout="constrained"
    )
    axes = figure.subplots(len(stems), len(targets), squeeze=False, sharex=True, sharey=True)
    for stem, line in zip(stems, axes, strict=True):
        for axis, target in zip(line, targets, strict=True):
            there = own[(own["stem"] == stem) & (own["target"] == target)]
            wide = there.pivot(index="layer", columns="layer_of_stem", values="mean")
            columns = list(dict.fromkeys(there["layer_of_stem"]))
            rows = list(dict.fromkeys(there["layer"]))
            image = axis.imshow(wide.loc[rows, columns], vmin=0, vmax=1, cmap="viridis")
            axis.grid(False)
            axis.set_xticks(range(len(columns)), columns, fontsize=7, rotation=90)
            axis.set_yticks(range(len(rows)), rows, fontsize=7)
            if stem == stems[0]:
                seen = f"{target}, itself" if target == source else target
                axis.set_title(f"images of {seen}", fontsize=9)
        line[0].set_ylabel(f"none | {stem}", fontsize=9)
    figure.colorbar(image, ax=axes.ravel().tolist(), shrink=0.7, label="linear CKA")
    figure.suptitle(
        f"After training on {source}: layers without a stem (down) and with one (across)",
        fontsize=11,
    )
    return figure


def draw_corruptions(
    table: pd.DataFrame, means: pd.DataFrame, stems: Sequence[str], source: str
) -> Figure:
    """Accuracy over severity: a panel for each corruption, and the mean over all of them first."""
    own = table[table["source"] == source]
    clean = own[own["severity"] == 0]
    hard = own[own["severity"] > 0]
    names = list(dict.fromkeys(hard["corruption"]))
    rows = -(-(len(names) + 1) // COLUMNS)
    figure = Figure(figsize=(2.4 * COLUMNS + 0.6, 1.8 * rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True, sharey=True).ravel()
    colours: dict[str, Any] = level_colours(stems)
    whole = means[(means["source"] == source) & (means["corruption"] == "all")]
    there = dict(zip(whole["stem"], 100 * whole["mean"].astype(float), strict=True))
    for axis, name in zip(axes, ["all", *names], strict=False):
        for stem in stems:
            ours = hard[hard["stem"] == stem]
            start = clean[clean["stem"] == stem]
            if ours.empty:
                continue
            if name == "all":
                shown = ours.groupby("severity")[["mean"]].mean().assign(std=float("nan"))
            else:
                shown = ours[ours["corruption"] == name].set_index("severity")[["mean", "std"]]
            shown = pd.concat([start.set_index("severity")[["mean", "std"]], shown])
            middle, spread = 100 * shown["mean"], 100 * shown["std"].fillna(0.0)
            axis.plot(shown.index, middle, color=colours[stem], lw=1.4, marker="o", ms=3)
            axis.fill_between(
                shown.index, middle - spread, middle + spread, color=colours[stem], alpha=0.15, lw=0
            )
        axis.set_title("mean of all" if name == "all" else name.replace("_", " "), fontsize=9)
    for axis in axes[len(names) + 1 :]:
        axis.set_visible(False)
    for axis in axes[-COLUMNS:]:
        axis.set_xlabel("severity")
    for axis in axes[::COLUMNS]:
        axis.set_ylabel("accuracy (%)")
    named = [stem for stem in stems if stem in there]
    handles = [mpl.lines.Line2D([], [], color=colours[stem], marker="o") for stem in named]
    names = [f"{stem}: {there[stem]:.1f}% over all" for stem in named]
    draw_legend(figure, handles, names, loc="outside lower center", ncols=min(4, len(handles)))
    count = int(own["n"].max())
    figure.suptitle(
        f"{count} test images of {source}, which it was trained on, under ImageNet-C's corruptions",
        fontsize=11,
    )
    return figure
