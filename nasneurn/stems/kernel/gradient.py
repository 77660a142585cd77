"""The gradient of every plane's response."""

from typing import Any

import numpy as np

from nasneurn.stems.kernel.compiling import MERGE, SUM, Array, compiled, loops
from nasneurn.stems.kernel.forward import CONTRAST, LOCAL
from nasneurn.stems.kernel.planes import measure, pad, power


@loops(fastmath=SUM)
def _sums(x: Array, to: Array, spare: Array, k: int, shift: int, size: int) -> None:
    """Sums over windows of k cells, by the binary digits of k like the moments above."""
    digit = 0
    while k >> (digit + 1):
        digit += 1
    source, at = x, 0
    while digit > 0:
        digit -= 1
        n, odd = k >> (digit + 1), (k >> digit) & 1
        length = size + (k - 2 * n - odd) * shift
        target = spare[at] if digit > 0 else to
        a, b, o = source[:length], source[n * shift : n * shift + length], target[:length]
        if odd:
            c = x[2 * n * shift : 2 * n * shift + length]
            for i in range(length):
                o[i] = (a[i] + b[i]) + c[i]
        else:
            for i in range(length):
                o[i] = a[i] + b[i]
        source, at = target, 1 - at


@loops()
def _boxes(x: Array, to: Array, spare: Array, k: int, stride: int, count: int) -> None:
    """Sums over k x k boxes, for ``count`` rows of them."""
    _sums(x, spare[2], spare, k, 1, (count + k - 1) * stride)
    _sums(spare[2], to, spare, k, stride, count * stride)


@loops(fastmath=SUM)
def _through_peak(y: Array, grad: Array) -> Any:
    """What of dL/dy, y = sigma / c, goes to each of the sigmas that are c, for y = 1 there."""
    total, ties = np.float32(0), 0
    for i in range(y.size):
        total += grad[i] * y[i]
        ties += y[i] == np.float32(1)
    return total / np.float32(ties) if ties else total


@loops(fastmath=MERGE)
def _adjoint(
    x: Array, y: Array, grad: Array, out: Array, unit: Any, peak: Any,
    rows: Array, columns: Array, k: int, mode: int, buffers: Array,
) -> None:  # fmt: skip
    """dL/dx of one plane from dL/dy, y = sigma / unit with sigma of the scaled plane.

    Each x collects a * (x - mu) from the patches it is in, where a = dL/dsigma / (k^2 sigma), and
    zero where sigma is zero. ``peak`` is taken from dL/dy where sigma is the maximum.
    """
    r = k // 2
    height, width = rows.size - 2 * r, columns.size - 2 * r
    stride, tall = width + 2 * r, height + 2 * r
    padded, mean, weights, moments, spare = (
        buffers[0], buffers[1], buffers[2], buffers[3], buffers[4:],
    )  # fmt: skip
    exponent, anchor = measure(x)
    scale = power(-exponent)
    pad(x, rows, columns, padded, scale, anchor, r, width)
    _boxes(padded, mean, spare, k, stride, height)
    # A row's last 2r cells are zeros, and serve as the border of this row and of the next.
    weights[:] = 0
    moments[:] = 0
    area = np.float32(k * k)
    for i in range(height):
        at = (i + 2 * r) * stride + 2 * r
        for j in range(width):
            s, g = y[i * width + j], grad[i * width + j]
            if s == 1:
                g -= peak
            a = g / (area * (s * unit)) if s != 0 else np.float32(0)
            weights[at + j] = a
            moments[at + j] = a * (mean[i * stride + j] / area)
    _boxes(weights, mean, spare, k, stride, tall)
    _boxes(moments, weights, spare, k, stride, tall)
    # dy/dsigma is 1 / unit, and dx'/dx of the scaled plane x' is scale: with "local" these cancel.
    slope = np.float32(1) / unit if mode == CONTRAST else np.float32(1)
    if mode == LOCAL:
        scale = np.float32(1)
    for i in range(tall * stride):
        padded[i] = (padded[i] * mean[i] - weights[i]) * slope * scale
    out[:] = 0
    for i in range(tall):
        if rows[i] < 0:
            continue
        row = out[rows[i] * width : (rows[i] + 1) * width]
        for j in range(width):
            row[j] += padded[i * stride + r + j]
        for j in range(r):
            left, right = columns[j], columns[r + width + j]
            if left >= 0:
                row[left] += padded[i * stride + j]
            if right >= 0:
                row[right] += padded[i * stride + r + width + j]


@compiled
def backward(
    x: Array, y: Array, grad: Array, out: Array, rows: Array, columns: Array, k: int,
    group: int, mode: int, first: int, last: int, buffers: Array, units: Array,
) -> None:  # fmt: skip
    """Groups first to last; ``buffers`` are seven, each for 2r rows more than the padded plane."""
    r = k // 2
    size = (rows.size - 2 * r) * (columns.size - 2 * r)
    peak = np.float32(0)
    for g in range(first, last):
        if mode == CONTRAST:
            a, b = g * group * size, (g + 1) * group * size
            peak = _through_peak(y[a:b], grad[a:b])
        for plane in range(g * group, (g + 1) * group):
            a, b = plane * size, (plane + 1) * size
            _adjoint(
                x[a:b], y[a:b], grad[a:b], out[a:b], units[plane], peak,
                rows, columns, k, mode, buffers,
            )  # fmt: skip
