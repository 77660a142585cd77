"""Needleman-Wunsch: exact global alignment of integer tokens.

    H(i, j) = max(H(i-1, j-1) + s(a_i, b_j), best gap in a, best gap in b)

with a gap of length k scoring ``gap + (k - 1) * gap_extend``. Borders are

- ``"classic"``: H(k, 0) = H(0, k) = the score of a gap of length k (Needleman and Wunsch, "A
  general method applicable to the search for similarities in the amino acid sequence of two
  proteins", 1970, in today's form);
- ``"zero"``: H(k, 0) = H(0, k) = 0, the recurrence that arXiv 2505.06881 is reported to use: a
  gap at the beginning is free, one at the end is not.

All scores are whole numbers, and so are exact. What two tokens score does not depend on their
order: a substitution matrix that is not symmetric is refused by all functions alike.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from alignment.arrays import IntArray
from alignment.errors import AlignmentError, check_known

BORDERS = ("classic", "zero")

#: Below so many cells, handing work to threads takes longer than the work.
FEW_CELLS = 2e9

#: Tokens of one sequence.
TokenSequence: TypeAlias = Sequence[int] | npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Scoring:
    """What an alignment scores.

    Attributes:
        match: two equal tokens; above 0 and above ``mismatch``.
        mismatch: two different tokens.
        gap: the first token of a gap; a score, so 0 or below.
        gap_extend: each further token of it; None is ``gap`` again (linear gaps). Not below
            ``gap``: to go on with a gap is never worse than to open another.
        borders: "classic" or "zero".

    Raises:
        AlignmentError: for a score that is not a whole number, or outside of what is said above.
    """

    match: int = 1
    mismatch: int = -1
    gap: int = -1
    gap_extend: int | None = None
    borders: str = "classic"

    def __post_init__(self) -> None:
        for name in ("match", "mismatch", "gap", "extend"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise AlignmentError(f"{name} is {value!r}; scores are whole numbers")
        if self.match <= 0 or self.match <= self.mismatch:
            raise AlignmentError(
                f"match is {self.match} and mismatch {self.mismatch}; match must be above 0 "
                "and above mismatch"
            )
        for name in ("gap", "extend"):
            value = getattr(self, name)
            if value > 0:
                raise AlignmentError(
                    f"{name.replace('extend', 'gap_extend')} is {value}; it is a score added for "
                    f"each gap, so it must be 0 or below: {-value}?"
                )
        if self.extend < self.gap:
            raise AlignmentError(
                f"gap_extend is {self.extend}, below gap {self.gap}; to extend a gap must not "
                "score less than to open one"
            )
        check_known("borders", self.borders, BORDERS)

    @property
    def extend(self) -> int:
        """The score of each further token of a gap."""
        return self.gap if self.gap_extend is None else self.gap_extend

    def gap_score(self, length: int) -> int:
        """The score of a gap of ``length`` tokens."""
        return self.gap + (length - 1) * self.extend if length else 0

    def substitution(self, size: int) -> IntArray:
        """The (size, size) matrix that scores ``match`` on its diagonal and ``mismatch`` off it."""
        matrix = np.full((size, size), self.mismatch, np.int64)
        np.fill_diagonal(matrix, self.match)
        return matrix


@dataclass(frozen=True)
class PairAlignment:
    """One best alignment of two sequences.

    Attributes:
        score: its score.
        pairs: (i, j) in order; None in place of the token that a gap lacks.
    """

    score: int
    pairs: tuple[tuple[int | None, int | None], ...]


def score(
    a: TokenSequence,
    b: TokenSequence,
    scoring: Scoring | None = None,
    substitution: npt.ArrayLike | None = None,
) -> int:
    """The score of the best alignment of ``a`` and ``b``.

    Args:
        a: tokens, whole numbers of 0 and above; not empty.
        b: the same.
        scoring: scores and borders.
        substitution: symmetric matrix of whole numbers, s(token, token); by default ``match`` and
            ``mismatch`` of ``scoring``.

    Raises:
        AlignmentError: an empty sequence, a token that is not a whole number of 0 and above or
            that ``substitution`` lacks, a ``substitution`` that is not symmetric, or scores beyond
            64 bits.

    >>> score([0, 1, 2, 3], [0, 2, 3])
    2
    """
    return int(score_matrix([a, b], scoring, substitution)[0, 1])


def score_matrix(
    sequences: Sequence[TokenSequence],
    scoring: Scoring | None = None,
    substitution: npt.ArrayLike | None = None,
    *,
    threads: int = 1,
) -> IntArray:
    """The scores of all pairs, (N, N), with each sequence against itself on the diagonal.

    The matrix is symmetric, so half of the pairs are computed. Memory is that of the answer and a
    few sequences.

    Args:
        sequences: each as in :func:`score`.
        scoring: scores and borders.
        substitution: as in :func:`score`.
        threads: threads to compute in, if there is work for them; the compiled code does not
            hold the interpreter's lock.

    Raises:
        AlignmentError: as :func:`score`; ``threads`` below 1.

    >>> score_matrix([[0, 1, 2], [0, 2]])
    array([[3, 1],
           [1, 2]])
    """
    if threads < 1:
        raise AlignmentError(f"threads is {threads}; it must be at least 1")
    if len(sequences) == 0:
        return np.zeros((0, 0), np.int64)
    pairs = AllPairs.of(sequences, scoring, substitution)
    return pairs.scores(pairs.tokens, pairs.tokens, threads)


def align_pair(
    a: TokenSequence,
    b: TokenSequence,
    scoring: Scoring | None = None,
    substitution: npt.ArrayLike | None = None,
) -> PairAlignment:
    """One best alignment of ``a`` and ``b``; of equally good ones always the same.

    Read from the end, a pair of tokens goes before a gap in ``b``, and that before a gap in ``a``.
    Takes (len(a) + 1) * (len(b) + 1) bytes.

    Args:
        a: as in :func:`score`.
        b: as in :func:`score`.
        scoring: scores and borders.
        substitution: as in :func:`score`.

    Raises:
        AlignmentError: as :func:`score`.

    >>> align_pair([0, 1, 2], [0, 2]).pairs
    ((0, 0), (1, None), (2, 1))
    """
    from alignment.kernels import trace_pair

    scoring = scoring or Scoring()
    (first, second), matrix = _prepared(_checked([a, b]), scoring, substitution)
    shifted = _shifted(matrix, scoring, max(len(first), len(second)), narrow=False)
    value, path = trace_pair(first, second, shifted.matrix, shifted.border, shifted.opening)
    pairs = tuple((i if i >= 0 else None, j if j >= 0 else None) for i, j in path.tolist())
    return PairAlignment(int(value) + scoring.extend * (len(first) + len(second)), pairs)


@dataclass(frozen=True)
class AllPairs:
    """All pairs of some sequences, ready to be scored, again and again with the tokens shuffled.

    Attributes:
        tokens: (N, longest), the sequences in the order of the kernels, longest first; padded.
        lengths: (N,), in that order.
        order: (N,), the place of each in the order that they were given in.
    """

    tokens: npt.NDArray[np.int32]
    lengths: IntArray
    order: IntArray
    _shifted: "_Shifted"
    _extend: int

    @classmethod
    def of(
        cls,
        sequences: Sequence[TokenSequence],
        scoring: Scoring | None = None,
        substitution: npt.ArrayLike | None = None,
    ) -> "AllPairs":
        """See :func:`score_matrix`; at least one sequence.

        Raises:
            AlignmentError: as :func:`score`.
        """
        scoring = scoring or Scoring()
        arrays, matrix = _prepared(_checked(sequences), scoring, substitution)
        # Longest first, so that the targets of one call have similar lengths. Those of one length
        # are in the order of their tokens, so that the order is the same however they are given.
        order = np.array(
            sorted(
                range(len(arrays)),
                key=lambda row: (-len(arrays[row]), arrays[row].astype(">i8").tobytes()),
            ),
            np.int64,
        )
        lengths = np.array([len(arrays[row]) for row in order], np.int64)
        tokens = np.zeros((len(arrays), int(lengths[0])), np.int32)
        for row, source in enumerate(order):
            tokens[row, : lengths[row]] = arrays[source]
        shifted = _shifted(matrix, scoring, int(lengths[0]))
        return cls(tokens, lengths, order, shifted, scoring.extend)

    def scores(
        self, first: npt.NDArray[np.int32], second: npt.NDArray[np.int32], threads: int = 1
    ) -> IntArray:
        """(N, N), symmetric, in the order that the sequences were given in.

        Args:
            first: (N, longest), ``tokens`` or the same with each sequence in another order: of a
                pair, the one that comes first in ``tokens``; on the diagonal, either.
            second: the same, for the one that comes later, and the other on the diagonal.
            threads: see :func:`score_matrix`.
        """
        from alignment.kernels import score_query

        one, lengths = self._shifted, self.lengths
        opening = one.opening if one.opening[0] else None
        answers = np.zeros((len(lengths), len(lengths)), one.matrix.dtype)

        def score_row(row: int) -> None:
            query = first[row, : lengths[row]]
            score_query(query, second, lengths, row, one.matrix, one.border, opening, answers[row])

        if threads == 1 or float(lengths.sum()) ** 2 < FEW_CELLS:
            for row in range(len(lengths)):
                score_row(row)
        else:
            with ThreadPoolExecutor(threads) as pool:
                for _done in pool.map(score_row, range(len(lengths))):
                    pass
        upper = np.triu(answers.astype(np.int64) + self._extend * np.add.outer(lengths, lengths))
        both = upper + np.triu(upper, 1).T
        result: IntArray = np.empty(both.shape, np.int64)
        result[np.ix_(self.order, self.order)] = both
        return result


# ---------------------------------------------------------------- what the kernels are given


@dataclass(frozen=True)
class _Shifted:
    """Scores in the form of :mod:`alignment.kernels`, in integers as narrow as is safe."""

    matrix: npt.NDArray[Any]
    border: npt.NDArray[Any]
    opening: npt.NDArray[Any]


def _shifted(matrix: IntArray, scoring: Scoring, longest: int, narrow: bool = True) -> _Shifted:
    # In Python's integers, which do not overflow.
    extend, opening = int(scoring.extend), int(scoring.gap) - int(scoring.extend)
    least, most = int(matrix.min()) - 2 * extend, int(matrix.max()) - 2 * extend
    step = max(abs(least), abs(most))
    bound = (longest + 2) * (step + abs(extend)) + 2 * abs(opening)
    dtypes = (np.int16, np.int32, np.int64) if narrow else (np.int64,)
    fitting = [dtype for dtype in dtypes if 2 * bound + 2 <= np.iinfo(dtype).max]
    if not fitting:
        raise AlignmentError(
            f"scores of up to {max(abs(least), abs(most), abs(extend), abs(opening))} on sequences "
            f"of {longest} tokens do not fit into 64 bits; use smaller scores"
        )
    dtype = fitting[0]
    lengths = np.arange(longest + 1)
    zero = scoring.borders == "zero"
    border = -extend * lengths if zero else np.where(lengths > 0, opening, 0)
    return _Shifted(
        np.ascontiguousarray(matrix - 2 * extend, dtype=dtype),
        border.astype(dtype),
        np.array([opening, -2 * bound - 1], dtype),
    )


def _checked(sequences: Sequence[TokenSequence]) -> list[IntArray]:
    arrays = []
    for index, sequence in enumerate(sequences):
        array = np.asarray(sequence)
        if array.ndim != 1 or array.size == 0:
            raise AlignmentError(
                f"sequence {index} has shape {array.shape}; a sequence of at least one token needed"
            )
        if not np.issubdtype(array.dtype, np.integer):
            raise AlignmentError(f"tokens of sequence {index} are {array.dtype}; integers needed")
        if array.min() < 0 or array.max() >= 2**31 - 1:
            raise AlignmentError(
                f"sequence {index} has tokens from {array.min()} to {array.max()}; "
                "they must be 0 or above, and below 2**31 - 1"
            )
        arrays.append(array.astype(np.int64))
    return arrays


def _prepared(
    arrays: list[IntArray], scoring: Scoring, substitution: npt.ArrayLike | None
) -> tuple[list[IntArray], IntArray]:
    """The sequences, and the substitution matrix that their tokens index."""
    if substitution is None:
        for name in ("match", "mismatch", "gap", "extend"):
            if abs(getattr(scoring, name)) >= 2**62:
                raise AlignmentError(f"{name} is beyond 62 bits; use a smaller score")
        # Numbered anew: tokens as large as hashes would ask for a matrix as large.
        known = np.unique(np.concatenate(arrays))
        numbered = [np.searchsorted(known, array).astype(np.int64) for array in arrays]
        return numbered, scoring.substitution(len(known))
    size = 1 + max(int(array.max()) for array in arrays)
    matrix = np.asarray(substitution)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise AlignmentError(f"the substitution matrix has shape {matrix.shape}; a square needed")
    if not np.issubdtype(matrix.dtype, np.integer):
        raise AlignmentError(f"the substitution matrix is {matrix.dtype}; whole numbers needed")
    if len(matrix) < size:
        raise AlignmentError(
            f"the substitution matrix knows {len(matrix)} tokens; the sequences have token "
            f"{size - 1}"
        )
    if np.abs(matrix.astype(object)).max() >= 2**62:
        raise AlignmentError("the substitution matrix has scores beyond 62 bits")
    uneven = np.argwhere(matrix != matrix.T)
    if len(uneven):
        i, j = uneven[0].tolist()
        raise AlignmentError(
            f"the substitution matrix is not symmetric: s({i}, {j}) is {matrix[i, j]} and "
            f"s({j}, {i}) is {matrix[j, i]}; what two tokens score must not depend on their order"
        )
    return arrays, matrix.astype(np.int64)
