"""One plane, which is one channel of one image, made ready for its windows."""

import math
from typing import Any

import numpy as np

from nasneurn.stems.kernel.compiling import MERGE, SUM, Array, loops

_MAGNITUDE, _INFINITY = np.uint32(0x7FFFFFFF), np.uint32(0x7F800000)


@loops()
def _peak(plane: Array) -> Any:
    """Bits of the greatest finite magnitude in a plane.

    A float that is not negative sorts as its bits do, and an integer maximum vectorizes.
    """
    bits = plane.view(np.uint32)
    peak = np.uint32(0)
    for i in range(bits.size):
        peak = max(peak, np.uint32(bits[i] & _MAGNITUDE))  # numba widens what "&" gives
    if peak >= _INFINITY:
        peak = np.uint32(0)
        for i in range(bits.size):
            magnitude = np.uint32(bits[i] & _MAGNITUDE)
            peak = max(peak, magnitude if magnitude < _INFINITY else np.uint32(0))
    return peak


@loops(fastmath=SUM)
def measure(plane: Array) -> Any:
    """The exponent that brings a plane near one, and the mean of the plane thus scaled.

    Sigma does not change with a shift; its rounding does.
    """
    exponent: int = min(max(int(_peak(plane) >> np.uint32(23)) - 127, -126), 126)
    scale, total = power(-exponent), np.float32(0)
    for i in range(plane.size):
        total += plane[i] * scale
    mean = total / np.float32(plane.size)
    return exponent, mean if np.isfinite(mean) else np.float32(0)


@loops()
def power(exponent: Any) -> Any:
    """2 ** exponent in float32."""
    return np.float32(math.ldexp(1.0, exponent))


@loops(fastmath=MERGE)
def pad(
    x: Array, rows: Array, columns: Array, padded: Array,
    scale: Any, anchor: Any, r: int, width: int,
) -> None:  # fmt: skip
    """Copy rows of a plane times ``scale``, with their border, less the anchor.

    An index below 0 means a zero.
    """
    count, stride = rows.size, width + 2 * r
    image = x.reshape(x.size // width, width)
    whole = padded[: count * stride].reshape(count, stride)
    inner = padded[r : r + count * stride].reshape(count, stride)
    for i in range(count):
        y = rows[i]
        if y < 0:
            for j in range(width):
                inner[i, j] = -anchor
        else:
            for j in range(width):
                inner[i, j] = image[y, j] * scale - anchor
    for j in range(r):
        left, right = columns[j], columns[r + width + j]
        for i in range(count):
            whole[i, j] = inner[i, left] if left >= 0 else -anchor
            whole[i, r + width + j] = inner[i, right] if right >= 0 else -anchor
