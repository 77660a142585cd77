"""Two aims at once, both to be lowered: fronts, crowding, and the area that a front commands."""

import numpy as np
import numpy.typing as npt

#: One row a candidate, one column an aim.
Points = npt.NDArray[np.float64]


def front(points: Points) -> npt.NDArray[np.bool_]:
    """Which rows of ``points`` (n, 2) no other row dominates.

    A row dominates another that it is no worse than in either aim, and better than in one. Of
    equal rows all are on the front.
    """
    no_worse = np.all(points[:, None] <= points[None], axis=2)
    better = np.any(points[:, None] < points[None], axis=2)
    dominated = np.any(no_worse & better, axis=0)
    return np.asarray(~dominated, dtype=np.bool_)


def crowding(points: Points) -> npt.NDArray[np.float64]:
    """NSGA-II's crowding distance of each row: how far its neighbours in each aim are apart.

    In units of each aim's range; the ends are infinitely far (Deb et al., 2002, section III.B).
    """
    distance = np.zeros(len(points))
    for values in points.T:
        order = np.argsort(values, kind="stable")
        span = values[order[-1]] - values[order[0]]
        distance[order[[0, -1]]] = np.inf
        if span > 0:
            distance[order[1:-1]] += (values[order[2:]] - values[order[:-2]]) / span
    return distance


def selection_order(points: Points) -> list[int]:
    """Rows of ``points`` in the order of NSGA-II: by front, then the less crowded first.

    Ties keep the order of the rows.
    """
    left = np.arange(len(points))
    order: list[int] = []
    while len(left):
        on_front = front(points[left])
        rows = left[on_front]
        order += rows[np.argsort(-crowding(points[rows]), kind="stable")].tolist()
        left = left[~on_front]
    return order


def hypervolume(points: Points, reference: tuple[float, float]) -> float:
    """Area between the front of ``points`` and ``reference``, which is worse than all that count.

    Rows that are not better than the reference in both aims add nothing.
    """
    useful = points[(points < np.asarray(reference)).all(axis=1)]
    area, height = 0.0, reference[1]
    for first, second in sorted(map(tuple, useful.tolist())):
        if second < height:
            area += (reference[0] - first) * (height - second)
            height = second
    return area
