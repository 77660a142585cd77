"""How alike two layers see the same images: linear centred kernel alignment."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Sample = npt.NDArray[np.floating[Any]]
Gram = npt.NDArray[np.float64]


def gram(x: Sample) -> Gram:
    """The products of all rows of (N, D) with each other, (N, N), after each column's mean is gone.

    Its size is 1, so that the sum of the products of two of these is their alignment; NaN where no
    row differs from another.
    """
    values = np.asarray(x, dtype=np.float64)
    # Equal columns leave a rest of rounding, whose alignment would be noise.
    centred = np.where(np.ptp(values, axis=0) > 0, values - values.mean(axis=0), 0.0)
    products = centred @ centred.T
    size = np.linalg.norm(products)
    return products / size if size > 0 else np.full_like(products, np.nan)


def alignments(first: Sequence[Gram], second: Sequence[Gram]) -> Gram:
    """Linear CKA of each layer of one network with each of another, from their grams.

    That is |Y'X|^2 / (|X'X| |Y'Y|) of centred columns (Kornblith et al., ICML 2019), from 0 to 1,
    where 1 is alike. It does not change if either side is rotated, moved or scaled as a whole. With
    fewer rows than columns it is above 0 also for what has nothing in common.

    Args:
        first, second: what :func:`gram` gives for the layers of either; row i of all that it is
            given is of one image.
    """
    left, right = (np.stack([one.ravel() for one in side]) for side in (first, second))
    return np.asarray(left @ right.T)
