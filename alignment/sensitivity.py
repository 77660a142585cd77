"""How an alignment's result depends on the options and on the number of representatives.

SciPy's statistics take long to import, and only the figures need them: so they are imported when
they are first used.
"""

from collections.abc import Sequence

import numpy as np

from alignment.arrays import FloatArray, IntArray
from alignment.outcome import Alignment, Variant
from alignment.representatives import cluster

#: Values of k for which the silhouette is computed.
SILHOUETTE_KS = range(2, 21)


def rank_correlation(a: FloatArray, b: FloatArray) -> float:
    """Kendall's tau-b of the similarities of all pairs; NaN if either ranks nothing.

    >>> same = np.array([[1.0, 0.3, 0.2], [0.3, 1.0, 0.1], [0.2, 0.1, 1.0]])
    >>> rank_correlation(same, same**2)
    1.0
    """
    from scipy.stats import kendalltau

    pairs = np.triu_indices(len(a), 1)
    if len(pairs[0]) < 2:
        return float("nan")
    return float(kendalltau(a[pairs], b[pairs]).statistic)


def silhouette(similarity: FloatArray, labels: IntArray) -> float:
    """Mean silhouette (Rousseeuw, 1987): (b - a) / max(a, b) over all architectures.

    a is the mean distance to the others of the own cluster, b to the nearest other cluster. An
    architecture alone in its cluster counts 0. So does everything if there is one cluster.

    It is as scikit-learn's, whose import takes longer than all figures.

    Args:
        similarity: (N, N), in [-1, 1].
        labels: (N,), the cluster of each.
    """
    distances = 1.0 - similarity
    np.fill_diagonal(distances, 0.0)
    groups, place, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(groups) == 1:
        return 0.0
    every = np.arange(len(labels))
    # (N, clusters): the sum of distances to the members of each.
    sums = distances @ (place[:, None] == np.arange(len(groups)))
    own = sizes[place]
    a = sums[every, place] / np.maximum(own - 1, 1)
    means = sums / sizes
    means[every, place] = np.inf
    b = means.min(1)
    most = np.maximum(a, b)
    values = np.where((own > 1) & (most > 0), (b - a) / np.where(most > 0, most, 1.0), 0.0)
    return float(values.mean())


def relatives(similarity: FloatArray, families: Sequence[str]) -> tuple[int, int]:
    """Of how many architectures the most similar one is of their family, and of how many at all.

    Counted are those whose family has others.
    """
    labels = np.array(families)
    others = similarity.copy()
    np.fill_diagonal(others, -np.inf)
    nearest = others.argmax(1)
    counted = [one for one in range(len(labels)) if (labels == labels[one]).sum() > 1]
    return sum(bool(labels[nearest[one]] == labels[one]) for one in counted), len(counted)


def settings_table(outcome: Alignment) -> list[list[object]]:
    """One row for the chosen options, and one for each variant."""
    chosen = Variant("as chosen", outcome.similarity_matrix, outcome.clusters, outcome.chosen)
    rows: list[list[object]] = []
    for one in (chosen, *outcome.variants):
        similarity = one.similarity_matrix
        found, counted = relatives(similarity, outcome.tokenized.families)
        rows.append(
            [
                one.name,
                f"{rank_correlation(outcome.similarity_matrix, similarity):.4f}",
                f"{np.median(similarity[np.triu_indices(len(similarity), 1)]):.4f}",
                found,
                counted,
                f"{silhouette(similarity, one.clusters.labels):.4f}",
                "; ".join(outcome.names[k] for k in one.chosen),
            ]
        )
    return rows


def silhouette_curve(outcome: Alignment) -> list[tuple[int, float]]:
    """(k, mean silhouette) for each k of :data:`SILHOUETTE_KS` that the architectures allow."""
    allowed = outcome.options.allowed(outcome.architectures)
    curve = []
    for k in SILHOUETTE_KS:
        if k < len(outcome.names) and k <= allowed.sum():
            found = cluster(
                outcome.similarity_matrix, k, outcome.options.clustering, allowed=allowed
            )
            curve.append((k, silhouette(outcome.similarity_matrix, found.labels)))
    return curve
