"""k-medoids: the k centres with the least sum of distances to them.

Partitioning around medoids (Kaufman and Rousseeuw, "Finding groups in data", 1990), with all swaps
of a step evaluated at once (Schubert and Rousseeuw, "Fast and eager k-medoids clustering", 2021).
Written here because the one well-kept package for it, ``kmedoids``, is under the GPL; the tests
compare it with an exact solver.
"""

import numpy as np

from alignment.arrays import BoolArray, IntArray


def k_medoids(distances: IntArray, k: int, *, allowed: BoolArray | None = None) -> IntArray:
    """The best of many descents by swaps, from a greedy start and from random ones (seed 0).

    Of equally good ends of a descent the one that comes first in lexicographic order.

    Args:
        distances: (N, N), whole numbers of 0 and above, so that sums are exact.
        k: from 1 to N, or to the number of those that are allowed.
        allowed: (N,), which may be a centre; by default all. Distances of all count.

    Returns:
        The ``k`` places, ascending.
    """
    count = len(distances)
    starts = 12 if count <= 200 else 4
    random = np.random.default_rng(0)
    places = np.arange(count) if allowed is None else np.flatnonzero(allowed)
    barred = np.setdiff1d(np.arange(count), places)
    beginnings = [_greedy(distances, k, barred)]
    beginnings += [np.sort(random.permutation(places)[:k]) for _ in range(starts)]
    best: tuple[int, tuple[int, ...]] | None = None
    for beginning in beginnings:
        found = _descend(distances, beginning, barred)
        if best is None or found < best:
            best = found
    assert best is not None
    return np.array(best[1], np.int64)


def _greedy(distances: IntArray, k: int, barred: IntArray) -> IntArray:
    chosen: list[int] = []
    nearest = np.full(len(distances), distances.max() + 1, np.int64)
    for _ in range(k):
        gains = np.minimum(nearest[:, None], distances).sum(0)
        gains[chosen] = gains[barred] = np.iinfo(np.int64).max
        chosen.append(int(gains.argmin()))
        nearest = np.minimum(nearest, distances[:, chosen[-1]])
    return np.sort(np.array(chosen, np.int64))


def _descend(
    distances: IntArray, medoids: IntArray, barred: IntArray
) -> tuple[int, tuple[int, ...]]:
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
        change[:, medoids] = change[:, barred] = 0
        best = int(change.argmin())
        if change.flat[best] >= 0:
            return int(nearest.sum()), tuple(sorted(medoids.tolist()))
        medoids[best // len(distances)] = best % len(distances)
