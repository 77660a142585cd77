"""Alignment scores to similarities, by named normalizations and kinds of similarity.

With S(a, b) the score of a pair, a normalization is a share of the scores of both with themselves:

- ``range``: (S(a, b) - W) / (max(S(a, a), S(b, b)) - W), W being what the two score if nothing
  is aligned (:data:`UNALIGNED`). Nothing is cut off, so it tells unlike pairs apart, too.
- ``longer``: S(a, b) / max(S(a, a), S(b, b)); for a match of 1 that is over the longer length.
- ``shorter``: S(a, b) / min(S(a, a), S(b, b)): 1 if one sequence is part of the other and gaps are
  free.
- ``mean``: 2 S(a, b) / (S(a, a) + S(b, b)).
- ``geometric``: S(a, b) / sqrt(S(a, a) S(b, b)).

A similarity is one of

- ``normalized``: the normalized score, cut off at 0 and 1.
- ``correlation``: Pearson's correlation of the rows of the normalized scores, not cut off, from -1
  to 1: two architectures are alike if they are like the same others. The paper's figure shows it.
- ``corrected``: the score against those of the same tokens in random order
  (:func:`alignment.nulls.corrected`); it needs no normalization.

Each is symmetric, and exactly 1 for a sequence and itself. They rank pairs differently, so every
output names the one it used.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from alignment.arrays import FloatArray, IntArray
from alignment.errors import AlignmentError, check_known
from alignment.needleman_wunsch import Scoring, score_matrix
from alignment.tokens import Tokens, partial_credit

if TYPE_CHECKING:
    import pandas as pd

_Rule = Callable[[FloatArray, FloatArray, FloatArray, FloatArray], FloatArray]

#: Each takes scores, the self-scores of either side, and W.
NORMALIZATIONS: dict[str, _Rule] = {
    "range": lambda s, a, b, w: (s - w) / (np.maximum(a, b) - w),
    "longer": lambda s, a, b, w: s / np.maximum(a, b),
    "shorter": lambda s, a, b, w: s / np.minimum(a, b),
    "mean": lambda s, a, b, w: 2 * s / (a + b),
    "geometric": lambda s, a, b, w: s / np.sqrt(a * b),
}

#: How W comes of what a gap as long as either sequence scores, by the borders. If nothing is
#: aligned, a path from (0, 0) to (n, m) is made of gaps alone. Classic: the best has two, of n and
#: of m tokens. Zero: along the border it is free, so it may go to (0, m) and then score a gap of n,
#: or to (n, 0) and then one of m. Any other path leaves the border at some (0, k) or (k, 0), and
#: has all n or all m tokens in gaps beyond that, and others too. So W is what a gap as long as the
#: shorter one scores. Both are scores of a path, so no best alignment scores below W.
UNALIGNED: dict[str, np.ufunc] = {"classic": np.add, "zero": np.maximum}


#: The kinds of similarity.
SIMILARITIES = ("normalized", "correlation", "corrected")

#: Fewer architectures than this have no rows to correlate.
LEAST_ROWS = 3


def normalize(
    scores: IntArray,
    lengths: Sequence[int],
    scoring: Scoring,
    method: str = "range",
    *,
    clipped: bool = True,
) -> FloatArray:
    """Normalized scores of a matrix of scores.

    Args:
        scores: (N, N), of :func:`alignment.needleman_wunsch.score_matrix`.
        lengths: of the N sequences.
        scoring: that the scores were computed with.
        method: of :data:`NORMALIZATIONS`.
        clipped: cut off at 0 and 1.

    Raises:
        AlignmentError: an unknown method, or a self-score of 0 or below (a substitution matrix
            that does not reward equal tokens).

    >>> normalize(np.array([[3, 1], [1, 2]]), [3, 2], Scoring(), "longer")[0].round(3).tolist()
    [1.0, 0.333]
    """
    check_known("normalization", method, NORMALIZATIONS)
    own = np.diag(scores).astype(np.float64)
    if len(own) and own.min() <= 0:
        raise AlignmentError(
            f"a sequence scores {int(own.min())} with itself; equal tokens must score above 0"
        )
    gaps = np.array([scoring.gap_score(int(length)) for length in lengths], np.float64)
    worst = UNALIGNED[scoring.borders].outer(gaps, gaps)
    rule = NORMALIZATIONS[method]
    with np.errstate(over="ignore"):
        values = rule(scores.astype(np.float64), own[:, None], own[None, :], worst)
    # A substitution matrix may reward two different tokens more than two equal ones.
    if clipped:
        values = np.clip(values, 0.0, 1.0)
    np.fill_diagonal(values, 1.0)
    return values


def correlate(values: FloatArray) -> FloatArray:
    """Pearson's correlation of all pairs of rows, (N, N) from (N, N).

    A row that is one number everywhere goes with rows equal to it (1) and with no other (0).

    Raises:
        AlignmentError: fewer than :data:`LEAST_ROWS` rows.

    >>> correlate(np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [1.0, 0.0, 0.5]])).round(2).tolist()
    [[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, -1.0, 1.0]]
    """
    if len(values) < LEAST_ROWS:
        raise AlignmentError(
            f"the similarity correlation compares the rows of all architectures; {len(values)} are "
            f"too few, at least {LEAST_ROWS} are needed; take --similarity normalized"
        )
    centred = values - values.mean(1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1)
    flat = norms <= 1e-12 * np.abs(values).max(1)
    units = centred / np.where(flat, 1.0, norms)[:, None]
    found: FloatArray = np.clip(units @ units.T, -1.0, 1.0)
    for row in np.flatnonzero(flat):
        equal = (values == values[row]).all(1)
        found[row] = found[:, row] = equal
    found = (found + found.T) / 2
    np.fill_diagonal(found, 1.0)
    return found


def similarities(
    tokens: Tokens,
    scoring: Scoring | None = None,
    *,
    method: str = "range",
    partial: int | None = None,
    threads: int = 1,
) -> "pd.DataFrame":
    """Similarities of all pairs, a DataFrame with the names on both axes.

    Args:
        tokens: the sequences, of :func:`alignment.tokenize`.
        scoring: what a match, a mismatch and a gap are worth.
        method: how scores become similarities, as in :func:`normalize`.
        partial: the score of two tokens of one kind with another geometry; None is a mismatch.
        threads: pairs that are scored at once.

    Raises:
        AlignmentError: as :func:`normalize` and :func:`alignment.needleman_wunsch.score_matrix`.
    """
    import pandas as pd

    scoring = scoring or Scoring()
    matrix = None if partial is None else partial_credit(tokens.vocabulary, scoring, partial)
    scores = score_matrix(tokens.sequences, scoring, matrix, threads=threads)
    values = normalize(scores, [len(one) for one in tokens.sequences], scoring, method)
    frame = pd.DataFrame(values, index=list(tokens.names), columns=list(tokens.names))
    frame.attrs["normalization"] = method
    return frame
