import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment import AlignmentError, Scoring, align_pair, score, score_matrix
from alignment.needleman_wunsch import _shifted


def biopython(scoring: Scoring, matrix: np.ndarray | None = None):
    """Biopython's aligner with the same options; classic borders."""
    aligner = pytest.importorskip("Bio.Align").PairwiseAligner(mode="global")
    aligner.open_gap_score, aligner.extend_gap_score = scoring.gap, scoring.extend
    if matrix is None:
        aligner.match_score, aligner.mismatch_score = scoring.match, scoring.mismatch
    else:
        from Bio.Align.substitution_matrices import Array

        table = Array(alphabet=tuple(range(len(matrix))), dims=2)
        table[:, :] = matrix
        aligner.substitution_matrix = table
    return lambda a, b: aligner.score(np.asarray(a, np.int32), np.asarray(b, np.int32))


def plain(a: Sequence[int], b: Sequence[int], scoring: Scoring, matrix=None) -> int:
    """Gotoh's three recurrences as they are written, with either border."""

    def border(k: int) -> float:
        return 0 if scoring.borders == "zero" or k == 0 else scoring.gap_score(k)

    none = float("-inf")
    size = range(len(b) + 1)
    h = [[float(border(j)) for j in size]]
    f = [none for _ in size]
    for i, x in enumerate(a, 1):
        row, e = [float(border(i))], none
        for j, y in enumerate(b, 1):
            equal = scoring.match if x == y else scoring.mismatch
            s = equal if matrix is None else matrix[x][y]
            e = max(e + scoring.extend, row[j - 1] + scoring.gap)
            f[j] = max(f[j] + scoring.extend, h[-1][j] + scoring.gap)
            row.append(max(h[-1][j - 1] + s, e, f[j]))
        h.append(row)
    return int(h[-1][-1])


def rescore(found, a, b, scoring: Scoring, matrix=None) -> int:
    """The score of an alignment, from its pairs alone."""
    total, run, side = 0, 0, None
    leading = scoring.borders == "zero"
    for i, j in found.pairs:
        if i is not None and j is not None:
            total += (
                (scoring.match if a[i] == b[j] else scoring.mismatch)
                if matrix is None
                else int(matrix[a[i]][b[j]])
            )
            side, run, leading = None, 0, False
            continue
        now = "a" if i is None else "b"
        if leading and side in (None, now):
            side = now  # the first gap is free
            continue
        leading = False
        run = run + 1 if side == now else 1
        side = now
        total += scoring.gap if run == 1 else scoring.extend
    return total


def random_case(random: np.random.Generator, *, affine: bool, with_matrix: bool):
    alphabet = int(random.integers(1, 9))
    sequences = [random.integers(0, alphabet, int(random.integers(1, 45))) for _ in range(4)]
    match = int(random.integers(1, 7))
    gap = -int(random.integers(0, 7))
    extend = int(random.integers(gap, 1)) if affine else None
    scoring = Scoring(match, int(random.integers(-6, match)), gap, extend)
    matrix = None
    if with_matrix:
        half = random.integers(-6, 7, (alphabet, alphabet))
        matrix = half + half.T
    return sequences, scoring, matrix


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("with_matrix", [False, True])
def test_equals_biopython(affine: bool, with_matrix: bool) -> None:
    random = np.random.default_rng((1, affine, with_matrix))
    for _ in range(250):  # times 10 pairs
        sequences, scoring, matrix = random_case(random, affine=affine, with_matrix=with_matrix)
        scores = score_matrix(sequences, scoring, matrix)
        oracle = biopython(scoring, matrix)
        for i in range(4):
            for j in range(4):
                assert scores[i, j] == oracle(sequences[i], sequences[j]), (scoring, matrix)


@pytest.mark.parametrize("affine", [False, True])
def test_equals_scikit_bio(affine: bool) -> None:
    pair_align = pytest.importorskip("skbio.alignment").pair_align
    random = np.random.default_rng((2, affine))
    for _ in range(150):
        sequences, scoring, _ = random_case(random, affine=affine, with_matrix=False)
        scores = score_matrix(sequences, scoring)
        # scikit-bio charges opening and each token; here the first token's extension is in `gap`.
        cost = (scoring.extend - scoring.gap, -scoring.extend) if affine else -scoring.gap
        for i in range(4):
            for j in range(i, 4):
                found = pair_align(
                    sequences[i].tolist(),
                    sequences[j].tolist(),
                    sub_score=(scoring.match, scoring.mismatch),
                    gap_cost=cost,
                    free_ends=False,
                )
                assert scores[i, j] == round(found.score), scoring


@pytest.mark.slow
@pytest.mark.parametrize("borders", ["classic", "zero"])
@pytest.mark.parametrize("affine", [False, True])
def test_equals_the_plain_recurrence(borders: str, affine: bool) -> None:
    random = np.random.default_rng((3, affine, borders == "zero"))
    for case in range(120):
        sequences, scoring, matrix = random_case(random, affine=affine, with_matrix=case % 2 == 0)
        scoring = Scoring(scoring.match, scoring.mismatch, scoring.gap, scoring.gap_extend, borders)
        scores = score_matrix(sequences, scoring, matrix)
        for i in range(4):
            for j in range(i, 4):
                assert scores[i, j] == plain(sequences[i], sequences[j], scoring, matrix)


def test_many_sequences_of_many_lengths_and_threads() -> None:
    # More than two groups of lanes, from one token to hundreds, and both parities.
    random = np.random.default_rng(4)
    sequences = [random.integers(0, 5, int(n)) for n in random.integers(1, 300, 75)]
    sequences += [random.integers(0, 5, n) for n in (1, 1, 2, 3, 900)]
    scores = score_matrix(sequences)
    oracle = biopython(Scoring())
    for i in range(len(sequences)):
        for j in range(i, len(sequences)):
            assert scores[i, j] == scores[j, i] == oracle(sequences[i], sequences[j])


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alignment.needleman_wunsch.FEW_CELLS", 0)
    random = np.random.default_rng(5)
    sequences = [random.integers(0, 5, int(n)) for n in random.integers(1, 80, 50)]
    assert np.array_equal(score_matrix(sequences), score_matrix(sequences, threads=4))


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1, 300, 10**6, 10**12])
@pytest.mark.parametrize("affine", [False, True])
def test_every_width_of_integers(factor: int, affine: bool) -> None:
    """Scores scale with the scoring, whatever integers the kernel chose."""
    random = np.random.default_rng(6)
    sequences = [random.integers(0, 4, int(n)) for n in random.integers(1, 120, 10)]
    small = Scoring(2, -3, -4, -1 if affine else None)
    large = Scoring(2 * factor, -3 * factor, -4 * factor, -factor if affine else None)
    assert np.array_equal(score_matrix(sequences, large), factor * score_matrix(sequences, small))


def test_integers_are_chosen_with_room() -> None:
    for longest in (1, 100, 2000, 5000, 10000):
        for gap in (-1, -2, -7):
            for borders in ("classic", "zero"):
                scoring = Scoring(3, -5, gap, -1, borders)
                shifted = _shifted(scoring.substitution(3), scoring, longest)
                room = np.iinfo(shifted.matrix.dtype).max
                # A path of matches throughout, on top of the highest border.
                highest = int(shifted.border.max()) + longest * int(shifted.matrix.max())
                assert highest <= room
                assert int(shifted.opening.min()) >= -room


@pytest.mark.slow
def test_long_extremes_do_not_overflow() -> None:
    """At the edge of 16 bits: all matches, all mismatches, and one token against many."""
    for length in (2700, 5400, 5500, 8200):
        same, other, one = np.zeros(length, int), np.ones(length, int), np.zeros(1, int)
        for borders in ("classic", "zero"):
            scores = score_matrix([same, other, one], Scoring(borders=borders))
            assert scores[0, 0] == length
            assert scores[0, 1] == -length
            # The token may be matched first or last; with zero borders the gap before is free.
            assert scores[0, 2] == (1 if borders == "zero" else 2 - length)


sequence = st.lists(st.integers(0, 5), min_size=1, max_size=30)
scorings = st.builds(
    lambda match, below, gap, ratio, borders: Scoring(
        match, match - below, -gap, -min(gap, ratio), borders
    ),
    st.integers(1, 5),
    st.integers(1, 8),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sampled_from(["classic", "zero"]),
)


@settings(max_examples=200, deadline=None)
@given(sequence, sequence, scorings)
def test_the_traceback_scores_what_it_says(a, b, scoring) -> None:
    found = align_pair(a, b, scoring)
    assert found.score == score(a, b, scoring) == rescore(found, a, b, scoring)
    assert [i for i, _ in found.pairs if i is not None] == list(range(len(a)))
    assert [j for _, j in found.pairs if j is not None] == list(range(len(b)))


@settings(max_examples=100, deadline=None)
@given(sequence, sequence, scorings)
def test_symmetry_and_self_score(a, b, scoring) -> None:
    scores = score_matrix([a, b], scoring)
    assert scores[0, 1] == scores[1, 0] == score(b, a, scoring)
    assert scores[0, 0] == scoring.match * len(a)
    assert scores[0, 1] <= scoring.match * min(len(a), len(b))


@settings(max_examples=100, deadline=None)
@given(sequence, sequence, sequence, sequence, st.integers(-4, 0))
def test_a_concatenation_scores_at_least_its_parts(a, b, c, d, gap) -> None:
    scoring = Scoring(2, -1, gap)
    assert score(a + c, b + d, scoring) >= score(a, b, scoring) + score(c, d, scoring)
    # Renaming tokens, and reversing both sequences, change nothing.
    assert score([9 - x for x in a], [9 - x for x in b], scoring) == score(a, b, scoring)
    assert score(a[::-1], b[::-1], scoring) == score(a, b, scoring)


def test_substitution_traceback() -> None:
    matrix = np.array([[4, 1, -3], [1, 4, -3], [-3, -3, 4]])
    a, b = [0, 2, 0, 1], [1, 0, 0, 1]
    found = align_pair(a, b, Scoring(4, -3, -2), matrix)
    assert found.score == rescore(found, a, b, Scoring(4, -3, -2), matrix)
    assert found.score == score(a, b, Scoring(4, -3, -2), matrix)


def test_ties_are_broken_the_same_way_always() -> None:
    assert align_pair([0, 0, 0], [0]).pairs == ((0, None), (1, None), (2, 0))
    # A pair before gaps: x and y differ, and two gaps score as much as the mismatch.
    assert align_pair([1], [2], Scoring(1, -2, -1)).pairs == ((0, 0),)
    # A gap in b is taken, from the end, before a gap in a.
    assert align_pair([1], [2], Scoring(1, -3, -1)).pairs == ((None, 0), (0, None))


def test_zero_borders_rank_otherwise() -> None:
    long, part = [7, 7, 7, 7, 1, 2, 3], [1, 2, 3]
    assert score(long, part) == 3 - 4
    assert score(long, part, Scoring(borders="zero")) == 3
    assert score(long[::-1], part[::-1], Scoring(borders="zero")) == 3 - 4


def test_large_tokens_need_no_large_matrix() -> None:
    a, b = [10**9, 5, 2 * 10**9], [10**9, 2 * 10**9]
    assert score(a, b) == 1
    assert align_pair(a, b).score == 1


def test_no_sequences() -> None:
    assert score_matrix([]).shape == (0, 0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"match": 0}, "above 0"),
        ({"match": 1, "mismatch": 1}, "above mismatch"),
        ({"gap": 2}, "0 or below: -2?"),
        ({"gap": -1, "gap_extend": 1}, "gap_extend is 1"),
        ({"gap": -1, "gap_extend": -2}, "must not score less"),
        ({"borders": "free"}, "classic, zero"),
        ({"match": 1.5}, "whole numbers"),
        ({"mismatch": True}, "whole numbers"),
    ],
)
def test_bad_scorings(options: dict, says: str) -> None:
    with pytest.raises(AlignmentError, match="(?s)" + says.replace("?", r"\?")):
        Scoring(**options)


@pytest.mark.parametrize(
    ("sequences", "matrix", "says"),
    [
        ([[0], []], None, "at least one token"),
        ([[0], [[0]]], None, "at least one token"),
        ([[0.5], [0]], None, "integers needed"),
        ([[-1], [0]], None, "0 or above"),
        ([[0], [3]], np.eye(2, dtype=int), "knows 2 tokens"),
        ([[0], [1]], np.eye(2), "whole numbers"),
        ([[0], [1]], np.ones((2, 3), int), "square"),
        ([[0], [1]], np.array([[1, 2], [3, 1]]), r"s\(0, 1\) is 2 and s\(1, 0\) is 3"),
        ([[0], [1]], np.array([[2**62, 0], [0, 1]]), "62 bits"),
    ],
)
def test_bad_sequences(sequences, matrix, says: str) -> None:
    """All ways in refuse the same."""
    for refuse in (
        lambda: score_matrix(sequences, None, matrix),
        lambda: score(*sequences, None, matrix),
        lambda: align_pair(*sequences, None, matrix),
    ):
        with pytest.raises(AlignmentError, match=says):
            refuse()


def test_scores_that_no_integer_holds_are_refused() -> None:
    with pytest.raises(AlignmentError, match="62 bits"):
        score([0], [0], Scoring(match=10**30))
    with pytest.raises(AlignmentError, match="do not fit"):
        score([0] * 100, [0], Scoring(match=2**60))
    with pytest.raises(AlignmentError, match="threads"):
        score_matrix([[0]], threads=0)


@pytest.mark.slow
def test_another_process_computes_the_same() -> None:
    code = (
        "import numpy as np; from alignment import align_pair, score_matrix;"
        "r = np.random.default_rng(0);"
        "s = [r.integers(0, 3, n) for n in (30, 41, 7)];"
        "print(score_matrix(s).tolist(), align_pair(s[0], s[1]).pairs)"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
