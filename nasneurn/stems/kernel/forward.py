"""The response of every plane: sigma, and its share of the greatest sigma."""

from typing import Any

import numpy as np

from nasneurn.stems.kernel.compiling import MERGE, Array, compiled, loops
from nasneurn.stems.kernel.planes import anchor_of, pad
from nasneurn.stems.kernel.windows import column_windows, row_windows

#: Floats whose windows along the rows are made at a time, within a first-level cache.
STRIP = 1024


@loops(fastmath=MERGE)
def _sigma(
    x: Array, out: Array, rows: Array, columns: Array, k: int, band: int, buffers: Array
) -> Any:  # fmt: skip
    """Sigma of one plane, band by band; the bits of its maximum.

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
    anchor = anchor_of(x)
    for top in range(0, height, band):
        here = min(band, height - top)
        held = 2 * r if top else 0
        pad(x, rows[top + held : top + here + 2 * r], columns, padded, anchor, r, width)
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
                to[j] = row[j]
                peak = max(peak, row_bits[j])
        if top + here < height:  # the next band begins with the rows that this one ends with
            at = here * stride
            for i in range(2 * r * stride):
                m[i] = m[at + i]
                m2[i] = m2[at + i]
    return peak


@loops(fastmath=MERGE)
def _scale(sigma: Array, c: Any, mode: int, eps: Any) -> None:
    if c == 0:  # blank: sigma is zero everywhere, and so is the answer
        return
    if mode == 1:
        for i in range(sigma.size):
            sigma[i] /= c
    else:
        for i in range(sigma.size):
            sigma[i] = np.float32(1) / (c * sigma[i] + eps)


@compiled
def forward(
    x: Array, out: Array, rows: Array, columns: Array, k: int, band: int,
    group: int, mode: int, eps: Any, first: int, last: int, buffers: Array, peaks: Array,
) -> None:  # fmt: skip
    """Groups first to last of ``group`` planes each; ``peaks`` gets the maximum of each group.

    ``buffers`` are seven, each for the padded rows of a band and k values more.
    """
    bits = peaks.view(np.uint32)
    r = k // 2
    size = (rows.size - 2 * r) * (columns.size - 2 * r)
    for g in range(first, last):
        top = np.uint32(0)
        for plane in range(g * group, (g + 1) * group):
            a, b = plane * size, (plane + 1) * size
            top = max(top, _sigma(x[a:b], out[a:b], rows, columns, k, band, buffers))
        bits[g] = top
        if mode != 0:
            _scale(out[g * group * size : (g + 1) * group * size], peaks[g], mode, eps)
