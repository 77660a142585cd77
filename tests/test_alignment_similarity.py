import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment import AlignmentError, Scoring, normalize, score_matrix
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
