from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau
from sklearn.metrics import silhouette_score

from alignment import (
    AlignmentError,
    Architecture,
    Layer,
    Options,
    Scoring,
    cluster,
    compute,
    normalize,
    score_matrix,
    similarities,
    tokenize,
)
from alignment.representatives import METHODS, Clusters, prefer_cheap, silhouette, stability
from alignment.run import kendall, settings_table, variants
from alignment.similarity import NORMALIZATIONS

sequences = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=20), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    sequences,
    st.sampled_from(sorted(NORMALIZATIONS)),
    st.builds(
        Scoring,
        st.integers(1, 4),
        st.integers(-4, 0),
        st.integers(-5, -2),
        st.sampled_from([None, -2, -1, 0]),
        st.sampled_from(["classic", "zero"]),
    ),
)
def test_similarities_are_similarities(rows, method, scoring) -> None:
    scores = score_matrix(rows, scoring)
    values = normalize(scores, [len(row) for row in rows], scoring, method)
    assert np.array_equal(values, values.T)
    assert (values.diagonal() == 1).all()
    assert ((values >= 0) & (values <= 1)).all()


def test_each_normalization() -> None:
    # Five tokens, three of which are the other sequence: 3 matches and 2 gaps.
    rows = [[0, 1, 2, 3, 4], [0, 2, 4]]
    scores = score_matrix(rows, Scoring())
    assert scores[0, 1] == 1
    expected = {
        "range": (1 + 8) / (5 + 8),
        "longer": 1 / 5,
        "shorter": 1 / 3,
        "mean": 2 / 8,
        "geometric": 1 / np.sqrt(15),
    }
    for method, value in expected.items():
        assert normalize(scores, [5, 3], Scoring(), method)[0, 1] == pytest.approx(value)


def test_range_needs_no_cut_with_classic_borders() -> None:
    """What `normalize` cuts off to stay in [0, 1] is never there: the worst score is a bound."""
    random = np.random.default_rng(0)
    for scoring in (Scoring(), Scoring(2, -9, -3, -1), Scoring(1, -5, 0)):
        rows = [random.integers(0, 9, int(n)) for n in random.integers(1, 40, 20)]
        scores = score_matrix(rows, scoring)
        worst = np.add.outer(*[[scoring.gap_score(len(row)) for row in rows]] * 2)
        assert (scores >= worst).all()


def test_bad_normalizations() -> None:
    with pytest.raises(AlignmentError, match="unknown normalization"):
        normalize(np.eye(2, dtype=int), [1, 1], Scoring(), "longest")
    with pytest.raises(AlignmentError, match="with itself"):
        normalize(np.zeros((2, 2), int), [1, 1], Scoring())


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


@pytest.mark.parametrize("k", [2, 3, 5])
def test_silhouette_is_that_of_scikit_learn(k: int) -> None:
    similarity = random_similarity(5, 20)
    np.fill_diagonal(similarity, 1.0)
    labels = cluster(similarity, k).labels
    expected = silhouette_score(1 - similarity, labels, metric="precomputed")
    assert silhouette(similarity, labels) == pytest.approx(expected)
    assert silhouette(similarity, np.zeros(20, int)) == 0.0


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


def small_zoo() -> list[Architecture]:
    conv, relu, pool = Layer("conv2d", flops=5), Layer("relu"), Layer("max_pool")
    return [
        Architecture(f"{name}{n}", name, tuple(body * n))
        for name, body in (("a", [conv, relu]), ("b", [pool, relu, relu]))
        for n in (3, 4, 5)
    ]


def test_an_outcome() -> None:
    options = Options(representatives=2)
    outcome = compute(small_zoo(), options)
    assert [outcome.names[one] for one in outcome.representatives] == ["a4", "b4"]
    assert all(0 <= one <= 1 for one in outcome.stability)
    again = compute(small_zoo(), options)
    assert np.array_equal(outcome.similarity, again.similarity)
    frame = similarities(tokenize(small_zoo()))
    assert np.array_equal(frame.to_numpy(), outcome.similarity)
    assert frame.attrs["normalization"] == "range"
    assert list(frame.index) == list(outcome.names)


def test_cheap_representatives() -> None:
    outcome = compute(small_zoo(), Options(representatives=2, prefer="cheap", within=0.5))
    assert [outcome.names[one] for one in outcome.representatives] == ["a3", "b4"]


def test_settings_are_compared() -> None:
    rows = settings_table(compute(small_zoo(), Options(representatives=2)))
    assert rows[0] == ["as chosen", "1.0000", rows[0][2], 6, 6, rows[0][5], "a4; b4"]
    assert len(rows) == 11


def test_kendall_is_that_of_scipy() -> None:
    random = np.random.default_rng(0)
    a, b = (np.round(random.random((15, 15)), 1) for _ in range(2))
    a, b = a + a.T, b + b.T
    pairs = np.triu_indices(15, 1)
    assert kendall(a, b) == pytest.approx(kendalltau(a[pairs], b[pairs])[0])


def test_variants_change_one_thing_each() -> None:
    others = dict(variants(Options()))
    assert len(others) == 10
    assert Options() not in others.values()
    assert others["zero borders"].scoring.borders == "zero"
    assert {name for name in others if name.startswith("scheme")} == {
        "scheme geometry",
        "scheme block",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"scheme": "x"},
        {"normalization": "x"},
        {"clustering": "x"},
        {"prefer": "x"},
        {"representatives": 0},
        {"representatives": 7},
        {"within": -1},
        {"threads": 0},
    ],
)
def test_bad_options(changes: dict) -> None:
    with pytest.raises(AlignmentError):
        Options(**changes).check(6)
