"""Which few architectures stand for all: clusters, their medoids, and how firm the choice is.

Similarities lie in [-1, 1], as correlations do; those of :mod:`alignment.similarity` in [0, 1].
Distances are 1 - similarity, so in [0, 2]. They are rounded to whole billionths, so that sums are
exact, and ties fall the same way on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.arrays import BoolArray, FloatArray, IntArray
from alignment.errors import AlignmentError, check_known
from alignment.medoids import k_medoids

METHODS = ("medoids", "hierarchical")

_BILLION = 1_000_000_000


@dataclass(frozen=True)
class Clusters:
    """A partition with one centre a cluster.

    Attributes:
        medoids: (k,), ascending; of the members that may be one, that with the least sum of
            distances to its cluster.
        labels: (N,), for each architecture the place of its medoid in ``medoids``.
    """

    medoids: IntArray
    labels: IntArray

    def members(self, cluster: int) -> IntArray:
        """The architectures of one cluster, in order."""
        return np.flatnonzero(self.labels == cluster)


def cluster(
    similarity: FloatArray,
    k: int,
    method: str = "medoids",
    *,
    allowed: BoolArray | None = None,
) -> Clusters:
    """Divide architectures into ``k`` clusters.

    Args:
        similarity: (N, N), symmetric, in [-1, 1].
        k: from 1 to N, or to the number of those that are allowed.
        method: "medoids" (the ``k`` centres with the least sum of distances to them) or
            "hierarchical" (average linkage without its last ``k`` - 1 merges).
        allowed: (N,), which may be a medoid; by default all. The others are represented, too:
            their distances count in every sum. Hierarchical clusters are those of the allowed, and
            each other architecture joins the one that is nearest on average.

    Returns:
        Exactly ``k`` clusters, also where distances tie.

    Raises:
        AlignmentError: ``k`` is not from 1 to N, or more than are allowed; the method is unknown;
            or a similarity is not from -1 to 1.
    """
    check_known("clustering", method, METHODS)
    count = len(similarity)
    if not 1 <= k <= count:
        raise AlignmentError(
            f"cannot choose {k} representatives of {count} architectures; from 1 to {count}"
        )
    if allowed is None:
        allowed = np.ones(count, np.bool_)
    if k > allowed.sum():
        raise AlignmentError(
            f"cannot choose {k} representatives of {count} architectures, of which "
            f"{allowed.sum()} are allowed"
        )
    distances = _exact(similarity)
    if method == "medoids":
        medoids = k_medoids(distances, k, allowed=allowed)
        labels = distances[:, medoids].argmin(1)
        # Of two equal architectures, each that is a medoid stands in its own cluster.
        labels[medoids] = np.arange(k)
        return Clusters(medoids, labels.astype(np.int64))
    groups = _groups(similarity, distances, k, np.flatnonzero(allowed))
    centres = []
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        centred = members[allowed[members]]
        centres.append(centred[distances[np.ix_(members, centred)].sum(0).argmin()])
    order = np.argsort(centres)
    place = {group: rank for rank, group in enumerate(np.unique(groups)[order])}
    labels = np.array([place[group] for group in groups], np.int64)
    return Clusters(np.array(centres, np.int64)[order], labels)


def _groups(similarity: FloatArray, distances: IntArray, k: int, allowed: IntArray) -> IntArray:
    """(N,), for each architecture the number of its group in the tree of those ``allowed``."""
    few = similarity[np.ix_(allowed, allowed)]
    cut = _cut(linkage(few), k) if len(allowed) > 1 else np.ones(1, np.int64)
    numbers = np.unique(cut)
    means = np.stack([distances[:, allowed[cut == one]].mean(1) for one in numbers], axis=1)
    groups: IntArray = numbers[means.argmin(1)]
    groups[allowed] = cut
    return groups


def _cut(tree: FloatArray, k: int) -> IntArray:
    """The ``k`` clusters that are there before the last ``k`` - 1 merges of ``tree``."""
    from scipy.cluster.hierarchy import fcluster

    # SciPy cuts at a height, so it does all merges of equal heights or none. The places of merges
    # in the tree are heights without ties.
    ranked = tree.copy()
    ranked[:, 2] = np.arange(1, len(tree) + 1)
    return np.asarray(fcluster(ranked, len(tree) + 1 - k, "distance"), np.int64)


def linkage(similarity: FloatArray) -> FloatArray:
    """Average linkage of the distances, in SciPy's form, with the leaves in optimal order.

    Args:
        similarity: (N, N), symmetric, in [-1, 1]; N at least 2.

    Raises:
        AlignmentError: a similarity is not from -1 to 1.
    """
    from scipy.cluster.hierarchy import linkage as scipy_linkage
    from scipy.spatial.distance import squareform

    distances = _exact(similarity) / _BILLION
    # Optimal order takes cubic time: of more leaves than a figure can name, any order will do.
    tree = scipy_linkage(
        squareform(distances, checks=False), "average", optimal_ordering=len(similarity) <= 200
    )
    return np.asarray(tree, np.float64)


def _exact(similarity: FloatArray) -> IntArray:
    # A hair's breadth beyond 1 is how correlations are rounded.
    wrong = np.argwhere(~(np.abs(similarity) <= 1 + 1e-9))
    if len(wrong):
        i, j = wrong[0].tolist()
        raise AlignmentError(
            f"the similarity of architectures {i} and {j} is {similarity[i, j]}; from -1 to 1"
        )
    return np.rint((1.0 - similarity) * _BILLION).astype(np.int64)


def prefer_cheap(
    similarity: FloatArray,
    clusters: Clusters,
    costs: Sequence[int],
    within: float,
    *,
    allowed: BoolArray | None = None,
) -> IntArray:
    """For each cluster its cheapest member no further than ``within`` from the medoid.

    Of equal costs, the member nearer to the medoid.

    Args:
        similarity: (N, N), symmetric, in [-1, 1].
        clusters: of the N architectures.
        costs: of the N architectures.
        within: a distance, 1 - similarity.
        allowed: (N,), which may be chosen; by default all.

    Raises:
        AlignmentError: ``within`` is not from 0 to 2.
    """
    if not 0 <= within <= 2:
        raise AlignmentError(f"within is {within}; it is a distance, from 0 to 2")
    distances = 1.0 - similarity
    chosen = []
    for place, medoid in enumerate(clusters.medoids):
        near = [
            int(member)
            for member in clusters.members(place)
            if member == medoid
            or (distances[member, medoid] <= within and (allowed is None or allowed[member]))
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
