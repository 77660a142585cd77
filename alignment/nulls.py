"""Are two sequences more alike than their lengths and their layers alone make them?

Long sequences of few kinds of tokens score high in whatever order the tokens stand. A permutation
null says how high: both sequences are shuffled, and aligned again, many times (Needleman and
Wunsch, 1970, judged their scores by random sequences of the same composition; Pearson and Lipman,
"Improved tools for biological sequence comparison", 1988, give the z-score of such shuffles).

**Both sequences are shuffled**, not one of them. What is asked is whether the order of layers that
two networks have in common is more than lengths and composition, so the null keeps these two of
either, and nothing else. A null that keeps the order of one sequence has two answers for a pair,
according to which is kept, and needs twice the alignments to be symmetric. Under the hypothesis
that each order of either sequence is equally likely, the p-values of both are exact.

Networks repeat their blocks, so their true order is far from a random one, and a high z-score does
not mean that two networks are related: it means that their order is more alike than chance.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alignment.arrays import FloatArray, IntArray
from alignment.draws import generator
from alignment.errors import AlignmentError
from alignment.needleman_wunsch import AllPairs, Scoring, TokenSequence

#: More shuffles tell nothing more, and take days.
MOST_SHUFFLES = 100_000


@dataclass(frozen=True, eq=False)
class Null:
    """What the pairs of shuffled sequences score, beside what the sequences themselves score.

    All are (N, N) and symmetric. On the diagonal, a sequence is aligned with itself, and its null
    is that of two independent shuffles of it.

    Attributes:
        mean: mean score of the shuffles.
        deviation: their standard deviation (with shuffles - 1).
        z: (score - mean) / deviation. Where all shuffles score the same: 0 if the sequences score
            that too, else infinite.
        p: (1 + shuffles that score as high or higher) / (shuffles + 1), one-sided. Never 0, and
            exact for any number of shuffles (Phipson and Smyth, "Permutation p-values should never
            be zero", 2010). Scores are whole numbers, so shuffles often tie with the sequences;
            ties count against them.
        shuffles: how many.
    """

    mean: FloatArray
    deviation: FloatArray
    z: FloatArray
    p: FloatArray
    shuffles: int


def permutation_null(
    sequences: Sequence[TokenSequence],
    scoring: Scoring | None = None,
    substitution: npt.ArrayLike | None = None,
    *,
    shuffles: int = 100,
    seed: int = 0,
    threads: int = 1,
) -> Null:
    """Align all pairs ``shuffles`` times, each time with the tokens of all sequences shuffled.

    A sequence is shuffled once for all pairs that it is the longer one of, and once for those that
    it is the shorter one of; so shuffles of one pair are independent of each other, and a pair's
    null depends on that pair and the seed alone, not on what else is aligned.

    Args:
        sequences: as of :func:`alignment.needleman_wunsch.score_matrix`.
        scoring: the same.
        substitution: the same.
        shuffles: from 2 to :data:`MOST_SHUFFLES`; the least p-value is 1 / (shuffles + 1).
        seed: 0 or above.
        threads: threads to compute in; they change no number.

    Raises:
        AlignmentError: as :func:`alignment.needleman_wunsch.score_matrix`; too few shuffles or
            too many; a seed below 0.

    >>> null = permutation_null([[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7], [8, 8]])
    >>> bool(null.p[0, 1] < 0.05), float(null.p[0, 2]), float(null.z[0, 2])
    (True, 1.0, 0.0)
    """
    if shuffles < 2:
        raise AlignmentError(f"shuffles is {shuffles}; at least 2 are needed")
    if shuffles > MOST_SHUFFLES:
        raise AlignmentError(f"shuffles is {shuffles}; at most {MOST_SHUFFLES} are possible")
    if threads < 1:
        raise AlignmentError(f"threads is {threads}; it must be at least 1")
    if len(sequences) == 0:
        empty: FloatArray = np.zeros((0, 0))
        return Null(empty, empty, empty, empty, shuffles)
    pairs = AllPairs.of(sequences, scoring, substitution)
    observed = pairs.scores(pairs.tokens, pairs.tokens)
    mean = np.zeros(observed.shape)
    squares = np.zeros(observed.shape)
    as_high = np.zeros(observed.shape, np.int64)
    for count, scores in enumerate(_shuffled_scores(pairs, shuffles, seed, threads), start=1):
        # Welford's updates: where all scores are equal, the deviation is 0 and no rounding.
        away = scores - mean
        mean += away / count
        squares += away * (scores - mean)
        as_high += scores >= observed
    deviation = np.sqrt(squares / (shuffles - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(observed == mean, 0.0, (observed - mean) / deviation)
    return Null(mean, deviation, z, (1 + as_high) / (shuffles + 1), shuffles)


def _shuffled_scores(pairs: AllPairs, shuffles: int, seed: int, threads: int) -> Iterator[IntArray]:
    rows = [row[:length] for row, length in zip(pairs.tokens, pairs.lengths, strict=True)]
    streams = [[generator(seed, side, row) for row in rows] for side in (0, 1)]

    def shuffled(side: int) -> npt.NDArray[np.int32]:
        tokens = np.zeros_like(pairs.tokens)
        for place, (stream, row) in enumerate(zip(streams[side], rows, strict=True)):
            tokens[place, : len(row)] = stream.permutation(row)
        return tokens

    with ThreadPoolExecutor(threads) as pool:
        # No more at once than threads: each has the memory of all sequences and of all pairs.
        for start in range(0, shuffles, threads):
            few = range(start, min(start + threads, shuffles))
            drawn = [(shuffled(0), shuffled(1)) for _ in few]
            yield from pool.map(lambda both: pairs.scores(*both), drawn)


def corrected(scores: IntArray, null: Null) -> FloatArray:
    """Similarities in [0, 1], corrected by the null: what a pair has beyond its shuffles.

    (S(a, b) - m) / (max(S(a, a), S(b, b)) - m), with m the mean score of the pair's shuffles, as
    indices are corrected for chance (Hubert and Arabie, "Comparing partitions", 1985). 1 is for
    equal sequences; 0 for those that are as alike as their shuffles. Below that, pairs less alike
    than their shuffles are cut to 0: ``null.z`` tells them apart.

    Args:
        scores: (N, N), of :func:`alignment.needleman_wunsch.score_matrix`.
        null: of the same sequences, scoring and substitution.

    Raises:
        AlignmentError: ``scores`` and ``null`` are of different numbers of sequences.

    >>> rows = [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]]
    >>> from alignment.needleman_wunsch import score_matrix
    >>> corrected(score_matrix(rows), permutation_null(rows)).round().tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if scores.shape != null.mean.shape:
        raise AlignmentError(
            f"scores have the shape {scores.shape} and their null {null.mean.shape}; both are "
            "needed of the same sequences"
        )
    own = np.diag(scores).astype(np.float64)
    room = np.maximum.outer(own, own) - null.mean
    # No room: the order of tokens changes nothing, so equal sequences alone are alike.
    values = np.where(room > 0, (scores - null.mean) / np.where(room > 0, room, 1.0), 0.0)
    values[(room <= 0) & (scores >= null.mean)] = 1.0
    values = np.clip(values, 0.0, 1.0)
    np.fill_diagonal(values, 1.0)
    return values
