"""The compiled loops of Needleman-Wunsch; :mod:`alignment.needleman_wunsch` is the way in.

Scores are kept as H'(i, j) = H(i, j) - e (i + j), where e is the score of extending a gap, and o is
what opening one scores beyond that. To extend a gap then adds nothing:

    E'(i, j) = max(E'(i, j-1), H'(i, j-1) + o)          a gap in the first sequence
    F'(i, j) = max(F'(i-1, j), H'(i-1, j) + o)          a gap in the second
    H'(i, j) = max(H'(i-1, j-1) + s', E'(i, j), F'(i, j)),    s' = s - 2 e

(Gotoh, "An improved algorithm for matching biological sequences", 1982). Under linear gaps o = 0,
and E' and F' are the neighbours of H' themselves.

One query is aligned to :data:`LANES` targets at a time, a target a lane: each step of the inner
loop does the same to neighbouring integers and compiles to vector instructions. The scores of one
token against all targets are looked up once (a profile). After Rognes, "Faster Smith-Waterman
database searches with inter-sequence SIMD parallelisation", BMC Bioinformatics 2011.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Targets that one query is aligned to at a time. Below 32, LLVM leaves the loops unvectorized.
LANES = 32

_OPTIONS: dict[str, Any] = {"nogil": True, "boundscheck": False}

#: Functions of this file that call each other, at most: what may be saved in one call.
_SAVED_AT_ONCE = 3


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function, for this process alone where numba finds no folder to keep it in."""
    try:
        return numba.njit(**_OPTIONS, **options, cache=True)(function)
    except RuntimeError:
        return numba.njit(**_OPTIONS, **options)(function)


def _loops(function: Callable[..., Any]) -> Any:
    """The same for loops that are given all arrays: they compile in half the time."""
    return _compiled(function, _nrt=False)


def _outermost(compiled: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled function that Python calls, also where it cannot be saved, as on a full disk.

    numba knows a function before it saves it, so that the next call gets further.
    """

    @wraps(compiled)
    def call(*arguments: Any) -> Any:
        for _ in range(_SAVED_AT_ONCE):
            try:
                return compiled(*arguments)
            except OSError:
                continue
        return compiled(*arguments)

    return call


def score_query(
    query: Array, tokens: Array, lengths: Array, first: int, substitution: Array, border: Array,
    opening: Array | None, answers: Array,
) -> None:  # fmt: skip
    """Align a query with sequence ``first`` and all sequences after it.

    Args:
        query: its tokens, not fewer than sequence ``first`` has.
        tokens: (sequences, longest), each sequence padded with any token; sorted, longest first.
        lengths: (sequences,)
        first: the first target.
        substitution: (alphabet, alphabet), s'; its dtype is that of all scores.
        border: (longest + 1,), H'(k, 0) = H'(0, k).
        opening: (2,), o and a score below any that can occur; None under linear gaps, for which
            the loops of affine ones are then not compiled.
        answers: (sequences,), takes H' of the query with each target.
    """
    longest = len(query)
    known, query = np.unique(query, return_inverse=True)
    packed = np.empty((longest, LANES), tokens.dtype)
    scores, down, state, profile = _work_space(longest, len(known), substitution.dtype)
    _score_targets(
        query, known, tokens, lengths, first, substitution, border, opening,
        packed, profile, scores, down, state, answers,
    )  # fmt: skip


def _work_space(longest: int, known: int, dtype: np.dtype[Any]) -> tuple[Array, ...]:
    """Arrays of the inner loops, at places in memory that do not hinder each other.

    A processor takes a load for dependent on an earlier store if the last 12 bits of their
    addresses agree, and waits. The loops sweep over scores, F' and a row of the profile in step,
    so these start a quarter and a half of 4096 bytes apart; left to chance, the loops are at
    times half as fast.
    """
    page = 4096 // dtype.itemsize
    column = (longest + 1) * LANES
    block = -(-column // page) * page
    memory = np.empty(page + (3 + known) * (block + page), dtype)
    start = -memory.ctypes.data % 4096 // dtype.itemsize
    scores = memory[start : start + column].reshape(longest + 1, LANES)
    start += block + page // 4
    down = memory[start : start + column].reshape(longest + 1, LANES)
    start += block + page // 4
    profile = memory[start : start + known * block].reshape(known, block // LANES, LANES)
    start += known * block + page // 4
    state = memory[start : start + 5 * LANES].reshape(5, LANES)
    return scores, down, state, profile


@_outermost
@_loops
def _score_targets(
    query: Array, known: Array, tokens: Array, lengths: Array, first: int, substitution: Array,
    border: Array, opening: Array | None, packed: Array, profile: Array, scores: Array,
    down: Array, state: Array, answers: Array,
) -> None:  # fmt: skip
    """:func:`score_query` with its memory; ``query`` holds places in ``known``, its tokens."""
    for start in range(first, len(lengths), LANES):
        columns = lengths[start]
        for lane in range(LANES):
            # Lanes beyond the last target repeat the first; nobody reads them.
            target = start + lane if start + lane < len(lengths) else start
            for j in range(columns):
                packed[j, lane] = tokens[target, j]
        for row in range(len(known)):
            for j in range(columns):
                for lane in range(LANES):
                    profile[row, j, lane] = substitution[known[row], packed[j, lane]]
        if opening is None:
            _linear(query, profile, columns, border, scores, state)
        else:
            _affine(query, profile, columns, border, opening, scores, down, state)
        for target in range(start, min(start + LANES, len(lengths))):
            answers[target] = scores[lengths[target], target - start]


@_loops
def _linear(
    query: Array, profile: Array, columns: int, border: Array, scores: Array, state: Array
) -> None:  # fmt: skip
    """Leave in ``scores`` (columns + 1, LANES) the last row of H'; two rows a pass."""
    cast = scores.dtype.type  # numba widens every sum to 64 bits
    corner, upper, lower = state[0], state[1], state[2]
    for j in range(columns + 1):
        for lane in range(LANES):
            scores[j, lane] = border[j]
    even = len(query) - len(query) % 2
    for i in range(0, even, 2):
        one = profile[query[i]]
        two = profile[query[i + 1]]
        for lane in range(LANES):
            corner[lane] = border[i]
            upper[lane] = border[i + 1]
            lower[lane] = border[i + 2]
            scores[0, lane] = border[i + 2]
        for j in range(columns):
            for lane in range(LANES):
                above = scores[j + 1, lane]
                left = upper[lane]
                x = cast(corner[lane] + one[j, lane])
                x = x if x > above else above
                x = x if x > left else left
                y = cast(left + two[j, lane])
                y = y if y > x else x
                below = lower[lane]
                y = y if y > below else below
                corner[lane] = above
                upper[lane] = x
                lower[lane] = y
                scores[j + 1, lane] = y
    if even < len(query):
        one = profile[query[even]]
        for lane in range(LANES):
            corner[lane] = border[even]
            upper[lane] = border[even + 1]
            scores[0, lane] = border[even + 1]
        for j in range(columns):
            for lane in range(LANES):
                above = scores[j + 1, lane]
                left = upper[lane]
                x = cast(corner[lane] + one[j, lane])
                x = x if x > above else above
                x = x if x > left else left
                corner[lane] = above
                upper[lane] = x
                scores[j + 1, lane] = x


@_loops
def _affine(
    query: Array, profile: Array, columns: int, border: Array, opening: Array, scores: Array,
    down: Array, state: Array,
) -> None:  # fmt: skip
    """As :func:`_linear`, with a score for opening a gap."""
    cast = scores.dtype.type
    open_ = opening[0]
    corner, upper, lower = state[0], state[1], state[2]
    along, under = state[3], state[4]  # E' of the upper and of the lower row; F' is `down`
    for j in range(columns + 1):
        for lane in range(LANES):
            scores[j, lane] = border[j]
            down[j, lane] = opening[1]
    even = len(query) - len(query) % 2
    for i in range(0, even, 2):
        one = profile[query[i]]
        two = profile[query[i + 1]]
        for lane in range(LANES):
            corner[lane] = border[i]
            upper[lane] = border[i + 1]
            lower[lane] = border[i + 2]
            along[lane] = opening[1]
            under[lane] = opening[1]
            scores[0, lane] = border[i + 2]
        for j in range(columns):
            for lane in range(LANES):
                above = scores[j + 1, lane]
                left = upper[lane]
                e = cast(left + open_)
                e = e if e > along[lane] else along[lane]
                f = cast(above + open_)
                f = f if f > down[j + 1, lane] else down[j + 1, lane]
                x = cast(corner[lane] + one[j, lane])
                x = x if x > e else e
                x = x if x > f else f
                g = cast(lower[lane] + open_)
                g = g if g > under[lane] else under[lane]
                h = cast(x + open_)
                h = h if h > f else f
                y = cast(left + two[j, lane])
                y = y if y > g else g
                y = y if y > h else h
                corner[lane] = above
                upper[lane] = x
                lower[lane] = y
                along[lane] = e
                under[lane] = g
                down[j + 1, lane] = h
                scores[j + 1, lane] = y
    if even < len(query):
        one = profile[query[even]]
        for lane in range(LANES):
            corner[lane] = border[even]
            upper[lane] = border[even + 1]
            along[lane] = opening[1]
            scores[0, lane] = border[even + 1]
        for j in range(columns):
            for lane in range(LANES):
                above = scores[j + 1, lane]
                e = cast(upper[lane] + open_)
                e = e if e > along[lane] else along[lane]
                f = cast(above + open_)
                f = f if f > down[j + 1, lane] else down[j + 1, lane]
                x = cast(corner[lane] + one[j, lane])
                x = x if x > e else e
                x = x if x > f else f
                corner[lane] = above
                upper[lane] = x
                along[lane] = e
                scores[j + 1, lane] = x


#: How H'(i, j) was reached, and whether E' and F' extended a gap: bits of a cell's byte.
_FROM_F, _FROM_E, _F_EXTENDS, _E_EXTENDS = 1, 2, 4, 8


@_outermost
@_compiled
def trace_pair(
    a: Array, b: Array, substitution: Array, border: Array, opening: Array
) -> tuple[int, Array]:
    """H' of one pair, and one best alignment: rows (i, j), -1 where a sequence has a gap.

    Of equal ways a pair of tokens goes before a gap in ``b``, that before a gap in ``a``, and the
    opening of a gap before its extension.
    """
    n, m = len(a), len(b)
    steps = np.zeros((n + 1, m + 1), np.uint8)
    scores = border[: m + 1].copy()
    down = np.full(m + 1, opening[1])
    for i in range(1, n + 1):
        corner = border[i - 1]
        scores[0] = border[i]
        along = opening[1]
        for j in range(1, m + 1):
            step = 0
            e = scores[j - 1] + opening[0]
            if along > e:
                e = along
                step |= _E_EXTENDS
            f = scores[j] + opening[0]
            if down[j] > f:
                f = down[j]
                step |= _F_EXTENDS
            x = corner + substitution[a[i - 1], b[j - 1]]
            if f > x and f >= e:
                x = f
                step |= _FROM_F
            elif e > x:
                x = e
                step |= _FROM_E
            corner = scores[j]
            scores[j] = x
            along = e
            down[j] = f
            steps[i, j] = step
    path = np.empty((n + m, 2), np.int64)
    length = 0
    i, j = n, m
    gap = 0  # _FROM_F or _FROM_E while inside a gap
    while i > 0 or j > 0:
        if i > 0 and j > 0:
            if gap == 0:
                gap = steps[i, j] & (_FROM_F | _FROM_E)
        else:
            gap = _FROM_F if i > 0 else _FROM_E
        if gap == _FROM_F:
            extends = steps[i, j] & _F_EXTENDS
            path[length, 0], path[length, 1] = i - 1, -1
            i -= 1
        elif gap == _FROM_E:
            extends = steps[i, j] & _E_EXTENDS
            path[length, 0], path[length, 1] = -1, j - 1
            j -= 1
        else:
            extends = 0
            path[length, 0], path[length, 1] = i - 1, j - 1
            i -= 1
            j -= 1
        length += 1
        if not extends:
            gap = 0
    return scores[m], path[:length][::-1]


def fold_repeats(tokens: Array) -> Array:
    """Fold equal neighbouring blocks into one, until there are none: A B A B A B C -> A B C.

    Tokens are read from left to right. As soon as those kept end in two equal blocks, the second is
    dropped; of several such pairs the shortest. So of all repeats the one that ends first is folded
    first, and what a beginning folds to does not depend on what follows. Repeats that appear only
    when others are folded are folded, too: what is returned has no block beside its equal, and
    folds to itself.

    For n tokens that takes at most about n**2 log n steps. The tokens kept before the last one have
    no equal neighbours, so their last k tokens cannot have stood at two places at most k apart:
    at most n / k periods agree in k tokens, and all comparisons for one token are a harmonic sum.

    Args:
        tokens: (n,), whole numbers.

    Returns:
        (m,), of the same type, m at most n.
    """
    kept = np.empty_like(tokens)
    return kept[: _fold(tokens, kept)]


@_outermost
@_loops
def _fold(tokens: Array, kept: Array) -> int:
    """Fill ``kept``, and count what it holds."""
    count = 0
    for token in tokens:
        kept[count] = token
        count += 1
        for period in range(1, count // 2 + 1):
            equal = 0
            while equal < period and kept[count - 1 - equal] == kept[count - 1 - equal - period]:
                equal += 1
            if equal == period:
                count -= period
                break
    return count
