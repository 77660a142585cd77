"""How firm are the branches of the tree: the bootstrap of Felsenstein.

"Confidence limits on phylogenies: an approach using the bootstrap" (1985) draws the columns of an
alignment with replacement, makes a tree of what was drawn, and counts in how many of many trees a
branch comes back. Here every pair has an alignment of its own, so its own columns are drawn, and
their scores add up to a score of that replicate. All that this package makes of scores (any
normalization, the correlation of rows, a correction by a null) is then made of these, so the one
bootstrap is right for every similarity. To draw the columns of the matrix instead, the networks
that rows are correlated over, would be right for that correlation alone; to draw the tokens of each
sequence would take two equal networks apart.

Columns are not independent of each other: layers come in blocks, and a long gap is one event. So
runs of neighbouring columns are drawn (the circular block bootstrap of Politis and Romano, 1992),
by default as long as the cube root of the alignment, which is the order that Hall, Horowitz and
Jing ("On blocking rules for the bootstrap with dependent data", 1995) find best for a variance.
Single columns, as Felsenstein drew them, give higher support.

Pairs are drawn independently of each other, though they share sequences; so support says how much
of a branch hangs on single places of the alignments, and is no probability of anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alignment.arrays import FloatArray, IntArray
from alignment.draws import generator
from alignment.errors import AlignmentError
from alignment.needleman_wunsch import Scoring, TokenSequence, align_pair, score_matrix
from alignment.representatives import linkage

#: Distances are rounded to billionths, and averaged.
_NO_LENGTH = 1e-9

#: Draws of a replicate are a stream apart from those that shuffle sequences.
_PURPOSE = 2


@dataclass(frozen=True, eq=False)
class Support:
    """The average-linkage tree, and how often each of its clusters comes back.

    Attributes:
        tree: (N - 1, 4), of :func:`alignment.representatives.linkage`.
        share: (N - 1,), for each merge the share of replicates whose tree has the same cluster.
            That of the last merge is 1, since it holds all. NaN where the branch has no length,
            that is where the cluster is merged further at the same distance (as two of three equal
            sequences are): which of such merges comes first says nothing.
        replicates: how many.
    """

    tree: FloatArray
    share: FloatArray
    replicates: int


def branch_support(
    sequences: Sequence[TokenSequence],
    similarity: Callable[[IntArray], FloatArray],
    scoring: Scoring | None = None,
    substitution: npt.ArrayLike | None = None,
    *,
    replicates: int = 100,
    run: int | None = None,
    seed: int = 0,
) -> Support:
    """Bootstrap support of each merge of the tree of ``similarity``.

    Every pair is traced back, so this is for as many sequences as a tree can name.

    Args:
        sequences: as of :func:`alignment.needleman_wunsch.score_matrix`.
        similarity: scores (N, N) to similarities (N, N) in [-1, 1], for example by
            :func:`alignment.similarity.normalize`.
        scoring: as of :func:`alignment.needleman_wunsch.score_matrix`.
        substitution: the same.
        replicates: at least 1.
        run: columns drawn together; None is the cube root of a pair's alignment.
        seed: 0 or above.

    Raises:
        AlignmentError: as :func:`alignment.needleman_wunsch.score_matrix` and
            :func:`alignment.representatives.linkage`; a number out of range.

    >>> from alignment.similarity import normalize
    >>> rows = [[0, 1, 2] * 9, [0, 1, 2, 2] * 7, [3, 4, 5] * 9, [3, 3, 4, 5] * 7]
    >>> lengths, scoring = [len(row) for row in rows], Scoring()
    >>> branch_support(rows, lambda s: normalize(s, lengths, scoring)).share.tolist()
    [1.0, 1.0, 1.0]
    """
    scoring = scoring or Scoring()
    for name, value in (("replicates", replicates), ("run", 1 if run is None else run)):
        if value < 1:
            raise AlignmentError(f"{name} is {value}; it must be at least 1")
    scores = score_matrix(sequences, scoring, substitution)
    if len(scores) < 2:
        return Support(np.zeros((0, 4)), np.zeros(0), replicates)
    drawn = bootstrap_scores(
        sequences, scores, scoring, substitution, replicates=replicates, run=run, seed=seed
    )
    return drawn_support(similarity(scores), [similarity(one) for one in drawn])


def drawn_support(similarity: FloatArray, drawn: Sequence[FloatArray]) -> Support:
    """Support of the tree of some similarities, from those of replicates.

    Args:
        similarity: (N, N), in [-1, 1]; N at least 2.
        drawn: the same of each replicate; at least one.

    Raises:
        AlignmentError: as :func:`alignment.representatives.linkage`.
    """
    tree = linkage(similarity)
    shares = shared_clusters(tree, [linkage(one) for one in drawn])
    share = np.where(_lengths(tree) > _NO_LENGTH, shares, np.nan)
    return Support(tree, share, len(drawn))


def bootstrap_scores(
    sequences: Sequence[TokenSequence],
    scores: IntArray,
    scoring: Scoring,
    substitution: npt.ArrayLike | None = None,
    *,
    replicates: int = 100,
    run: int | None = None,
    seed: int = 0,
) -> IntArray:
    """(replicates, N, N), the scores of all pairs with their columns drawn with replacement.

    Each is symmetric. Self-scores are kept, and rows of equal sequences are equal.

    Args:
        sequences: as of :func:`branch_support`.
        scores: (N, N), of the sequences.
        scoring: that they were computed with.
        substitution: the same.
        replicates: how many.
        run: as of :func:`branch_support`.
        seed: the same.
    """
    arrays = [np.asarray(sequence, np.int64) for sequence in sequences]
    keys = [(len(array), array.tobytes()) for array in arrays]
    known: dict[tuple[tuple[int, bytes], ...], IntArray] = {}
    drawn: IntArray = np.empty((replicates, *scores.shape), np.int64)
    for i in range(len(arrays)):
        drawn[:, i, i] = scores[i, i]
        for j in range(i):
            # A pair of equal sequences is the same pair: aligned from the same side, drawn alike.
            first, second = sorted((i, j), key=lambda place: keys[place])
            key = (keys[first], keys[second])
            if key not in known:
                a, b = arrays[first], arrays[second]
                columns = column_scores(a, b, scoring, substitution)
                random = generator(seed, _PURPOSE, a, b)
                known[key] = _draw(columns, replicates, run, random)
            drawn[:, i, j] = drawn[:, j, i] = known[key]
    return drawn


def column_scores(
    a: TokenSequence, b: TokenSequence, scoring: Scoring, substitution: npt.ArrayLike | None = None
) -> IntArray:
    """What each column of one best alignment scores; they add up to its score.

    The first column of a gap scores its opening. A free gap at the beginning scores 0.

    >>> column_scores([0, 1, 2, 3], [0, 3], Scoring(gap=-2, gap_extend=-1)).tolist()
    [1, -2, -1, 1]
    """
    pairs = align_pair(a, b, scoring, substitution).pairs
    places = np.array([(-1 if i is None else i, -1 if j is None else j) for i, j in pairs])
    one, other = np.asarray(a)[places[:, 0]], np.asarray(b)[places[:, 1]]
    if substitution is None:
        aligned = np.where(one == other, scoring.match, scoring.mismatch)
    else:
        aligned = np.asarray(substitution)[one, other]
    # 0 where two tokens are aligned, 1 and 2 where either has a gap.
    kind = (places < 0) @ np.array([1, 2])
    opens = np.diff(kind, prepend=0) != 0
    values = np.where(kind == 0, aligned, np.where(opens, scoring.gap, scoring.extend))
    if scoring.borders == "zero" and kind[0]:
        values[np.logical_and.accumulate(kind == kind[0])] = 0
    return values.astype(np.int64)


def _draw(
    columns: IntArray, replicates: int, run: int | None, random: np.random.Generator
) -> IntArray:
    """(replicates,), sums of as many columns, drawn in runs; the last run may be shorter."""
    count = len(columns)
    run = min(count, run or max(1, round(count ** (1 / 3))))
    sums = np.concatenate([[0], np.cumsum(np.concatenate([columns, columns]))])
    total: IntArray = np.zeros(replicates, np.int64)
    for length, runs in ((run, count // run), (count % run, 1)):
        windows = sums[length : length + count] - sums[:count]
        total += windows[random.integers(count, size=(replicates, runs))].sum(1)
    return total


def shared_clusters(tree: FloatArray, trees: Sequence[FloatArray]) -> FloatArray:
    """For each merge of ``tree``, the share of ``trees`` that have a cluster of the same members.

    Args:
        tree: (N - 1, 4), in SciPy's form.
        trees: the same, of the same N.
    """
    wanted = _clusters(tree)
    found = [set(_clusters(one)) for one in trees]
    return np.array([np.mean([cluster in one for one in found]) for cluster in wanted])


def _lengths(tree: FloatArray) -> FloatArray:
    """How far above each merge its cluster is merged further; infinite for the last."""
    children = tree[:, :2].astype(np.int64) - len(tree) - 1  # places of merges; leaves below 0
    parents, sides = np.nonzero(children >= 0)
    above = np.full(len(tree), np.inf)
    above[children[parents, sides]] = tree[parents, 2]
    return np.asarray(above - tree[:, 2], np.float64)


def _clusters(tree: FloatArray) -> list[int]:
    """The members of each merge, as the bits of a number."""
    count = len(tree) + 1
    members = [1 << leaf for leaf in range(count)]
    for left, right in tree[:, :2].astype(int).tolist():
        members.append(members[left] | members[right])
    return members[count:]
