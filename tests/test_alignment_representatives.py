from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, milp

from alignment import AlignmentError, cluster
from alignment.medoids import k_medoids
from alignment.representatives import METHODS, Clusters, prefer_cheap, stability

RESULTS = Path(__file__).parents[1] / "results" / "align"


def random_similarity(seed: int, count: int = 12, groups: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    points = random.normal(size=(count, 3)) + 4 * (np.arange(count) % groups)[:, None]
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return 1 - distances / distances.max()


@pytest.mark.parametrize("k", [1, 2, 3, 4, 11, 12])
@pytest.mark.parametrize("seed", range(6))
def test_k_medoids_finds_the_best(k: int, seed: int) -> None:
    similarity = random_similarity(seed)
    distances = 1 - similarity
    found = cluster(similarity, k)
    best = min(distances[:, list(chosen)].min(1).sum() for chosen in combinations(range(12), k))
    assert distances[:, found.medoids].min(1).sum() == pytest.approx(best, abs=1e-7)
    assert (distances[np.arange(12), found.medoids[found.labels]]).sum() == pytest.approx(
        best, abs=1e-7
    )


def least_sum(distances: np.ndarray, k: int) -> float:
    """The least sum of distances to k medoids, by SciPy's solver of integer programs.

    The p-median problem: y[j] says that j is a medoid, x[i, j] that j is the medoid of i.
    """
    n = len(distances)
    eye = np.eye(n)
    assigned = np.hstack([np.kron(eye, np.ones((1, n))), np.zeros((n, n))])
    opened = np.hstack([np.eye(n * n), -np.kron(np.ones((n, 1)), eye)])
    chosen = np.hstack([np.zeros(n * n), np.ones(n)])
    answer = milp(
        np.hstack([distances.ravel(), np.zeros(n)]),
        integrality=np.ones(n * n + n),
        bounds=(0, 1),
        constraints=[
            LinearConstraint(assigned, 1, 1),
            LinearConstraint(opened, -np.inf, 0),
            LinearConstraint(chosen, k, k),
        ],
        options={"mip_rel_gap": 0},
    )
    assert answer.success
    return float(answer.fun)


@pytest.mark.parametrize("k", [2, 5, 10, 16])
def test_the_medoids_of_the_44_are_the_best(k: int) -> None:
    distances = 1 - pd.read_csv(RESULTS / "similarity.csv", index_col=0).to_numpy()
    found = k_medoids(np.rint(distances * 1e9).astype(np.int64), k)
    assert distances[:, found].min(1).sum() == pytest.approx(least_sum(distances, k), abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_k_medoids_finds_the_best_among_ties(data: st.DataObject) -> None:
    """Of distances of few values, so that many choices are equally good; by trying all."""
    n = data.draw(st.integers(1, 7))
    k = data.draw(st.integers(1, n))
    upper = data.draw(st.lists(st.integers(0, 3), min_size=n * n, max_size=n * n))
    half = np.triu(np.array(upper).reshape(n, n), 1)
    distances = half + half.T
    sums = {c: distances[:, list(c)].min(1).sum() for c in combinations(range(n), k)}
    found = tuple(k_medoids(distances, k).tolist())
    assert sums[found] == min(sums.values())


@pytest.mark.parametrize("method", METHODS)
def test_clusters_are_found_and_named_by_their_centres(method: str) -> None:
    found = cluster(random_similarity(3, 30), 3, method)
    assert sorted(found.medoids.tolist()) == found.medoids.tolist()
    assert all(found.labels[medoid] == place for place, medoid in enumerate(found.medoids))
    groups = {frozenset((found.members(place) % 3).tolist()) for place in range(3)}
    assert groups == {frozenset({0}), frozenset({1}), frozenset({2})}


@pytest.mark.parametrize("method", METHODS)
def test_equal_architectures_and_all_of_them(method: str) -> None:
    same = np.ones((4, 4))
    assert cluster(same, 1, method).medoids.tolist() == [0]
    if method == "medoids":
        assert cluster(same, 4, method).labels.tolist() == [0, 1, 2, 3]
    assert len(cluster(random_similarity(0), 12, method).medoids) == 12
    assert cluster(np.ones((1, 1)), 1, method).labels.tolist() == [0]


@pytest.mark.parametrize("k", [0, -1, 13])
def test_more_representatives_than_architectures(k: int) -> None:
    with pytest.raises(AlignmentError, match="from 1 to 12"):
        cluster(random_similarity(0), k)


def test_unknown_clustering() -> None:
    with pytest.raises(AlignmentError, match="medoids, hierarchical"):
        cluster(random_similarity(0), 2, "kmeans")


def test_a_cheap_member_near_the_medoid() -> None:
    similarity = np.array(
        [[1.0, 0.95, 0.8, 0.1], [0.95, 1.0, 0.8, 0.1], [0.8, 0.8, 1.0, 0.1], [0.1, 0.1, 0.1, 1.0]]
    )
    clusters = Clusters(np.array([0, 3]), np.array([0, 0, 0, 1]))
    costs = [9, 5, 1, 7]
    for within, chosen in ((0.0, [0, 3]), (0.1, [1, 3]), (0.3, [2, 3])):
        assert prefer_cheap(similarity, clusters, costs, within).tolist() == chosen
    with pytest.raises(AlignmentError, match="from 0 to 1"):
        prefer_cheap(similarity, clusters, costs, 2.0)


def test_stability_counts_returns() -> None:
    others = [np.array([0, 1]), np.array([0, 2])]
    assert stability([0, 1], others) == [1.0, 0.5]
    assert np.isnan(stability([0], [])).all()
