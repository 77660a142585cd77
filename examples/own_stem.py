"""A stem of one's own: the strength of edges, from differences of neighbouring pixels.

Run a study with it, from the folder of this file:

    nasneurn bench --stems none,neurn,own_stem:EdgeDetect

or with an option:

    nasneurn bench --stems none,neurn,own_stem:EdgeDetect:weight=2.0

A stem is a class of ``nn.Module``, or a function that returns a module. Its arguments are its
options. It takes images (N, C, H, W) with values from 0 to 1, gives as many of the same shape and
dtype, and has no parameters. ``python own_stem.py`` checks that it keeps this.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasneurn.stems import create_stem
from nasneurn.stems.conformance import check_stem


class EdgeDetect(nn.Module):
    """weight * (|difference to the right| + |difference downwards|), zero at the last pixel."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, images: Tensor) -> Tensor:
        """Answer for images (N, C, H, W)."""
        right = F.pad(images.diff(dim=3).abs(), (0, 1))
        down = F.pad(images.diff(dim=2).abs(), (0, 0, 0, 1))
        return self.weight * (right + down)


if __name__ == "__main__":
    check_stem("own_stem:EdgeDetect:weight=2.0")
    stem = create_stem("own_stem:EdgeDetect", weight=2.0)
    print(stem(torch.eye(4).expand(1, 1, 4, 4)))
