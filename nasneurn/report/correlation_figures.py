"""Figures of ``nasneurn correlate``: distances of pairs, and a map of who gains."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from nasneurn.analysis.mantel import METHODS, Values, pairs_of
from nasneurn.correlation.architecture_distances import RIVAL
from nasneurn.correlation.gain_correlation import ASKED, GainCorrelation
from nasneurn.report.style import GAINS, NEUTRAL, level_colours, reach_of

#: How many architectures a map can name.
NAMED = 60
#: Where a name may stand: to the right (1) or left (-1) of its point, above it or below.
BESIDE = ((1, 1), (1, -1), (-1, 1), (-1, -1))
#: Half the width of a point, in pixels.
POINT = 6
#: Points cover each other that are nearer than the map's width over this.
COVERED = 60


def draw_pairs(found: GainCorrelation) -> Figure:
    """A panel for each way to align and for the best rival: a point is a pair of architectures."""
    names = [name for name, of in found.distances.of.items() if of != RIVAL]
    rivals = found.tests[(found.tests["of"] == RIVAL) & found.tests["test"].isin(METHODS)]
    if len(rivals):
        names.append(str(rivals.sort_values("p", kind="stable")["distance"].iloc[0]))
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3.8 * columns, 3.5 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    measured = pairs_of(found.profile_distances)
    unit = 100 if found.kind == "euclidean" else 1
    for axis, name in zip(axes.flat, names, strict=False):
        own = pairs_of(found.distances.tables[name])
        rival = found.distances.of[name] == RIVAL
        colour = NEUTRAL if rival else level_colours(["none", "alignment"])["alignment"]
        _draw_pairs(axis, own, unit * measured, colour)
        axis.set_title(f"{name}{' (best rival)' * rival}\n{_told(found, name)}")
        axis.set_xlabel(f"distance by {name}")
    for axis in axes[:, 0]:
        axis.set_ylabel(
            "distance of gain profiles" + (" (points)" if found.kind == "euclidean" else "")
        )
    figure.suptitle(
        f"Each point is a pair of {len(found.profiles.architectures)} architectures; gains of "
        f"{found.stem} against {found.control}; line: means of bins of equal size",
        fontsize=11,
    )
    return figure


def _draw_pairs(axis: Axes, own: Values, measured: Values, colour: Any) -> None:
    size = 14 if len(own) < 300 else 6
    axis.scatter(own, measured, s=size, alpha=0.45, color=colour, linewidths=0)
    order = np.argsort(own, kind="stable")
    bins = np.array_split(order, min(max(len(order) // 8, 2), 10))
    means = [(own[part].mean(), measured[part].mean()) for part in bins]
    axis.plot(*np.array(means).T, color="black", lw=1.5)
    axis.set_ylim(bottom=0)


def _told(found: GainCorrelation, name: str) -> str:
    rows = found.tests[found.tests["distance"] == name].to_dict(orient="records")
    return "\n".join(
        f"{row['test'].capitalize()} {row['estimate']:+.2f} "
        f"(p {row['p']:.2g}, Holm {row['p_holm']:.2g})"
        for row in rows
        if row["test"] in METHODS
    )


def draw_map(found: GainCorrelation) -> Figure:
    """Architectures on a plane, near each other if aligned so; the colour is the mean gain."""
    figure = Figure(figsize=(8.5, 6.5), layout="constrained")
    draw_map_on(found, figure.subplots())
    return figure


def draw_map_on(found: GainCorrelation, axis: Axes) -> Axes:
    """The same in the axes of another figure."""
    name = ASKED if ASKED in found.distances.tables else next(iter(found.distances.tables))
    points, share = places(found.distances.tables[name])
    gains = 100 * found.profiles.mean
    most, beyond = reach_of(gains)
    # Those that cover each other are rings around the first of them, which is drawn last.
    rings = np.zeros(len(points))
    for few in _together(points):
        rings[few] = np.arange(len(few))
    order = np.argsort(-rings, kind="stable")
    drawn = axis.scatter(
        points[order, 0],
        points[order, 1],
        c=np.asarray(gains)[order],
        cmap=GAINS,
        vmin=-most,
        vmax=most,
        s=70 * (1 + 1.5 * rings[order]),
        edgecolors="0.3",
        lw=0.6,
    )
    axis.figure.colorbar(
        drawn, ax=axis, label=f"mean gain of {found.stem} (points)", shrink=0.8, extend=beyond
    )
    axis.margins(0.12)
    axis.set_aspect("equal", "datalim")
    axis.tick_params(labelbottom=False, labelleft=False)
    axis.set_title(
        f"Classical scaling of distances by {name}; the plane keeps {share:.0%} of their variance"
    )
    if len(gains) <= NAMED:
        _name(axis, _labels(found.words, points))
    return axis


def _name(axis: Axes, labels: Sequence[tuple[str, Values]]) -> None:
    """Write names beside their points, where they cover least of other names and points."""
    axis.get_figure(root=True).draw_without_rendering()  # type: ignore[union-attr]
    places = [axis.transData.transform(point) for _, point in labels]
    taken = [Bbox([place - POINT, place + POINT]) for place in places]
    for words, (x, y) in labels:
        costs = {}
        for side, height in BESIDE:
            text = axis.annotate(
                words, (x, y), xytext=(5 * side, 4 * height), textcoords="offset points",
                ha="left" if side > 0 else "right", va="baseline" if height > 0 else "top",
                fontsize=7, parse_math=False, in_layout=False,
            )  # fmt: skip
            box = text.get_window_extent()
            outside = box.x0 < axis.bbox.x0 or box.x1 > axis.bbox.x1
            costs[text] = box.count_overlaps(taken) + outside
        best = min(costs, key=lambda text: costs[text])
        taken.append(best.get_window_extent())
        for text in costs:
            if text is not best:
                text.remove()


def _labels(names: Sequence[str], points: Values) -> list[tuple[str, Values]]:
    """Names beside their points; those of points that cover each other in one line."""
    groups = _together(points)
    return [(", ".join(names[row] for row in few), points[few[0]]) for few in groups]


def _together(points: Values) -> list[list[int]]:
    """The rows of points, those that cover each other in one list."""
    reach = np.ptp(points, axis=0).max() / COVERED
    found: list[list[int]] = []
    for row, point in enumerate(points):
        near = [few for few in found if np.abs(points[few[0]] - point).max() < reach]
        if near:
            near[0].append(row)
        else:
            found.append([row])
    return found


def places(distances: Values) -> tuple[Values, float]:
    """(N, 2) by classical scaling (Torgerson, 1952), and the share of variance that is kept.

    Signs of axes are arbitrary: the largest entry is made positive.
    """
    centring = np.eye(len(distances)) - 1 / len(distances)
    values, vectors = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    kept = np.maximum(values[:-3:-1], 0.0)
    points = vectors[:, :-3:-1] * np.sqrt(kept)
    points = points * np.where(points[np.abs(points).argmax(0), [0, 1]] < 0, -1.0, 1.0)
    share = kept.sum() / max(float(np.maximum(values, 0.0).sum()), 1e-300)
    return np.asarray(points), float(share)
