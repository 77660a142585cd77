import time
import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment import Architecture, Layer, Options, compute
from alignment.options import variants
from alignment.sensitivity import (
    rank_correlation,
    relatives,
    settings_table,
    silhouette,
    silhouette_curve,
)


def symmetric(values: list[int], count: int) -> np.ndarray:
    half = np.triu(np.array(values[: count * count], float).reshape(count, count), 1) / 10
    return half + half.T + np.eye(count)


@st.composite
def pairs_of_matrices(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    count = draw(st.integers(2, 7))
    values = st.lists(st.integers(0, 9), min_size=count * count, max_size=count * count)
    return symmetric(draw(values), count), symmetric(draw(values), count)


@settings(max_examples=100, deadline=None)
@given(pairs_of_matrices())
def test_rank_correlation_is_that_of_kendall(pair) -> None:
    """Over all pairs of pairs: agreeing less disagreeing, over the geometric mean of untied."""
    a, b = (one[np.triu_indices(len(one), 1)] for one in pair)
    signs = [
        (np.sign(a[i] - a[j]), np.sign(b[i] - b[j])) for i, j in combinations(range(len(a)), 2)
    ]
    untied = [sum(bool(sign[k]) for sign in signs) for k in (0, 1)]
    found = rank_correlation(*pair)
    if 0 in untied:
        assert np.isnan(found)
    else:
        expected = sum(x * y for x, y in signs) / np.sqrt(untied[0] * untied[1])
        assert found == pytest.approx(expected)


def test_rank_correlation_of_150_architectures_is_cheap() -> None:
    random = np.random.default_rng(0)
    pair = [symmetric(random.integers(0, 1000, 150 * 150).tolist(), 150) for _ in range(2)]
    rank_correlation(*pair)  # imports SciPy's statistics
    tracemalloc.start()
    begun = time.process_time()
    rank_correlation(*pair)
    spent, peak = time.process_time() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All pairs of the 11,175 pairs at once would take ten seconds and two gigabytes.
    assert spent < 1
    assert peak < 50e6


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_silhouette_is_that_of_rousseeuw(data: st.DataObject) -> None:
    similarity, _ = data.draw(pairs_of_matrices())
    count = len(similarity)
    groups = data.draw(st.integers(1, count))
    drawn = data.draw(st.permutations([k % groups for k in range(count)]))
    labels, distances = np.array(drawn), 1 - similarity
    values = []
    for one in range(count):
        mean = {
            group: [distances[one, k] for k in range(count) if labels[k] == group and k != one]
            for group in range(groups)
        }
        own = mean.pop(drawn[one])
        if not own or not mean:
            values.append(0.0)
            continue
        a, b = np.mean(own), min(np.mean(other) for other in mean.values())
        values.append((b - a) / max(a, b) if max(a, b) else 0.0)
    assert silhouette(similarity, labels) == pytest.approx(np.mean(values), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 12), st.integers(2, 5), st.integers(0, 10**6))
def test_the_silhouette_is_that_of_scikit_learn(count: int, groups: int, seed: int) -> None:
    from sklearn.metrics import silhouette_score

    random = np.random.default_rng(seed)
    half = np.triu(random.uniform(-1, 1, (count, count)).round(2), 1)  # distances up to 2
    similarity, labels = half + half.T + np.eye(count), random.integers(0, groups, count)
    if not 1 < len(np.unique(labels)) < count:
        assert silhouette(similarity, labels) == 0
        return
    expected = silhouette_score(1 - similarity, labels, metric="precomputed")
    assert silhouette(similarity, labels) == pytest.approx(expected, abs=1e-12)


def test_relatives() -> None:
    similarity = np.array(
        [[1, 0.9, 0.1, 0.2], [0.9, 1, 0.3, 0.2], [0.1, 0.3, 1, 0.2], [0.2] * 3 + [1]]
    )
    assert relatives(similarity, ["a", "a", "a", "b"]) == (3, 3)
    assert relatives(similarity, ["a", "b", "b", "a"]) == (2, 4)
    # The opposite of all others has a nearest one, too, and it is not itself.
    assert relatives(np.array([[1.0, -1.0], [-1.0, 1.0]]), ["a", "a"]) == (2, 2)
    opposite = np.array([[1.0, -1.0, -1.0], [-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])
    assert relatives(opposite, ["a", "b", "a"]) == (0, 2)


def small_zoo() -> list[Architecture]:
    conv, relu, pool = Layer("conv2d"), Layer("relu"), Layer("max_pool")
    return [
        Architecture(f"{name}{n}", name, tuple(body * n))
        for name, body in (("a", [conv, relu]), ("b", [pool, relu, relu]))
        for n in (3, 4, 5)
    ]


def test_settings_are_compared() -> None:
    options = Options("layer", representatives=2)
    rows = settings_table(compute(small_zoo(), options))
    assert rows[0] == ["as chosen", "1.0000", rows[0][2], 6, 6, rows[0][5], "a4; b4"]
    # The zoo has no listings, so the two schemes that read them are left out.
    assert len(rows) == 1 + len(variants(options)) - 2


def test_the_silhouette_curve_stops_in_time() -> None:
    assert [k for k, _ in silhouette_curve(compute(small_zoo(), Options()))] == [2, 3, 4, 5]
