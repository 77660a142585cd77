"""The response of every plane: sigma, and its share of the greatest sigma."""

from typing import Any

import numpy as np

from nasneurn.stems.kernel.compiling import MERGE, Array, compiled, loops
from nasneurn.stems.kernel.planes import measure, pad, power
from nasneurn.stems.kernel.windows import column_windows, row_windows

#: Floats whose windows along the rows are made at a time, within a first-level cache.
STRIP = 1024

#: Modes of the kernel. "scaled" is sigma of a plane that is scaled by 2 ** -exponent.
SCALED, LOCAL, CONTRAST, RECIPROCAL = 0, 1, 2, 3

#: Below every exponent: that of a group whose planes are all blank.
BLANK = -1000


@loops(fastmath=MERGE)
def _sigma(
    x: Array, out: Array, rows: Array, columns: Array, k: int, band: int, scaled: bool,
    buffers: Array,
) -> Any:  # fmt: skip
    """Sigma of one plane, band by band; the bits of its maximum when scaled, and its exponent.

    With ``scaled``, sigma is left that of the scaled plane.

    A float that is not negative sorts as its bits do, and NaN above all: an integer maximum
    vectorizes and lets no NaN get lost.
    """
    r = k // 2
    height, width = rows.size - 2 * r, columns.size - 2 * r
    stride = width + 2 * r
    # Sigma takes the place of the rows that it was made from: what fits a cache is quick.
    padded, m, m2, sigma, spare = buffers[0], buffers[1], buffers[2], buffers[0], buffers[3:]
    bits = sigma.view(np.uint32)
    peak = np.uint32(0)
    exponent, anchor = measure(x)
    scale, unit = power(-exponent), np.float32(1) if scaled else power(exponent)
    for top in range(0, height, band):
        here = min(band, height - top)
        held = 2 * r if top else 0
        pad(x, rows[top + held : top + here + 2 * r], columns, padded, scale, anchor, r, width)
        at = held * stride
        fresh = (here + 2 * r) * stride - at
        for done in range(0, fresh, STRIP):
            size = min(STRIP, fresh - done)
            row_windows(padded[done:], m[at + done :], m2[at + done :], spare, k, size)
        column_windows(m, m2, sigma, spare, k, stride, here * stride)
        for i in range(here):
            row = sigma[i * stride : i * stride + width]
            row_bits = bits[i * stride : i * stride + width]
            to = out[(top + i) * width : (top + i + 1) * width]
            for j in range(width):
                to[j] = row[j] * unit
                peak = max(peak, row_bits[j])
        if top + here < height:  # the next band begins with the rows that this one ends with
            at = here * stride
            for i in range(2 * r * stride):
                m[i] = m[at + i]
                m2[i] = m2[at + i]
    return peak, exponent


@loops(fastmath=MERGE)
def _contrast(out: Array, units: Array, exponents: Array, greatest: int) -> None:
    """Divide the scaled sigmas of a group by their maximum; ``units`` become the divisors.

    ``units`` are the maxima of the planes, ``greatest`` the exponent of those that are not blank.
    """
    bits = units.view(np.uint32)
    top = np.uint32(0)
    for i in range(units.size):
        units[i] *= power(min(exponents[i] - greatest, 0))
        top = max(top, bits[i])
    bits[:] = top
    size = out.size // units.size
    for i in range(units.size):
        units[i] *= power(max(greatest - exponents[i], 0))
        plane, unit = out[i * size : (i + 1) * size], units[i]
        for j in range(size):
            plane[j] /= unit


@loops(fastmath=MERGE)
def _reciprocal(out: Array, peaks: Array, exponents: Array, eps: Any) -> None:
    """1 / (c * sigma + eps) of a group's sigmas; ``peaks`` are the scaled maxima of its planes."""
    bits = peaks.view(np.uint32)
    top = np.uint32(0)
    for i in range(peaks.size):
        peaks[i] *= power(exponents[i])
        top = max(top, bits[i])
    bits[:] = top
    c = peaks[0]
    for i in range(out.size):
        out[i] = np.float32(1) / (c * out[i] + eps)


@compiled
def forward(
    x: Array, out: Array, rows: Array, columns: Array, k: int, band: int, group: int, mode: int,
    eps: Any, first: int, last: int, buffers: Array, units: Array, exponents: Array,
) -> None:  # fmt: skip
    """Groups first to last of ``group`` planes each.

    ``buffers`` are seven, each for the padded rows of a band and k values more. ``units`` get what
    each plane of ``out`` must be multiplied by to give sigma of the scaled plane (not in the mode
    "reciprocal", where nothing does), and ``exponents`` by which each plane is scaled.
    """
    bits = units.view(np.uint32)
    r = k // 2
    size = (rows.size - 2 * r) * (columns.size - 2 * r)
    scaled = mode in (SCALED, CONTRAST)
    for g in range(first, last):
        start, end = g * group, (g + 1) * group
        greatest = BLANK
        for plane in range(start, end):
            a, b = plane * size, (plane + 1) * size
            bits[plane], exponents[plane] = _sigma(
                x[a:b], out[a:b], rows, columns, k, band, scaled, buffers
            )
            if bits[plane] != 0:
                greatest = max(greatest, exponents[plane])
        if mode == SCALED or greatest == BLANK:  # blank: sigma and the answer are zero everywhere
            units[start:end] = 1
        elif mode == LOCAL:
            for plane in range(start, end):
                units[plane] = power(-exponents[plane])
        elif mode == CONTRAST:
            _contrast(
                out[start * size : end * size], units[start:end], exponents[start:end], greatest
            )
        else:
            _reciprocal(out[start * size : end * size], units[start:end], exponents[start:end], eps)
