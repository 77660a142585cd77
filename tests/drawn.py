"""Images that are drawn at random, the same ones each time."""

import torch
from torch import Tensor


def images(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Uniform in [0, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
