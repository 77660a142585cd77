"""The standard deviation of every patch by plain PyTorch operations.

They can be traced, compiled, exported, and differentiated any number of times.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

#: What torch calls each border.
BORDERS = {"reflect": "reflect", "zero": "constant", "replicate": "replicate"}
#: The dimensions over which c is the maximum.
SCOPES = {"image": (1, 2, 3), "channel": (2, 3), "batch": (0, 1, 2, 3)}


#: A quantile of less than this, of the greatest sigma, is 0: its square would leave float32.
_LEAST_QUANTILE = 1e-18

#: Powers of two within which float32 and float64 scale without a subnormal or infinite factor.
_LIMITS = {torch.float32: 126, torch.float64: 1022}


def deviations(x: Tensor, k: int, border: str) -> tuple[Tensor, Tensor]:
    """Standard deviation of each patch, as sigma * 2 ** exponent with an exponent for each plane.

    By the law of total variance, first along rows, then across. The exponent brings the values of
    a plane near one, since squares leave the range of float32 long before they do, and sigma is
    that of the plane thus scaled. It is a power of two so that no other bit changes.

    Args:
        x: images (N, C, H, W), in float32 or float64.
        k: side of a patch.
        border: a name of :data:`BORDERS`.

    Returns:
        sigma (N, C, H, W), and exponent (N, C, 1, 1), whole numbers in the dtype of ``x``.
    """
    r = k // 2
    exponent = _exponents(x)
    x = x * (-exponent).exp2()
    # Sigma does not change with a shift, but its rounding does.
    anchor = x.detach().mean((2, 3), keepdim=True).nan_to_num(0.0, 0.0, 0.0)
    padded = F.pad(x, (r, r, r, r), mode=BORDERS[border]) - anchor
    mean, squares = _windows(padded, torch.zeros_like(padded), k, 3)
    mean, squares = _windows(mean, squares / k, k, 2)
    flat = squares == 0
    # The square root's slope at zero is infinite: keep it out of the gradient.
    return (squares / k).masked_fill(flat, 1.0).sqrt().masked_fill(flat, 0.0), exponent


def _exponents(x: Tensor) -> Tensor:
    """floor(log2(greatest finite magnitude)) of each plane, or one off where log2 is rounded."""
    finite = x.detach().nan_to_num(0.0, 0.0, 0.0)
    peak = finite.abs().amax((2, 3), keepdim=True)
    limit = _LIMITS[x.dtype]
    return peak.log2().floor().nan_to_num(0.0, 0.0, 0.0).clamp(-limit, limit)


def _windows(mean: Tensor, squares: Tensor, k: int, dim: int) -> tuple[Tensor, Tensor]:
    """Mean, and sum of squared deviations from it, of every k cells in a line.

    Windows are made from windows half as long, or those and one cell more, by the binary digits
    of k. Nothing cancels, and equal cells give exactly zero.
    """
    cells = mean, squares
    total, n = mean.shape[dim], 1
    for digit in bin(k)[3:]:
        count = total - 2 * n + 1
        a = mean.narrow(dim, 0, count), squares.narrow(dim, 0, count)
        b = mean.narrow(dim, n, count), squares.narrow(dim, n, count)
        mean, squares = _merge(a, b, n, n)
        n *= 2
        if digit == "1":
            count = total - n
            a = mean.narrow(dim, 0, count), squares.narrow(dim, 0, count)
            b = cells[0].narrow(dim, n, count), cells[1].narrow(dim, n, count)
            mean, squares = _merge(a, b, n, 1)
            n += 1
    return mean, squares


def _merge(
    a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor], n: int, m: int
) -> tuple[Tensor, Tensor]:
    """Moments of n and m cells together (Chan, Golub and LeVeque 1979)."""
    delta = b[0] - a[0]
    mean = a[0] + delta * (m / (n + m))
    return mean, a[1] + b[1] + delta * delta * (n * m / (n + m))


def respond(
    sigma: Tensor,
    exponent: Tensor,
    scope: str,
    mode: str,
    eps: float,
    quantile: float | None = None,
) -> Tensor:
    """The answer of a mode from what :func:`deviations` gives."""
    if mode == "contrast":
        return _contrast(sigma, exponent, scope, quantile)
    response = sigma * exponent.exp2()
    if mode == "local":
        return response
    c = response.amax(SCOPES[scope], keepdim=True)
    # A blank image in a batch that is not blank has c > 0.
    one = SCOPES["channel" if scope == "channel" else "image"]
    blank = sigma.amax(one, keepdim=True) == 0
    return (1.0 / (c * response + eps)).masked_fill(blank, 0.0)


def _contrast(sigma: Tensor, exponent: Tensor, scope: str, quantile: float | None) -> Tensor:
    if scope != "channel":
        # Planes come to the exponent of the greatest of them; a blank one may have any.
        blank = sigma.detach().amax((2, 3), keepdim=True) == 0
        greatest = exponent.masked_fill(blank, -math.inf).amax(SCOPES[scope], keepdim=True)
        sigma = sigma * (exponent - greatest).clamp(max=0.0).exp2()
    if quantile is not None:
        return _clipped(sigma, _quantile(sigma, scope, quantile))
    c = sigma.amax(SCOPES[scope], keepdim=True)
    return sigma / c.masked_fill(c == 0, 1.0)


def _clipped(sigma: Tensor, c: Tensor) -> Tensor:
    """min(sigma / c, 1), and where c is 0 its limit: 1 for any contrast, 0 for none."""
    none = c < _LEAST_QUANTILE
    shares = (sigma / c.masked_fill(none, 1.0)).clamp(max=1.0)
    return torch.where(none, (sigma > 0).to(sigma.dtype), shares)


def _quantile(sigma: Tensor, scope: str, quantile: float) -> Tensor:
    """The quantile over a scope, linear between two values; NaN where there is one."""
    dims = SCOPES[scope]
    values = sigma.flatten(dims[0])
    place = quantile * (values.shape[-1] - 1)
    below = math.floor(place)
    # A high quantile is among the few greatest; topk counts a NaN as the greatest of all.
    top = values.topk(values.shape[-1] - below, dim=-1).values
    c = top[..., -1]
    if place > below:
        c = torch.lerp(c, top[..., -2], place - below)
    c = torch.where(top[..., 0].isnan(), top[..., 0], c)
    return c.reshape(*sigma.shape[: dims[0]], *(1 for _ in dims))
