"""Windows of many cells merged from windows of fewer, along the rows and between them."""

from typing import Any

import numpy as np

from nasneurn.stems.kernel.compiling import MERGE, Array, loops


@loops(fastmath=MERGE)
def _double(a: Any, a2: Any, b: Any, b2: Any, gain: Any) -> Any:
    """Mean and squared deviations of two windows of n cells each; gain = n / 2."""
    d = b - a
    return a + np.float32(0.5) * d, (a2 + b2) + gain * (d * d)


@loops(fastmath=MERGE)
def _extend(a: Any, a2: Any, b: Any, b2: Any, part: Any, gain: Any) -> Any:
    """The same for a window of n cells and one cell; part = 1 / (n + 1), gain = n / (n + 1)."""
    d = b - a
    return a + part * d, (a2 + b2) + gain * (d * d)


@loops(fastmath=MERGE)
def _first(x: Array, to: Array, to2: Array, odd: bool, size: int) -> None:
    """Windows of two cells, or three with ``odd``, along a row of plain values."""
    zero, half = np.float32(0), np.float32(0.5)
    part, gain = np.float32(1 / 3), np.float32(2 / 3)
    a, b, c, o, o2 = x[:size], x[1 : 1 + size], x[2 : 2 + size], to[:size], to2[:size]
    if odd:
        for i in range(size):
            m, m2 = _double(a[i], zero, b[i], zero, half)
            o[i], o2[i] = _extend(m, m2, c[i], zero, part, gain)
    else:
        for i in range(size):
            o[i], o2[i] = _double(a[i], zero, b[i], zero, half)


@loops(fastmath=MERGE)
def _along(
    m: Array, m2: Array, x: Array, to: Array, to2: Array, n: int, odd: bool, size: int
) -> None:  # fmt: skip
    """Windows of 2n values from (m, m2) of n; of 2n + 1 with ``odd``, the last one plain, of x."""
    half_n = np.float32(0.5 * n)
    part, gain = np.float32(1 / (2 * n + 1)), np.float32(2 * n / (2 * n + 1))
    a, a2, b, b2 = m[:size], m2[:size], m[n : n + size], m2[n : n + size]
    o, o2 = to[:size], to2[:size]
    if odd:
        c = x[2 * n : 2 * n + size]
        for i in range(size):
            w, w2 = _double(a[i], a2[i], b[i], b2[i], half_n)
            o[i], o2[i] = _extend(w, w2, c[i], np.float32(0), part, gain)
    else:
        for i in range(size):
            o[i], o2[i] = _double(a[i], a2[i], b[i], b2[i], half_n)


@loops(fastmath=MERGE)
def _across(
    m: Array, m2: Array, x: Array, x2: Array, to: Array, to2: Array,
    n: int, shift: int, odd: bool, size: int, weight: int,
) -> None:  # fmt: skip
    """The same between rows, of cells that stand for ``weight`` values each."""
    half_n = np.float32(0.5 * n * weight)
    part, gain = np.float32(1 / (2 * n + 1)), np.float32(2 * n / (2 * n + 1) * weight)
    at, end = n * shift, 2 * n * shift
    a, a2, b, b2 = m[:size], m2[:size], m[at : at + size], m2[at : at + size]
    o, o2 = to[:size], to2[:size]
    if odd:
        c, c2 = x[end : end + size], x2[end : end + size]
        for i in range(size):
            w, w2 = _double(a[i], a2[i], b[i], b2[i], half_n)
            o[i], o2[i] = _extend(w, w2, c[i], c2[i], part, gain)
    else:
        for i in range(size):
            o[i], o2[i] = _double(a[i], a2[i], b[i], b2[i], half_n)


@loops(fastmath=MERGE)
def _last(
    m: Array, m2: Array, x: Array, x2: Array, to: Array, n: int, shift: int, size: int
) -> None:  # fmt: skip
    """Sigma of k = 2n + 1 cells of k values each: k is odd, so the last step always is."""
    k = 2 * n + 1
    half_n, gain = np.float32(0.5 * n * k), np.float32(2 * n)
    scale = np.float32(1 / (k * k))
    at, end = n * shift, 2 * n * shift
    a, a2, b, b2 = m[:size], m2[:size], m[at : at + size], m2[at : at + size]
    c, c2, o = x[end : end + size], x2[end : end + size], to[:size]
    for i in range(size):
        w, w2 = _double(a[i], a2[i], b[i], b2[i], half_n)
        w, w2 = _extend(w, w2, c[i], c2[i], np.float32(0), gain)
        o[i] = np.sqrt(w2 * scale)


@loops()
def row_windows(padded: Array, m: Array, m2: Array, spare: Array, k: int, size: int) -> None:
    """Along the rows, by the binary digits of k from the second highest down."""
    digit, at = 0, 0
    while k >> (digit + 2):
        digit += 1
    n = k >> digit
    to, to2 = (spare[0], spare[1]) if digit else (m, m2)
    _first(padded, to, to2, n & 1 == 1, size + k - n)
    while digit > 0:
        digit -= 1
        a, a2, at = to, to2, 2 - at
        to, to2 = (spare[at], spare[at + 1]) if digit else (m, m2)
        n = k >> digit
        _along(a, a2, padded, to, to2, n >> 1, n & 1 == 1, size + k - n)


@loops()
def column_windows(
    m: Array, m2: Array, to: Array, spare: Array, k: int, stride: int, size: int
) -> None:  # fmt: skip
    """Between the rows, likewise, down to sigma."""
    digit, at = 0, 0
    while k >> (digit + 2):
        digit += 1
    a, a2 = m, m2
    while digit > 0:
        n = k >> digit
        b, b2 = spare[at], spare[at + 1]
        _across(a, a2, m, m2, b, b2, n >> 1, stride, n & 1 == 1, size + (k - n) * stride, k)
        a, a2, at = b, b2, 2 - at
        digit -= 1
    _last(a, a2, m, m2, to, k >> 1, stride, size)
