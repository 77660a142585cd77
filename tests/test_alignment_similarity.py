import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment import AlignmentError, Scoring, normalize, score_matrix
from alignment.similarity import NORMALIZATIONS, UNALIGNED, correlate

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


@pytest.mark.parametrize("borders", ["classic", "zero"])
def test_range_needs_no_cut(borders: str) -> None:
    """What `normalize` cuts off to stay in [0, 1] is never there: the worst score is a bound."""
    random = np.random.default_rng(0)
    for scores in ((1, -1, -1), (2, -9, -3, -1), (1, -5, 0)):
        scoring = Scoring(*scores, borders=borders)
        rows = [random.integers(0, 9, int(n)) for n in random.integers(1, 40, 20)]
        gaps = [scoring.gap_score(len(row)) for row in rows]
        worst = UNALIGNED[borders].outer(gaps, gaps)
        assert (score_matrix(rows, scoring) >= worst).all()


lengths = st.lists(st.integers(1, 30), min_size=2, max_size=5)


@settings(max_examples=100, deadline=None)
@given(lengths, st.integers(1, 3), st.integers(1, 4), st.integers(0, 4), st.booleans())
def test_sequences_with_nothing_in_common_are_0_in_range(sizes, match, gap, less, zero) -> None:
    """Where a mismatch is no better than the gaps in its place, so that nothing is aligned."""
    extend = -max(gap - less, 0)
    # Classic borders charge both of the gaps that a mismatch takes the place of.
    mismatch = -gap if zero else -2 * gap
    scoring = Scoring(match, mismatch, -gap, extend, "zero" if zero else "classic")
    rows = [[token] * size for token, size in enumerate(sizes)]
    values = normalize(score_matrix(rows, scoring), sizes, scoring)
    assert np.array_equal(values, np.eye(len(rows)))


@pytest.mark.parametrize("scores", [(1, -1, -1), (1, -2, -2), (2, -3, -3, -1)])
def test_the_worst_score_under_zero_borders(scores) -> None:
    """By all ways to align nothing: leave a border somewhere, then gaps in either order."""
    scoring = Scoring(*scores, borders="zero")
    for n in range(1, 6):
        for m in range(1, 6):
            ways = [scoring.gap_score(n) + scoring.gap_score(m - left) for left in range(m + 1)] + [
                scoring.gap_score(m) + scoring.gap_score(n - left) for left in range(n + 1)
            ]
            worst = UNALIGNED["zero"](scoring.gap_score(n), scoring.gap_score(m))
            assert worst == max(ways) == score_matrix([[0] * n, [1] * m], scoring)[0, 1]


@settings(max_examples=100, deadline=None)
@given(st.integers(3, 9), st.integers(0, 10**6))
def test_correlation_is_that_of_numpy(count: int, seed: int) -> None:
    half = np.random.default_rng(seed).uniform(-1, 1, (count, count))
    values = (half + half.T) / 2
    found = correlate(values)
    assert np.allclose(found, np.corrcoef(values), atol=1e-12)
    assert np.array_equal(found, found.T)
    assert (found.diagonal() == 1).all()
    assert (np.abs(found) <= 1).all()


def test_what_is_correlated_is_not_cut_off() -> None:
    """Scores below 0 say something, too: cut off, all that is unlike would be alike."""
    rows = [[0] * 3, [0, 0, 1], [1] * 9, [2] * 9]
    scores = score_matrix(rows, Scoring(1, -2, -2))
    lengths = [len(row) for row in rows]
    whole = normalize(scores, lengths, Scoring(1, -2, -2), "geometric", clipped=False)
    assert whole.min() < 0
    assert whole[0, 2] == scores[0, 2] / np.sqrt(27)


def test_too_few_rows_to_correlate() -> None:
    with pytest.raises(AlignmentError, match="at least 3 are needed; take --similarity normalized"):
        correlate(np.eye(2))


def test_bad_normalizations() -> None:
    with pytest.raises(AlignmentError, match="unknown normalization"):
        normalize(np.eye(2, dtype=int), [1, 1], Scoring(), "longest")
    with pytest.raises(AlignmentError, match="with itself"):
        normalize(np.zeros((2, 2), int), [1, 1], Scoring())
