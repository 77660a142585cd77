"""Separable filters: weighted sums of neighbours along rows or columns."""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def filter_line(x: Tensor, weights: Sequence[float], dim: int) -> Tensor:
    """Weighted sum of neighbours in dimension 2 or 3, with the edge repeated.

    Not a convolution operator: autocast would run that in half precision.
    """
    r = len(weights) // 2
    padded = F.pad(x, (r, r, 0, 0) if dim == 3 else (0, 0, r, r), mode="replicate")
    size = x.shape[dim]
    total = weights[0] * padded.narrow(dim, 0, size)
    for i, weight in enumerate(weights[1:], start=1):
        total = total + weight * padded.narrow(dim, i, size)
    return total


def gaussian(x: Tensor, size: int) -> Tensor:
    """Gaussian window of ``size`` pixels, of standard deviation size / 4 and sum one."""
    raw = [math.exp(-0.5 * ((i - size // 2) / (size / 4)) ** 2) for i in range(size)]
    weights = [w / sum(raw) for w in raw]
    return filter_line(filter_line(x, weights, 3), weights, 2)
