"""The compiled CPU kernel of NeuRN: the standard deviation of every patch, and its gradient.

Imported at the first call that needs it, since numba takes a while to load. The mathematics is in
:mod:`nasneurn.stems`; here is what makes it quick in float32:

- A window's mean and sum of squared deviations are merged from two windows half as long (Chan,
  Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances",
  1979). The cost grows with log2(k), nothing cancels, and a flat patch gives exactly zero.
- The rows of a plane (one channel of one image) lie one after the other in a flat buffer, so that
  one long loop, which the compiler vectorizes, merges them all: along the rows with shift 1,
  between rows with shift = length of a row. Windows that run over a row's end are computed too,
  and never read.
- Rows are taken in bands, and these in strips, that stay in the caches.
- Work is split over torch's own threads. numba's own parallel loops abort on concurrent calls or
  after a fork, depending on the threading layer.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from nasneurn.stems.torch_threads import share

Array = NDArray[Any]

#: Numbers of ``mode`` in the kernel.
_MODES = {"local": 0, "contrast": 1, "reciprocal": 2}

#: Floats of a band in one buffer: seven such buffers stay within a second-level cache.
_BAND = 8192

#: Floats whose windows along the rows are made at a time, within a first-level cache.
_STRIP = 1024

#: Pixels, times the merges along a row, below which a second thread costs more than it saves.
_SMALL = 262_144

# No reassociation in the merges: `a + (b - a) * w` is exact for a == b only as it stands. Nowhere
# the leave to assume that no NaN occurs: it would hide one.
_MERGE = {"contract", "nsz"}
_SUM = {"contract", "nsz", "reassoc"}


def _loops(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba's njit for functions that own no memory: they are given all their arrays.

    Slices of arrays then go uncounted. Counting them, by atomic instructions, took more than a
    quarter of the time of a small image.
    """
    return cast(Callable[[Callable[..., Any]], Any], njit(**{**options, "_nrt": False}))


def _compiled(kernel: Callable[..., None]) -> Callable[..., None]:
    """Compile a kernel, for this process alone where numba can not keep a cache on disk."""
    try:
        cached = _loops(nogil=True, cache=True)(kernel)
    except RuntimeError:  # no folder to write to
        return cast(Callable[..., None], _loops(nogil=True)(kernel))
    uncached: Callable[..., None] | None = None

    @wraps(kernel)
    def call(*arguments: Any) -> None:
        nonlocal uncached
        if uncached is None:
            try:
                cached(*arguments)
                return
            except OSError:  # it could not be written after all
                uncached = _loops(nogil=True)(kernel)
        uncached(*arguments)

    return call


# ---------------------------------------------------------------- windows of one plane


@_loops(fastmath=_SUM)
def _anchor(plane: Array) -> Any:
    """Mean of a plane. Sigma does not change with a shift; its rounding does."""
    total = np.float32(0)
    for i in range(plane.size):
        total += plane[i]
    mean = total / np.float32(plane.size)
    return mean if np.isfinite(mean) else np.float32(0)


@_loops()
def _pad(
    x: Array, rows: Array, columns: Array, padded: Array, anchor: Any, r: int, width: int
) -> None:  # fmt: skip
    """Copy rows of a plane with their border, less the anchor; an index below 0 means a zero."""
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
                inner[i, j] = image[y, j] - anchor
    for j in range(r):
        left, right = columns[j], columns[r + width + j]
        for i in range(count):
            whole[i, j] = inner[i, left] if left >= 0 else -anchor
            whole[i, r + width + j] = inner[i, right] if right >= 0 else -anchor


@_loops(fastmath=_MERGE)
def _double(a: Any, a2: Any, b: Any, b2: Any, gain: Any) -> Any:
    """Mean and squared deviations of two windows of n cells each; gain = n / 2."""
    d = b - a
    return a + np.float32(0.5) * d, (a2 + b2) + gain * (d * d)


@_loops(fastmath=_MERGE)
def _extend(a: Any, a2: Any, b: Any, b2: Any, part: Any, gain: Any) -> Any:
    """The same for a window of n cells and one cell; part = 1 / (n + 1), gain = n / (n + 1)."""
    d = b - a
    return a + part * d, (a2 + b2) + gain * (d * d)


@_loops(fastmath=_MERGE)
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


@_loops(fastmath=_MERGE)
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


@_loops(fastmath=_MERGE)
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


@_loops(fastmath=_MERGE)
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


@_loops()
def _rows_windows(padded: Array, m: Array, m2: Array, spare: Array, k: int, size: int) -> None:
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


@_loops()
def _columns_windows(
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


@_loops(fastmath=_MERGE)
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
    anchor = _anchor(x)
    for top in range(0, height, band):
        here = min(band, height - top)
        held = 2 * r if top else 0
        _pad(x, rows[top + held : top + here + 2 * r], columns, padded, anchor, r, width)
        at = held * stride
        fresh = (here + 2 * r) * stride - at
        for done in range(0, fresh, _STRIP):
            size = min(_STRIP, fresh - done)
            _rows_windows(padded[done:], m[at + done :], m2[at + done :], spare, k, size)
        _columns_windows(m, m2, sigma, spare, k, stride, here * stride)
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


@_loops(fastmath=_MERGE)
def _scale(sigma: Array, c: Any, mode: int, eps: Any) -> None:
    if c == 0:  # blank: sigma is zero everywhere, and so is the answer
        return
    if mode == 1:
        for i in range(sigma.size):
            sigma[i] /= c
    else:
        for i in range(sigma.size):
            sigma[i] = np.float32(1) / (c * sigma[i] + eps)


@_compiled
def _forward(
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


# ---------------------------------------------------------------- gradient


@_loops(fastmath=_SUM)
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


@_loops()
def _boxes(x: Array, to: Array, spare: Array, k: int, stride: int, count: int) -> None:
    """Sums over k x k boxes, for ``count`` rows of them."""
    _sums(x, spare[2], spare, k, 1, (count + k - 1) * stride)
    _sums(spare[2], to, spare, k, stride, count * stride)


@_loops(fastmath=_SUM)
def _through_peak(y: Array, grad: Array) -> Any:
    """What of dL/dy, y = sigma / c, goes to each of the sigmas that are c, for y = 1 there."""
    total, ties = np.float32(0), 0
    for i in range(y.size):
        total += grad[i] * y[i]
        ties += y[i] == np.float32(1)
    return total / np.float32(ties) if ties else total


@_loops(fastmath=_MERGE)
def _adjoint(
    x: Array, y: Array, grad: Array, out: Array, c: Any, peak: Any,
    rows: Array, columns: Array, k: int, buffers: Array,
) -> None:  # fmt: skip
    """dL/dx of one plane from dL/dy, y = sigma / c.

    Each x collects a * (x - mu) from the patches it is in, where a = dL/dsigma / (k^2 sigma), and
    zero where sigma is zero. ``peak`` is taken from dL/dy where sigma is c.
    """
    r = k // 2
    height, width = rows.size - 2 * r, columns.size - 2 * r
    stride, tall = width + 2 * r, height + 2 * r
    padded, mean, weights, moments, spare = (
        buffers[0], buffers[1], buffers[2], buffers[3], buffers[4:],
    )  # fmt: skip
    anchor = _anchor(x)
    _pad(x, rows, columns, padded, anchor, r, width)
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
            a = g / c / (area * (s * c)) if s != 0 else np.float32(0)
            weights[at + j] = a
            moments[at + j] = a * (mean[i * stride + j] / area)
    _boxes(weights, mean, spare, k, stride, tall)
    _boxes(moments, weights, spare, k, stride, tall)
    for i in range(tall * stride):
        padded[i] = padded[i] * mean[i] - weights[i]
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


@_compiled
def _backward(
    x: Array, y: Array, grad: Array, out: Array, rows: Array, columns: Array, k: int,
    group: int, mode: int, first: int, last: int, buffers: Array, peaks: Array,
) -> None:  # fmt: skip
    """Groups first to last; ``buffers`` are seven, each for 2r rows more than the padded plane."""
    r = k // 2
    size = (rows.size - 2 * r) * (columns.size - 2 * r)
    c, peak = np.float32(1), np.float32(0)
    for g in range(first, last):
        if mode == 1:
            a, b = g * group * size, (g + 1) * group * size
            c, peak = peaks[g], _through_peak(y[a:b], grad[a:b])
        for plane in range(g * group, (g + 1) * group):
            a, b = plane * size, (plane + 1) * size
            _adjoint(x[a:b], y[a:b], grad[a:b], out[a:b], c, peak, rows, columns, k, buffers)


# ---------------------------------------------------------------- from tensors, over threads


def _share(work: Callable[[int, int], None], units: int, pixels: int, k: int) -> None:
    """Do ``work(first, last)`` over all units, in as many threads as pay."""
    merges = k.bit_length() - 1
    share(work, units, max(1, min(torch.get_num_threads(), units, pixels * merges // _SMALL)))


@lru_cache(maxsize=64)
def _border(size: int, r: int, border: str) -> Array:
    """For each cell of a padded line, the cell of the image that it repeats; -1 for a zero."""
    line = np.arange(-r, size + r, dtype=np.int64)
    if border == "replicate":
        return line.clip(0, size - 1)
    if border == "reflect":
        line = np.abs(line)
        return np.minimum(line, 2 * (size - 1) - line)
    return np.where((line < 0) | (line >= size), -1, line)


def _buffers(rows: int, columns: int, k: int) -> Array:
    # Zeros: the windows that nobody reads are computed too, and odd values would slow that down.
    return np.zeros((7, rows * columns + k), np.float32)


def _flat(x: Tensor) -> Array:
    return x.detach().view(-1).numpy()


def forward(
    x: Tensor, k: int, border: str, group: int, mode: str, eps: float
) -> tuple[Tensor, Array]:
    """Sigma of contiguous float32 planes, scaled by the peak of each ``group`` planes together.

    Mode "local" leaves sigma as it is. The second answer are the peaks.
    """
    out = torch.empty_like(x)
    planes, height, width = x.shape[0] * x.shape[1], x.shape[2], x.shape[3]
    r = k // 2
    rows, columns = _border(height, r, border), _border(width, r, border)
    band = min(height, max(4 * r, _BAND // columns.size))
    source, target = _flat(x), _flat(out)
    peaks = np.empty(planes // group, np.float32)

    def work(first: int, last: int) -> None:
        _forward(
            source, target, rows, columns, k, band,
            group, _MODES[mode], np.float32(eps), first, last,
            _buffers(band + 2 * r, columns.size, k), peaks,
        )  # fmt: skip

    _share(work, planes // group, x.numel(), k)
    return out, peaks


class Response(torch.autograd.Function):
    """The modes "local" and "contrast" of contiguous float32 planes, with their gradient.

    ``plain`` computes the same by PyTorch's operations, of which derivatives of the gradient are
    made where they are asked for.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        k: int,
        border: str,
        group: int,
        mode: str,
        plain: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """Compute the response; see :func:`forward`."""
        out, peaks = forward(x, k, border, group, mode, 0.0)
        ctx.save_for_backward(x, out)
        ctx.options = k, border, group, _MODES[mode], peaks
        ctx.plain = plain
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute dL/dx."""
        x, y = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True
            (gradient,) = torch.autograd.grad(ctx.plain(x), x, grad, create_graph=True)
        else:
            gradient = _gradient(x, y, grad.contiguous(), *ctx.options)
        return gradient, None, None, None, None, None


def _gradient(
    x: Tensor, y: Tensor, grad: Tensor, k: int, border: str, group: int, mode: int, peaks: Array
) -> Tensor:
    out = torch.empty_like(x)
    height, width = x.shape[2:]
    rows, columns = _border(height, k // 2, border), _border(width, k // 2, border)
    given = _flat(x), _flat(y), _flat(grad), _flat(out)

    def work(first: int, last: int) -> None:
        buffers = _buffers(rows.size + k - 1, columns.size, k)
        _backward(*given, rows, columns, k, group, mode, first, last, buffers, peaks)

    _share(work, len(peaks), x.numel(), k)
    return out
