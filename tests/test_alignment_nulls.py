"""Scores beside those of shuffled sequences."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from alignment import AlignmentError, Scoring, score, score_matrix
from alignment.nulls import Null, corrected, permutation_null

rows_of_tokens = st.lists(
    st.lists(st.integers(0, 4), min_size=1, max_size=15), min_size=1, max_size=6
)


def fields(null: Null) -> list[np.ndarray]:
    return [null.mean, null.deviation, null.z, null.p]


def same(one: Null, other: Null) -> bool:
    return all(map(np.array_equal, fields(one), fields(other)))


def all_shuffles(a: list[int], b: list[int], scoring: Scoring) -> np.ndarray:
    """Scores of all orders of both."""
    return np.array([score(x, y, scoring) for x in permutations(a) for y in permutations(b)])


@pytest.mark.parametrize("scoring", [Scoring(), Scoring(2, -3, -3, -1), Scoring(borders="zero")])
def test_the_null_is_that_of_all_orders(scoring: Scoring) -> None:
    a, b = [0, 1, 2, 1], [0, 0, 1]
    count = 3000
    null = permutation_null([a, b], scoring, shuffles=count)
    for (i, x), (j, y) in (((0, a), (1, b)), ((1, b), (0, a)), ((0, a), (0, a)), ((1, b), (1, b))):
        scores = all_shuffles(x, y, scoring)
        share = (scores >= score(x, y, scoring)).mean()
        assert null.mean[i, j] == pytest.approx(scores.mean(), abs=4 * scores.std() / count**0.5)
        assert null.deviation[i, j] == pytest.approx(scores.std(), rel=0.1)
        assert null.p[i, j] == pytest.approx(share, abs=4 * (share / count) ** 0.5)
        z = (score(x, y, scoring) - scores.mean()) / scores.std()
        assert null.z[i, j] == pytest.approx(z, rel=0.1, abs=0.1)


@settings(max_examples=60, deadline=None)
@given(rows_of_tokens, st.integers(2, 12), st.integers(0, 3))
def test_properties(rows: list[list[int]], shuffles: int, seed: int) -> None:
    null = permutation_null(rows, shuffles=shuffles, seed=seed)
    for field in fields(null):
        assert np.array_equal(field, field.T)
        assert not np.isnan(field).any()
    assert ((null.p >= 1 / (shuffles + 1)) & (null.p <= 1)).all()
    assert (null.deviation >= 0).all()
    # A sequence scores with itself what no shuffle exceeds.
    assert (null.z.diagonal() >= 0).all()
    scores = score_matrix(rows)
    values = corrected(scores, null)
    assert np.array_equal(values, values.T)
    assert ((values >= 0) & (values <= 1)).all()
    assert (values.diagonal() == 1).all()
    assert same(null, permutation_null(rows, shuffles=shuffles, seed=seed, threads=3))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(rows_of_tokens, st.data())
def test_a_pairs_null_depends_on_the_pair_alone(rows, data: st.DataObject) -> None:
    null = permutation_null(rows, shuffles=5)
    order = data.draw(st.permutations(range(len(rows))))
    again = permutation_null([rows[place] for place in order], shuffles=5)
    for one, other in zip(fields(null), fields(again), strict=True):
        assert np.array_equal(one[np.ix_(order, order)], other)
    # Renumbered, and beside others.
    more = [[3 * token + 7 for token in row] for row in rows] + [[1, 7, 13, 40] * 6]
    beside = permutation_null(more, shuffles=5)
    for one, other in zip(fields(null), fields(beside), strict=True):
        assert np.array_equal(one, other[: len(rows), : len(rows)])
    # Equal sequences have equal rows.
    twice = permutation_null([*rows, rows[0]], shuffles=5)
    for field in fields(twice):
        assert np.array_equal(field[0], field[-1])


def test_equal_long_sequences_are_not_alike_by_chance() -> None:
    random = np.random.default_rng(0)
    row = random.integers(0, 6, 200)
    null = permutation_null([row, row.copy(), random.permutation(row)])
    assert null.p[0, 1] == 1 / 101
    assert null.z[0, 1] > 20
    assert null.z[0, 1] == null.z[0, 0]
    assert null.p[0, 2] > 0.01
    values = corrected(score_matrix([row, row, row[::-1]]), null)
    assert values[0, 1] == 1


def pairs_of_p(random: np.random.Generator, related: bool) -> np.ndarray:
    """The p-values of pairs that share no sequence, with scores that hardly ever tie."""
    half = random.integers(-(10**6), 10**6, (12, 12))
    matrix = half + half.T
    np.fill_diagonal(matrix, 2 * 10**6 + random.integers(0, 10**6, 12))
    rows = []
    for _ in range(60):
        row = random.integers(0, 12, int(random.integers(10, 30)))
        other = row.copy() if related else random.integers(0, 12, int(random.integers(10, 30)))
        rows += [row, other]
    null = permutation_null(rows, Scoring(gap=-700_001), matrix, shuffles=199)
    return null.p[np.arange(0, 120, 2), np.arange(1, 120, 2)]


@pytest.mark.slow
def test_p_values_of_unrelated_sequences_are_uniform() -> None:
    found = pairs_of_p(np.random.default_rng(1), related=False)
    assert kstest(found, "uniform").pvalue > 0.05
    found = pairs_of_p(np.random.default_rng(1), related=True)
    assert kstest(found, "uniform").pvalue < 1e-12


def test_ties_make_p_values_larger_never_smaller() -> None:
    random = np.random.default_rng(2)
    rows = [random.integers(0, 3, int(n)) for n in random.integers(5, 30, 200)]
    null = permutation_null(rows, shuffles=99)
    found = null.p[np.arange(0, 200, 2), np.arange(1, 200, 2)]
    for level in (0.05, 0.1, 0.25, 0.5):
        # 100 independent pairs; three standard errors.
        assert (found <= level).mean() <= level + 3 * (level * (1 - level) / 100) ** 0.5


def test_sequences_without_an_order() -> None:
    null = permutation_null([[4] * 7, [4] * 7, [4] * 9, [5] * 7], shuffles=20)
    assert (null.p == 1).all()
    assert (null.z == 0).all()
    assert (null.deviation == 0).all()
    values = corrected(score_matrix([[4] * 7, [4] * 7, [4] * 9, [5] * 7]), null)
    # Equal ones are alike; the others have nothing beyond their shuffles.
    expected = np.eye(4)
    expected[0, 1] = expected[1, 0] = 1
    assert np.array_equal(values, expected)


def test_corrected_by_hand() -> None:
    mean = np.array([[2.0, 1.0, -3.0], [1.0, 2.0, 5.0], [-3.0, 5.0, 4.0]])
    null = Null(mean, mean, mean, mean, 2)
    scores = np.array([[6, 3, -4], [3, 5, 8], [-4, 8, 9]])
    values = corrected(scores, null)
    # (3 - 1) / (6 - 1); (-4 + 3) / (9 + 3) is below 0; (8 - 5) / (9 - 5).
    assert values == pytest.approx(np.array([[1, 0.4, 0], [0.4, 1, 0.75], [0, 0.75, 1]]))


def test_other_seeds_shuffle_otherwise() -> None:
    rows = [list(range(20)), list(range(0, 40, 2))]
    one, other = (permutation_null(rows, shuffles=50, seed=seed) for seed in (0, 1))
    assert one.mean[0, 1] != other.mean[0, 1]
    assert one.mean[0, 1] == pytest.approx(other.mean[0, 1], abs=1)


def test_no_sequences() -> None:
    assert permutation_null([]).p.shape == (0, 0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"shuffles": 1}, "shuffles is 1; at least 2"),
        ({"shuffles": 10**11}, "shuffles is 100000000000; at most 100000"),
        ({"threads": 0}, "threads is 0"),
        ({"seed": -1}, "seed is -1; it must be 0 or above"),
    ],
)
def test_bad_options(options: dict, says: str) -> None:
    with pytest.raises(AlignmentError, match=says):
        permutation_null([[0], [1]], **options)


def test_bad_sequences_and_nulls() -> None:
    with pytest.raises(AlignmentError, match="sequence 1 has shape"):
        permutation_null([[0], []])
    with pytest.raises(AlignmentError, match="not symmetric"):
        permutation_null([[0], [1]], None, [[1, 2], [3, 1]])
    null = permutation_null([[0, 1], [1]], shuffles=2)
    with pytest.raises(AlignmentError, match=r"shape \(3, 3\) and their null \(2, 2\)"):
        corrected(np.eye(3, dtype=np.int64), null)
