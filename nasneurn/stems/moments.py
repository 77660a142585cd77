"""The standard deviation of every patch by plain PyTorch operations.

They can be traced, compiled, exported, and differentiated any number of times.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

#: What torch calls each border.
BORDERS = {"reflect": "reflect", "zero": "constant", "replicate": "replicate"}
#: The dimensions over which c is the maximum.
SCOPES = {"image": (1, 2, 3), "channel": (2, 3), "batch": (0, 1, 2, 3)}


def sigma_of(x: Tensor, k: int, border: str) -> Tensor:
    """Standard deviation of each patch: the law of total variance, first along rows, then across.

    Plain operations, which can be traced, compiled, exported, and differentiated twice.
    """
    r = k // 2
    # Sigma does not change with a shift, but its rounding does.
    anchor = x.detach().mean((2, 3), keepdim=True).nan_to_num(0.0, 0.0, 0.0)
    padded = F.pad(x, (r, r, r, r), mode=BORDERS[border]) - anchor
    mean, squares = _windows(padded, torch.zeros_like(padded), k, 3)
    mean, squares = _windows(mean, squares / k, k, 2)
    flat = squares == 0
    # The square root's slope at zero is infinite: keep it out of the gradient.
    return (squares / k).masked_fill(flat, 1.0).sqrt().masked_fill(flat, 0.0)


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


def respond(sigma: Tensor, scope: str, mode: str, eps: float) -> Tensor:
    """The answer of a mode from sigma."""
    if mode == "local":
        return sigma
    c = sigma.amax(SCOPES[scope], keepdim=True)
    if mode == "contrast":
        return sigma / c.masked_fill(c == 0, 1.0)
    # A blank image in a batch that is not blank has c > 0.
    one = (2, 3) if scope == "channel" else (1, 2, 3)
    blank = sigma.amax(one, keepdim=True) == 0
    return (1.0 / (c * sigma + eps)).masked_fill(blank, 0.0)
