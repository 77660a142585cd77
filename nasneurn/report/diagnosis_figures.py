"""Figures of a diagnosis that are panels of dots or curves."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from nasneurn.report.captions import seeds_of
from nasneurn.report.dot_panels import draw_dots
from nasneurn.report.style import draw_legend, level_colours, marker

Drawings = dict[str, Callable[[], Figure]]
Tables = Mapping[str, pd.DataFrame]

#: What the axes call the measures of distance.
DISTANCES = {
    "mmd": "squared MMD",
    "frechet": "Fréchet distance / variance",
    "proxy_a_distance": "proxy A-distance (0 to 2)",
}
STATISTICS = {
    "mean": "mean intensity",
    "rms_contrast": "RMS contrast",
    "michelson_contrast": "Michelson contrast",
    "gradient": "mean step between neighbours",
    "slope": "slope of the power spectrum",
    "fine": "share of power in fine detail",
}
CALIBRATION = {
    "accuracy": "accuracy (%)",
    "nll": "negative log-likelihood (nats)",
    "ece": "expected calibration error (%)",
}
#: Measures that figures show in percent.
IN_PERCENT = ("accuracy", "ece")


def shift_drawings(tables: Tables, rows: pd.DataFrame, stems: Sequence[str]) -> Drawings:
    """Distances, separability and calibration of one kind of training."""
    return {
        "distances": partial(_distances, tables, rows, stems),
        "separability": partial(_separability, tables, rows, stems),
        "calibration": partial(_calibration, tables["calibration"], rows, stems),
    }


def image_drawings(tables: Tables, stems: Sequence[str]) -> Drawings:
    """Statistics and spectra of the images alone."""
    return {
        "statistics": partial(_statistics, tables, stems),
        "spectra": partial(_spectra, tables["spectra"], stems),
    }


def arrows(table: pd.DataFrame) -> list[str]:
    """Pairs as figures call them; a domain that was learned is its own."""
    return [
        f"{source}, itself" if source == target else f"{source} → {target}"
        for source, target in zip(table["source"], table["target"], strict=True)
    ]


def _of_images(table: pd.DataFrame) -> pd.DataFrame:
    return table.rename(columns={"value": "mean"}).assign(std=np.nan)


def _distances(tables: Tables, rows: pd.DataFrame, stems: Sequence[str]) -> Figure:
    panels: dict[str, pd.DataFrame] = {}
    given = {"images": _of_images(tables["image_distances"])}
    if "feature_distances" in tables:
        given["features"] = tables["feature_distances"]
    for place, table in given.items():
        table = table.assign(line=arrows(table))
        for measure, label in DISTANCES.items():
            panels[f"{place}: {label}"] = table[table["measure"] == measure]
    title = "Distance of source and target"
    if "features" in given:
        title += f"; of features mean and deviation over {seeds_of(rows)}"
    return draw_dots(panels, stems, title)


def _statistics(tables: Tables, stems: Sequence[str]) -> Figure:
    table = tables["image_statistics"]
    table = table.assign(line=table["domain"])
    panels = {
        label: table[table["statistic"] == statistic] for statistic, label in STATISTICS.items()
    }
    return draw_dots(panels, stems, "Images before and after stems: mean and deviation over images")


def _spectra(table: pd.DataFrame, stems: Sequence[str]) -> Figure:
    shown = [stem for stem in stems if stem in set(table["stem"])]
    figure = Figure(figsize=(0.8 + 3.4 * len(shown), 3.9), layout="constrained")
    axes = figure.subplots(1, len(shown), squeeze=False, sharex=True)[0]
    domains = list(dict.fromkeys(table["domain"]))
    colours = dict(zip(domains, sns.color_palette("colorblind", len(domains)), strict=True))
    for axis, stem in zip(axes, shown, strict=True):
        for place, domain in enumerate(domains):
            own = table[(table["stem"] == stem) & (table["domain"] == domain)]
            finite = own[np.isfinite(own["log_power"])]
            axis.plot(
                finite["frequency"], 10 ** finite["log_power"], color=colours[domain], lw=1.4,
                marker=marker(place), ms=3.5,
            )  # fmt: skip
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(lambda y, _: f"{y:.0e}")
        axis.xaxis.set_major_locator(mpl.ticker.FixedLocator([1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2]))
        axis.xaxis.set_major_formatter(lambda x, _: f"1/{round(1 / x)}")
        axis.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        axis.set_xlabel("frequency (cycles a pixel)")
        axis.set_title("images as they are" if stem == "none" else f"after {stem}")
    axes[0].set_ylabel("mean power")
    handles = [
        mpl.lines.Line2D([], [], color=colours[domain], marker=marker(place), ms=3.5)
        for place, domain in enumerate(domains)
    ]
    draw_legend(figure, handles, domains, loc="outside lower center", ncols=min(6, len(domains)))
    figure.suptitle("Radial power spectra of the domains' images", fontsize=11)
    return figure


def _separability(tables: Tables, rows: pd.DataFrame, stems: Sequence[str]) -> Figure:
    given = {"images": _of_images(tables["image_separability"])}
    if "feature_separability" in tables:
        given["features of the network"] = tables["feature_separability"]
    panels = {place: table.assign(line=table["source"]) for place, table in given.items()}
    title = f"Scatter between classes of the source / within them, {seeds_of(rows)}"
    return draw_dots(panels, stems, title, columns=len(panels))


def _calibration(table: pd.DataFrame, rows: pd.DataFrame, stems: Sequence[str]) -> Figure:
    panels: dict[str, pd.DataFrame] = {}
    for measure, label in CALIBRATION.items():
        own = table[table["measure"] == measure]
        if own.empty:
            continue
        factor = 100.0 if measure in IN_PERCENT else 1.0
        panels[label] = own.assign(
            line=arrows(own), mean=factor * own["mean"], std=factor * own["std"]
        )
    title = f"Answers to test images: mean and deviation over {seeds_of(rows)}"
    return draw_dots(panels, stems, title, columns=len(panels))


def reliability_drawing(table: pd.DataFrame, stems: Sequence[str], source: str) -> Figure:
    """How often answers are right by how sure they are: a panel for each target of a source."""
    own = table[table["source"] == source]
    targets = list(dict.fromkeys(own["target"]))
    across = min(4, len(targets))
    down = -(-len(targets) // across)
    figure = Figure(figsize=(1.0 + 2.6 * across, 1.5 + 2.7 * down), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    colours: dict[str, Any] = level_colours(stems)
    for axis, target in zip(axes.ravel(), targets, strict=False):
        axis.plot([0, 1], [0, 1], color="0.75", lw=1, ls="--")
        for stem in stems:
            bins = own[(own["target"] == target) & (own["stem"] == stem)].sort_values("bin")
            axis.plot(bins["confidence"], bins["accuracy"], color=colours[stem], lw=1.2)
            share = bins["n"] / max(bins["n"].sum(), 1)
            axis.scatter(
                bins["confidence"], bins["accuracy"], s=6 + 150 * share, color=colours[stem],
                alpha=0.75, linewidths=0, label=stem,
            )  # fmt: skip
        axis.set_title(target if target != source else f"{target}, itself")
        axis.set_aspect("equal")
    for axis in axes.ravel()[len(targets) :]:
        axis.set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel("confidence")
    for axis in axes[:, 0]:
        axis.set_ylabel("share that is right")
    handles = [mpl.lines.Line2D([], [], color=colours[stem], marker="o") for stem in stems]
    draw_legend(figure, handles, stems, loc="outside lower center", ncols=min(5, len(handles)))
    figure.suptitle(
        f"Reliability after training on {source}; larger dots are more images", fontsize=11
    )
    return figure
