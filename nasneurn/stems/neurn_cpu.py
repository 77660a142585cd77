"""NeuRN on a CPU: the compiled loops of :mod:`nasneurn.stems.kernel` over torch's threads.

Imported at the first call that needs it, since numba takes a while to load. The mathematics is in
:mod:`nasneurn.stems.moments`; here is what makes it quick in float32:

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
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nasneurn.stems.kernel.compiling import Array
from nasneurn.stems.kernel.forward import CONTRAST, LOCAL, RECIPROCAL, SCALED
from nasneurn.stems.kernel.forward import forward as forward_loops
from nasneurn.stems.kernel.gradient import backward as backward_loops
from nasneurn.stems.torch_threads import share

_MODES = {"scaled": SCALED, "local": LOCAL, "contrast": CONTRAST, "reciprocal": RECIPROCAL}

#: Floats of a band in one buffer: seven such buffers stay within a second-level cache.
_BAND = 8192

#: Pixels, times the merges along a row, below which a second thread costs more than it saves.
_SMALL = 262_144


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
) -> tuple[Tensor, Tensor, Array]:
    """The response of contiguous float32 planes; each ``group`` planes share a maximum.

    Returns:
        The response; exponents (N, C, 1, 1); and for each plane what its response must be
        multiplied by to give sigma / 2 ** exponent. Mode "scaled" gives that itself.
    """
    out = torch.empty_like(x)
    planes, height, width = x.shape[0] * x.shape[1], x.shape[2], x.shape[3]
    r = k // 2
    rows, columns = _border(height, r, border), _border(width, r, border)
    band = min(height, max(4 * r, _BAND // columns.size))
    source, target = _flat(x), _flat(out)
    units, exponents = np.empty(planes, np.float32), np.empty(planes, np.int32)

    def work(first: int, last: int) -> None:
        forward_loops(
            source, target, rows, columns, k, band,
            group, _MODES[mode], np.float32(eps), first, last,
            _buffers(band + 2 * r, columns.size, k), units, exponents,
        )  # fmt: skip

    _share(work, planes // group, x.numel(), k)
    exponent = torch.from_numpy(exponents).to(x.dtype).view(*x.shape[:2], 1, 1)
    return out, exponent, units


class Response(torch.autograd.Function):
    """All modes but "reciprocal" of contiguous float32 planes, with their gradient.

    ``again`` computes the same by PyTorch's operations, of which derivatives of the gradient are
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
        again: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Compute the response and the exponents; see :func:`forward`."""
        out, exponent, units = forward(x, k, border, group, mode, 0.0)
        ctx.save_for_backward(x, out)
        ctx.mark_non_differentiable(exponent)
        ctx.options = k, border, group, _MODES[mode], units
        ctx.again = again
        return out, exponent

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        """Compute dL/dx."""
        x, y = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True
            (gradient,) = torch.autograd.grad(ctx.again(x), x, grad, create_graph=True)
        else:
            gradient = _gradient(x, y, grad.contiguous(), *ctx.options)
        return gradient, None, None, None, None, None


def _gradient(
    x: Tensor, y: Tensor, grad: Tensor, k: int, border: str, group: int, mode: int, units: Array
) -> Tensor:
    out = torch.empty_like(x)
    height, width = x.shape[2:]
    rows, columns = _border(height, k // 2, border), _border(width, k // 2, border)
    given = _flat(x), _flat(y), _flat(grad), _flat(out)

    def work(first: int, last: int) -> None:
        buffers = _buffers(rows.size + k - 1, columns.size, k)
        backward_loops(*given, rows, columns, k, group, mode, first, last, buffers, units)

    _share(work, len(units) // group, x.numel(), k)
    return out
