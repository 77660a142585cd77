"""The figures of an alignment, but for the heatmap and the tree, which it draws itself."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from alignment.arrays import FloatArray
from alignment.colours import OTHER, PALETTE, family_colours
from alignment.dendrograms import family_legend, legend_size
from alignment.drawing import FAINT, INK, new_axes, plain_style
from alignment.outcome import Alignment


def draw_silhouette(curve: Sequence[tuple[int, float]], outcome: Alignment) -> Axes:
    """The mean silhouette against the number of clusters, the chosen number marked."""
    shown = outcome.shown(
        f"How well {len(outcome)} architectures fall into clusters ({outcome.options.clustering})"
    )
    width, side = 6.6, 5.7
    head = shown.heading(side, 10)
    high = 2.7 + 0.6 + 0.25 + 0.17 * len(head.splitlines())
    with plain_style():
        axes = new_axes(width, high, (0.75, 0.6, side, 2.7))
        ks, values = zip(*curve, strict=True)
        axes.plot(ks, values, marker="o", markersize=4.5, color=PALETTE[0], linewidth=1.6)
        chosen = len(outcome.chosen)
        if chosen in ks:
            axes.axvline(chosen, color=OTHER, linestyle="--", linewidth=1, zorder=0)
            axes.margins(y=0.14)  # room above the curve for words
            axes.text(
                chosen, 0.99, f" {chosen} representatives", va="top", fontsize=9, color=FAINT,
                transform=axes.get_xaxis_transform(),
            )  # fmt: skip
        axes.set_xticks(ks)
        axes.set_xlabel("clusters", fontsize=9, color=INK)
        axes.set_ylabel("mean silhouette", fontsize=9, color=INK)
        axes.tick_params(labelsize=8, colors=FAINT)
        axes.grid(axis="y", color="#ececec")
        axes.set_axisbelow(True)
        axes.set_title(head, loc="left", fontsize=10, color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[:].set_color(FAINT)
        return axes


def embed(similarity: FloatArray) -> FloatArray:
    """Places on a plane, (N, 2): t-SNE of the distances, from a start by classical scaling.

    The start makes it depend on no random numbers (Kobak and Linderman, "Initialization is
    critical for preserving global data structure", 2021).
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    distances = 1.0 - similarity
    count = len(distances)
    centring = np.eye(count) - 1.0 / count
    products = -0.5 * centring @ (distances**2) @ centring
    values, vectors = np.linalg.eigh((products + products.T) / 2)
    start = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0.0))
    # An eigenvector's sign is arbitrary: the largest entry is made positive.
    start *= np.sign(start[np.abs(start).argmax(0), [0, 1]])
    start = start / max(float(start[:, 1].std()), 1e-12) * 1e-4
    tsne = TSNE(
        metric="precomputed", init=start.astype(np.float32), random_state=0,
        perplexity=min(30.0, (count - 1) / 3), n_jobs=1,
    )  # fmt: skip
    # Its threads wait for each other by spinning: on a busy machine that takes a hundred times
    # as long as one thread.
    with threadpool_limits(1):
        return np.asarray(tsne.fit_transform(distances), np.float64)


def draw_map(outcome: Alignment, points: FloatArray) -> Axes:
    """Architectures as points on a plane, near each other if alike; representatives are named."""
    colours = family_colours(outcome.tokenized.families)
    families = np.array(outcome.tokenized.families)
    shown = outcome.shown(f"{len(families):,} architectures, near if alike (t-SNE)")
    wide, high, aside = 11.0, 9.0, legend_size(shown)[0] + 0.45
    with plain_style():
        axes = new_axes(wide + aside, high + 0.7, (0.1, 0.1, wide - 0.2, high - 0.2))
        others = np.array([colours[family] == OTHER for family in families])
        axes.scatter(points[others, 0], points[others, 1], s=13, color=OTHER, linewidths=0)
        for family, colour in colours.items():
            if colour != OTHER:
                x, y = points[families == family].T
                axes.scatter(x, y, s=17, color=colour, linewidths=0)
        for chosen in outcome.chosen:
            x, y = points[chosen]
            axes.scatter(x, y, s=60, facecolors="none", edgecolors="black")
            axes.annotate(
                outcome.names[chosen],
                points[chosen],
                xytext=(6, 6),
                textcoords="offset points",
                fontsize=9,
                parse_math=False,
                bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1},
            )
        axes.set_axis_off()
        axes.set_title(shown.heading(wide, 12), loc="left", fontsize=12, color=INK)
        family_legend(axes, shown, (0.15, 0), "\n(circle: representative)")
        return axes
