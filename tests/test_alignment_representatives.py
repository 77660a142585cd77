from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cut_tree
from scipy.optimize import Bounds, LinearConstraint, milp

from alignment import AlignmentError, Architecture, Layer, Options, cluster, compute
from alignment.medoids import k_medoids
from alignment.representatives import METHODS, Clusters, linkage, prefer_cheap, stability
from alignment.sensitivity import silhouette_curve

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


def least_sum(distances: np.ndarray, k: int, allowed: np.ndarray | None = None) -> float:
    """The least sum of distances to k medoids, by SciPy's solver of integer programs.

    The p-median problem: y[j] says that j is a medoid, which only those allowed can be, and x[i, j]
    that j is the medoid of i.
    """
    n = len(distances)
    eye = np.eye(n)
    assigned = np.hstack([np.kron(eye, np.ones((1, n))), np.zeros((n, n))])
    opened = np.hstack([np.eye(n * n), -np.kron(np.ones((n, 1)), eye)])
    chosen = np.hstack([np.zeros(n * n), np.ones(n)])
    may = np.ones(n) if allowed is None else allowed.astype(float)
    answer = milp(
        np.hstack([distances.ravel(), np.zeros(n)]),
        integrality=np.ones(n * n + n),
        bounds=Bounds(0, np.hstack([np.ones(n * n), may])),
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


@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_the_medoids_of_the_44_among_those_allowed_are_the_best(k: int, share: float) -> None:
    distances = 1 - pd.read_csv(RESULTS / "similarity.csv", index_col=0).to_numpy()
    exact = np.rint(distances * 1e9).astype(np.int64)
    allowed = np.random.default_rng(k).random(len(distances)) < share
    allowed[k_medoids(exact, k)] = False  # those that would be chosen of all
    found = k_medoids(exact, k, allowed=allowed)
    assert allowed[found].all()
    best = least_sum(distances, k, allowed)
    assert distances[:, found].min(1).sum() == pytest.approx(best, abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_k_medoids_finds_the_best_of_those_allowed(data: st.DataObject) -> None:
    """By trying all; distances tie."""
    n = data.draw(st.integers(1, 7))
    upper = data.draw(st.lists(st.integers(0, 3), min_size=n * n, max_size=n * n))
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any)))
    k = data.draw(st.integers(1, int(allowed.sum())))
    half = np.triu(np.array(upper).reshape(n, n), 1)
    distances = half + half.T
    choices = combinations(np.flatnonzero(allowed).tolist(), k)
    sums = {chosen: distances[:, list(chosen)].min(1).sum() for chosen in choices}
    found = tuple(k_medoids(distances, k, allowed=allowed).tolist())
    assert sums[found] == min(sums.values())


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
    assert cluster(same, 4, method).labels.tolist() == [0, 1, 2, 3]
    assert len(cluster(random_similarity(0), 12, method).medoids) == 12
    assert cluster(np.ones((1, 1)), 1, method).labels.tolist() == [0]


tied = st.integers(2, 14).flatmap(
    lambda n: st.lists(st.integers(0, 3), min_size=n * n, max_size=n * n).map(
        lambda values: symmetric(np.array(values).reshape(n, n))
    )
)


def symmetric(values: np.ndarray) -> np.ndarray:
    """Similarities of few values, from -1 to 1, so that many distances tie."""
    half = np.triu(1 - 2 * values / 3, 1)
    return half + half.T + np.eye(len(values))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=150, deadline=None)
@given(similarity=tied)
def test_as_many_clusters_as_asked_where_distances_tie(method: str, similarity) -> None:
    count = len(similarity)
    before: list[frozenset[int]] | None = None
    for k in range(1, count + 1):
        found = cluster(similarity, k, method)
        assert len(found.medoids) == len(set(found.medoids.tolist())) == k
        assert sorted(set(found.labels.tolist())) == list(range(k))
        assert found.labels[found.medoids].tolist() == list(range(k))
        groups = [frozenset(found.members(place).tolist()) for place in range(k)]
        if method == "hierarchical" and before is not None:
            # One cluster was divided, and the others are as before.
            assert len(set(before) - set(groups)) == 1
        before = groups


@pytest.mark.parametrize("seed", range(5))
def test_hierarchical_clusters_without_ties_are_those_of_scipys_cut_tree(seed: int) -> None:
    similarity = random_similarity(seed, 15, 4)
    tree = linkage(similarity)
    for k in range(1, 16):
        oracle = cut_tree(tree, n_clusters=k).ravel()
        labels = cluster(similarity, k, "hierarchical").labels
        assert np.array_equal(labels[:, None] == labels[None], oracle[:, None] == oracle[None])


def correlations(seed: int, count: int = 10) -> np.ndarray:
    """Two groups that are opposites of each other, and noise."""
    random = np.random.default_rng(seed)
    profile = random.normal(size=20) * np.where(np.arange(count) % 2, 1, -1)[:, None]
    return np.corrcoef(profile + 0.3 * random.normal(size=(count, 20)))


@pytest.mark.parametrize("method", METHODS)
def test_correlations_are_similarities_too(method: str) -> None:
    similarity = correlations(0)
    assert similarity.min() < -0.7
    found = cluster(similarity, 2, method)
    assert {frozenset(found.members(p).tolist()) for p in (0, 1)} == {
        frozenset(range(0, 10, 2)),
        frozenset(range(1, 10, 2)),
    }
    tree = linkage(similarity)
    assert tree[-1, 2] == pytest.approx((1 - similarity)[::2, 1::2].mean(), abs=1e-8)
    assert tree[-1, 2] > 1
    # An affine change of all similarities changes no clustering.
    for k in range(1, 11):
        shrunk = cluster((similarity + 1) / 2, k, method)
        assert np.array_equal(shrunk.labels, cluster(similarity, k, method).labels)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_k_medoids_of_correlations_are_the_best(seed: int, k: int) -> None:
    similarity = correlations(seed)
    distances = 1 - similarity
    best = min(distances[:, list(c)].min(1).sum() for c in combinations(range(10), k))
    assert distances[:, cluster(similarity, k).medoids].min(1).sum() == pytest.approx(
        best, abs=1e-7
    )


def test_a_cheap_member_of_the_opposite() -> None:
    similarity = np.array([[1.0, -0.9], [-0.9, 1.0]])
    clusters = Clusters(np.array([0]), np.array([0, 0]))
    assert prefer_cheap(similarity, clusters, [2, 1], 1.8).tolist() == [0]
    assert prefer_cheap(similarity, clusters, [2, 1], 2.0).tolist() == [1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [np.nan, 1.1, -1.1, np.inf])
def test_what_is_no_similarity_is_refused(method: str, value: float) -> None:
    similarity = np.eye(3)
    similarity[1, 2] = similarity[2, 1] = value
    with pytest.raises(AlignmentError, match=r"architectures 1 and 2 is .*; from -1 to 1"):
        cluster(similarity, 2, method)


@pytest.mark.parametrize("k", [0, -1, 13])
def test_more_representatives_than_architectures(k: int) -> None:
    with pytest.raises(AlignmentError, match="from 1 to 12"):
        cluster(random_similarity(0), k)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_medoids_are_of_those_allowed_and_stand_for_all(method: str, data: st.DataObject) -> None:
    similarity = data.draw(tied)
    n = len(similarity)
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any)))
    k = data.draw(st.integers(1, int(allowed.sum())))
    found = cluster(similarity, k, method, allowed=allowed)
    assert len(set(found.medoids.tolist())) == k
    assert allowed[found.medoids].all()
    assert found.labels[found.medoids].tolist() == list(range(k))
    assert sum(len(found.members(place)) for place in range(k)) == n
    distances = np.rint((1 - similarity) * 1e9)
    for place, medoid in enumerate(found.medoids):
        members = found.members(place)
        sums = distances[np.ix_(members, members[allowed[members]])].sum(0)
        centre = distances[members, medoid].sum()
        if method == "hierarchical":
            assert centre == sums.min()
        else:
            assert (distances[members, medoid] == distances[members][:, found.medoids].min(1)).all()


@pytest.mark.parametrize("method", METHODS)
def test_all_allowed_is_no_limit(method: str) -> None:
    for seed in range(5):
        similarity = random_similarity(seed, 20)
        free = cluster(similarity, 4, method)
        bound = cluster(similarity, 4, method, allowed=np.ones(20, bool))
        assert np.array_equal(free.medoids, bound.medoids)
        assert np.array_equal(free.labels, bound.labels)


def test_who_is_not_allowed_joins_the_hierarchical_cluster_nearest_on_average() -> None:
    # Places on a line; the last stands between two groups, and is nearer to the right one.
    places = np.array([0.0, 0.02, 0.3, 0.32, 0.18])
    similarity = 1 - np.abs(places[:, None] - places)
    allowed = np.array([True, True, True, True, False])
    found = cluster(similarity, 2, "hierarchical", allowed=allowed)
    assert found.labels.tolist() == [0, 0, 1, 1, 1]
    assert found.medoids.tolist() == [0, 2]


def test_fewer_allowed_than_representatives() -> None:
    allowed = np.arange(12) < 3
    with pytest.raises(AlignmentError, match=r"4 representatives of 12 .* of which 3 are allowed"):
        cluster(random_similarity(0), 4, allowed=allowed)


def network(name: str, *kinds: str, params: int, flops: int) -> Architecture:
    first = Layer(kinds[0], params=params, flops=flops)
    return Architecture(name, name[0], (first, *map(Layer, kinds[1:])))


SIZES = [
    network("a1", "conv2d", "relu", "linear", params=100, flops=1000),
    network("a2", "conv2d", "relu", "relu", "linear", params=200, flops=10),
    network("b1", "linear", "gelu", "softmax", params=5, flops=500),
    network("b2", "linear", "gelu", "softmax", "softmax", params=300, flops=700),
]


@pytest.mark.parametrize("clustering", METHODS)
def test_limits_of_an_alignment(clustering: str) -> None:
    few = {"representatives": 2, "clustering": clustering}
    assert compute(SIZES, Options(**few, max_params=200)).representative_names[1] == "b1"
    small = compute(SIZES, Options(**few, max_params=200, max_flops=500))
    assert small.representative_names == ("a2", "b1")
    assert sorted(row.member for row in small.members()) == ["a1", "a2", "b1", "b2"]
    assert small.options.choice_title().endswith("at most 200 parameters and 500 multiply-adds")
    assert {tuple(one.chosen.tolist()) for one in small.variants} == {(1, 2)}
    # The limits are those of representatives, and change no similarity.
    assert np.array_equal(small.similarity_matrix, compute(SIZES, Options()).similarity_matrix)
    # Without a number, all that the limits leave are chosen, up to ten.
    assert compute(SIZES, Options(max_flops=500)).representative_names == ("a2", "b1")


def test_a_cheap_member_satisfies_the_limits_too() -> None:
    cheap = Options(representatives=1, prefer="cheap", within=2)
    assert compute(SIZES, cheap).representative_names == ("a2",)
    bound = Options(representatives=1, prefer="cheap", within=2, max_params=100)
    assert compute(SIZES, bound).representative_names == ("b1",)


@pytest.mark.parametrize("name", ["max_params", "max_flops"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "5M"])
def test_limits_are_whole_numbers(name: str, value: object) -> None:
    with pytest.raises(AlignmentError, match=f"{name} is .*; it must be a whole number of 1"):
        Options(**{name: value}).check()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            Options(representatives=3, max_params=200, max_flops=900),
            "2 of 4 architectures have at most 200 parameters and 900 multiply-adds, fewer than "
            "the 3",
        ),
        (
            Options(max_params=4),
            "0 of 4 architectures have at most 4 parameters, fewer than the 1 to choose; the least "
            "parameters are 5, the least multiply-adds 10",
        ),
    ],
)
def test_too_few_satisfy_the_limits(options: Options, told: str) -> None:
    with pytest.raises(AlignmentError, match=told) as caught:
        compute(SIZES, options)
    assert "\n" not in str(caught.value)


def test_a_silhouette_of_as_many_clusters_as_the_limits_allow() -> None:
    outcome = compute(SIZES, Options(max_params=200))
    assert [k for k, _ in silhouette_curve(outcome)] == [2, 3]


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
    for within in (2.1, -0.1, np.nan):
        with pytest.raises(AlignmentError, match="from 0 to 2"):
            prefer_cheap(similarity, clusters, costs, within)


def test_stability_counts_returns() -> None:
    others = [np.array([0, 1]), np.array([0, 2])]
    assert stability([0, 1], others) == [1.0, 0.5]
    assert np.isnan(stability([0], [])).all()
