"""Pictures of an outcome: the clustered heatmap, the tree, the silhouette, and the map.

Drawn with Matplotlib's Agg, without a display and without pyplot's global state where that is
possible, so that several processes and threads may draw.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # before pyplot, which seaborn imports

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.patches import Patch

from alignment.arrays import FloatArray
from alignment.colours import OTHER, PALETTE, family_colours
from alignment.outcome import Alignment
from alignment.representatives import linkage

_DPI = 150


def _legend_patches(colours: dict[str, str]) -> list[Patch]:
    named = [Patch(color=colour, label=name) for name, colour in colours.items() if colour != OTHER]
    others = [Patch(color=OTHER, label="other families")] if OTHER in colours.values() else []
    return named + others


def _title(outcome: Alignment, what: str) -> str:
    return f"{what}\n{outcome.options.title()}"


def _mark(outcome: Alignment, name: str) -> str:
    return f"{name} ●" if name in outcome.representative_names else name


def draw_heatmap(outcome: Alignment, path: Path) -> None:
    """Similarities of all pairs, clustered, with a dendrogram and the families' colours.

    Representatives are marked with a dot.
    """
    count = len(outcome.names)
    tree = linkage(outcome.similarity_matrix)
    colours = family_colours(outcome.tokenized.families)
    strip = [colours[family] for family in outcome.tokenized.families]
    side = max(6.0, 2.9 + 0.235 * count)
    with plt.rc_context({"font.family": "DejaVu Sans", "lines.linewidth": 1.0}):
        grid = sns.clustermap(
            outcome.similarity_matrix,
            row_linkage=tree,
            col_linkage=tree,
            row_colors=strip,
            col_colors=strip,
            cmap="mako",
            vmin=0.0,
            vmax=1.0,
            xticklabels=False,
            yticklabels=False,
            figsize=(side + 1.3, side),
            dendrogram_ratio=(0.11, 0.09),
            colors_ratio=0.014,
            cbar_pos=None,
            linewidths=0.3,
            linecolor="white",
            tree_kws={"linewidths": 1.0, "colors": "#444444"},
        )
        axes = grid.ax_heatmap
        # Named here: seaborn would draw the figure twice to see whether the names overlap.
        size = 8.5 if count > 25 else 10
        order = grid.dendrogram_row.reordered_ind
        names = [_mark(outcome, outcome.names[one]) for one in order]
        axes.set_xticks(np.arange(count) + 0.5, names, rotation=90, fontsize=size)
        axes.set_yticks(np.arange(count) + 0.5, names, rotation=0, fontsize=size)
        axes.tick_params(length=0, pad=3)
        # The upper dendrogram repeats the left one.
        grid.ax_col_dendrogram.set_visible(False)
        grid.figure.subplots_adjust(left=0.01, right=0.77, bottom=0.09, top=1.0)
        grid.figure.suptitle(
            _title(outcome, f"Alignment of {count} architectures"),
            x=0.125,
            y=0.965,
            ha="left",
            fontsize=12,
        )
        place = axes.get_position()
        bar = grid.figure.add_axes((0.895, place.y1 - 0.2, 0.016, 0.2))
        grid.figure.colorbar(axes.collections[0], cax=bar)
        bar.set_title("similarity", fontsize=9, loc="left", pad=8)
        bar.tick_params(labelsize=8)
        grid.figure.legend(
            handles=_legend_patches(colours),
            title="family",
            loc="upper left",
            bbox_to_anchor=(0.885, place.y1 - 0.23),
            frameon=False,
            fontsize=9,
            title_fontsize=9,
            alignment="left",
        )
        grid.figure.text(0.895, place.y0, "● representative", fontsize=9)
        grid.figure.savefig(path, dpi=_DPI)
        plt.close(grid.figure)


def draw_tree(outcome: Alignment, path: Path) -> None:
    """The dendrogram of average linkage, the names in the colours of their families."""
    from scipy.cluster.hierarchy import dendrogram

    count = len(outcome.names)
    colours = family_colours(outcome.tokenized.families)
    family = dict(zip(outcome.names, outcome.tokenized.families, strict=True))
    with plt.rc_context({"font.family": "DejaVu Sans", "lines.linewidth": 1.2}):
        figure, axes = plt.subplots(figsize=(9.5, max(3.0, 1.2 + 0.2 * count)))
        drawn = dendrogram(
            linkage(outcome.similarity_matrix),
            orientation="right",
            labels=list(outcome.names),
            ax=axes,
            color_threshold=0,
            above_threshold_color="#555555",
        )
        axes.set_yticklabels([_mark(outcome, name) for name in drawn["ivl"]], fontsize=9)
        for label, name in zip(axes.get_yticklabels(), drawn["ivl"], strict=True):
            label.set_color(colours[family[name]])
        axes.invert_yaxis()  # as one reads
        axes.set_xlabel("distance (1 - similarity)")
        axes.set_title(
            _title(outcome, f"Average linkage of {count} architectures"), loc="left", fontsize=11
        )
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.legend(
            handles=_legend_patches(colours),
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
            fontsize=9,
            title="family\n(● representative)",
            title_fontsize=9,
            alignment="left",
        )
        figure.tight_layout()
        figure.savefig(path, dpi=_DPI)
        plt.close(figure)


def draw_silhouette(curve: Sequence[tuple[int, float]], outcome: Alignment, path: Path) -> None:
    """The mean silhouette against the number of clusters, the chosen number marked."""
    with plt.rc_context({"font.family": "DejaVu Sans"}):
        figure, axes = plt.subplots(figsize=(6.5, 3.6))
        ks, values = zip(*curve, strict=True)
        axes.plot(ks, values, marker="o", markersize=4, color=PALETTE[0])
        chosen = len(outcome.chosen)
        if chosen in ks:
            axes.axvline(chosen, color=OTHER, linestyle="--", linewidth=1, zorder=0)
            axes.annotate(
                f"{chosen} representatives", (chosen, max(values)), xytext=(5, 0),
                textcoords="offset points", fontsize=9, color="#666666",
            )  # fmt: skip
        axes.set_xticks(ks)
        axes.set_xlabel("clusters")
        axes.set_ylabel("mean silhouette")
        axes.set_title(
            _title(outcome, f"Silhouette ({outcome.options.clustering})"), loc="left", fontsize=10
        )
        axes.spines[["top", "right"]].set_visible(False)
        figure.tight_layout()
        figure.savefig(path, dpi=_DPI)
        plt.close(figure)


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


def draw_map(outcome: Alignment, points: FloatArray, path: Path) -> None:
    """Architectures as points on a plane, near each other if alike; representatives are named."""
    colours = family_colours(outcome.tokenized.families)
    families = np.array(outcome.tokenized.families)
    with plt.rc_context({"font.family": "DejaVu Sans"}):
        figure, axes = plt.subplots(figsize=(13, 9.5))
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
                bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1},
            )
        axes.set_axis_off()
        axes.set_title(
            _title(outcome, f"{len(families)} architectures, t-SNE of 1 - similarity"),
            loc="left",
            fontsize=12,
        )
        axes.legend(
            handles=_legend_patches(colours),
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            title="family (timm's module)",
            alignment="left",
        )
        figure.tight_layout()
        figure.savefig(path, dpi=_DPI)
        plt.close(figure)
