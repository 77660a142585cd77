"""Which few architectures stand for all: clusters, their medoids, and how firm the choice is.

Distances are 1 - similarity. They are rounded to whole billionths, so that sums are exact, and
ties fall the same way on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alignment.errors import AlignmentError

METHODS = ("medoids", "hierarchical")

_BILLION = 1_000_000_000

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clusters:
    """A partition with one centre a cluster.

    Attributes:
        medoids: (k,), ascending; the member with the least sum of distances to its cluster.
        labels: (N,), for each architecture the place of its medoid in ``medoids``.
    """

    medoids: IntArray
    labels: IntArray

    def members(self, cluster: int) -> IntArray:
        """The architectures of one cluster, in order."""
        return np.flatnonzero(self.labels == cluster)


def cluster(similarity: FloatArray, k: int, method: str = "medoids") -> Clusters:
    """Divide architectures into ``k`` clusters.

    Args:
        similarity: (N, N), symmetric, in [0, 1].
        k: from 1 to N.
        method: "medoids" (the ``k`` centres with the least sum of distances to them) or
            "hierarchical" (average linkage, cut at ``k`` clusters).

    Raises:
        AlignmentError: ``k`` is not from 1 to N, or the method is unknown.
    """
    if method not in METHODS:
        raise AlignmentError(f"unknown clustering {method!r}; choose of {', '.join(METHODS)}")
    count = len(similarity)
    if not 1 <= k <= count:
        raise AlignmentError(
            f"cannot choose {k} representatives of {count} architectures; from 1 to {count}"
        )
    distances = _exact(similarity)
    if method == "medoids":
        return k_medoids(distances, k)
    from scipy.cluster.hierarchy import fcluster

    groups = fcluster(linkage(similarity), k, "maxclust") if count > 1 else np.ones(1)
    medoids = []
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        medoids.append(members[distances[np.ix_(members, members)].sum(0).argmin()])
    order = np.argsort(medoids)
    place = {group: rank for rank, group in enumerate(np.unique(groups)[order])}
    labels = np.array([place[group] for group in groups], np.int64)
    return Clusters(np.array(medoids, np.int64)[order], labels)


def linkage(similarity: FloatArray) -> FloatArray:
    """Average linkage of the distances, in SciPy's form, with the leaves in optimal order."""
    from scipy.cluster.hierarchy import linkage as scipy_linkage
    from scipy.spatial.distance import squareform

    distances = _exact(similarity) / _BILLION
    # Optimal order takes cubic time: of more leaves than a figure can name, any order will do.
    tree = scipy_linkage(
        squareform(distances, checks=False), "average", optimal_ordering=len(similarity) <= 200
    )
    return np.asarray(tree, np.float64)


def _exact(similarity: FloatArray) -> IntArray:
    return np.rint((1.0 - similarity) * _BILLION).astype(np.int64)


def k_medoids(distances: IntArray, k: int, starts: int | None = None) -> Clusters:
    """The best of many descents by swaps, from a greedy start and from random ones (seed 0).

    Partitioning around medoids (Kaufman and Rousseeuw, "Finding groups in data", 1990), with all
    swaps of a step evaluated at once (Schubert and Rousseeuw, "Fast and eager k-medoids
    clustering", 2021). Of equally good choices the one that comes first in lexicographic order.
    """
    count = len(distances)
    if starts is None:
        starts = 12 if count <= 200 else 4
    random = np.random.default_rng(0)
    beginnings = [_greedy(distances, k)]
    beginnings += [np.sort(random.permutation(count)[:k]) for _ in range(starts)]
    best: tuple[int, tuple[int, ...]] | None = None
    for beginning in beginnings:
        found = _descend(distances, beginning)
        if best is None or found < best:
            best = found
    assert best is not None
    medoids = np.array(best[1], np.int64)
    labels = distances[:, medoids].argmin(1)
    # Of two equal architectures, each that is a medoid stands in its own cluster.
    labels[medoids] = np.arange(k)
    return Clusters(medoids, labels.astype(np.int64))


def _greedy(distances: IntArray, k: int) -> IntArray:
    chosen: list[int] = []
    nearest = np.full(len(distances), distances.max() + 1, np.int64)
    for _ in range(k):
        gains = np.minimum(nearest[:, None], distances).sum(0)
        gains[chosen] = np.iinfo(np.int64).max
        chosen.append(int(gains.argmin()))
        nearest = np.minimum(nearest, distances[:, chosen[-1]])
    return np.sort(np.array(chosen, np.int64))


def _descend(distances: IntArray, medoids: IntArray) -> tuple[int, tuple[int, ...]]:
    medoids = medoids.copy()
    k = len(medoids)
    far = distances.max() + 1
    while True:
        to_medoids = distances[:, medoids]
        labels = to_medoids.argmin(1)
        nearest = to_medoids.min(1)
        if k > 1:
            second = np.partition(to_medoids, 1, axis=1)[:, 1]
        else:
            second = np.full(len(distances), far, np.int64)
        # Change of the sum if a candidate joins, and further if the medoid m leaves for it.
        joins = np.minimum(distances - nearest[:, None], 0)
        leaves = np.minimum(distances, second[:, None]) - nearest[:, None] - joins
        change = np.stack([leaves[labels == m].sum(0) for m in range(k)]) + joins.sum(0)
        change[:, medoids] = 0
        best = int(change.argmin())
        if change.flat[best] >= 0:
            return int(nearest.sum()), tuple(sorted(medoids.tolist()))
        medoids[best // len(distances)] = best % len(distances)


def silhouette(similarity: FloatArray, labels: IntArray) -> float:
    """Mean silhouette (Rousseeuw, 1987): (b - a) / max(a, b) over all architectures.

    a is the mean distance to the others of the own cluster, b to the nearest other cluster. An
    architecture alone in its cluster counts 0, and so does everything if there is one cluster.
    """
    groups = int(labels.max()) + 1
    if groups == 1:
        return 0.0
    distances = 1.0 - similarity
    member = (labels[:, None] == np.arange(groups)).astype(np.float64)
    sizes = member.sum(0)
    sums = distances @ member
    rows = np.arange(len(labels))
    own = sizes[labels]
    inside = sums[rows, labels] / np.maximum(own - 1, 1)
    outside = sums / sizes
    outside[rows, labels] = np.inf
    nearest = outside.min(1)
    scale = np.maximum(np.maximum(inside, nearest), np.finfo(float).tiny)
    return float(np.where(own > 1, (nearest - inside) / scale, 0.0).mean())


def prefer_cheap(
    similarity: FloatArray, clusters: Clusters, costs: Sequence[int], within: float
) -> IntArray:
    """For each cluster its cheapest member no further than ``within`` from the medoid.

    Of equal costs, the member nearer to the medoid.

    Raises:
        AlignmentError: ``within`` is not from 0 to 1.
    """
    if not 0 <= within <= 1:
        raise AlignmentError(f"within is {within}; it is a distance, from 0 to 1")
    distances = 1.0 - similarity
    chosen = []
    for place, medoid in enumerate(clusters.medoids):
        near = [
            int(member)
            for member in clusters.members(place)
            if member == medoid or distances[member, medoid] <= within
        ]
        chosen.append(min(near, key=lambda one: (costs[one], distances[one, medoid], one)))
    return np.array(chosen, np.int64)


def stability(chosen: Sequence[int], variants: Sequence[IntArray]) -> list[float]:
    """For each of ``chosen``, the share of ``variants`` that chooses it, too.

    NaN if there is no variant.
    """
    if not variants:
        return [float("nan")] * len(chosen)
    return [float(np.mean([one in variant for variant in variants])) for one in chosen]
