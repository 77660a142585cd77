"""Random numbers that belong to the tokens of sequences, not to their places in a list.

So what is drawn for a sequence is the same whatever it is aligned with, in which order, and however
its tokens are numbered; and equal sequences, of which a zoo has many, stay equal.
"""

from zlib import crc32

import numpy as np

from alignment.arrays import IntArray
from alignment.errors import AlignmentError


def generator(seed: int, purpose: int, *sequences: IntArray) -> np.random.Generator:
    """The stream of random numbers of one sequence, or of some sequences together.

    Args:
        seed: 0 or above.
        purpose: streams of two purposes are independent.
        sequences: tokens; of their numbers only counts which are equal.

    Raises:
        AlignmentError: ``seed`` is below 0.
    """
    if seed < 0:
        raise AlignmentError(f"seed is {seed}; it must be 0 or above")
    patterns = [crc32(_pattern(sequence).tobytes()) for sequence in sequences]
    return np.random.default_rng([seed, purpose, *patterns])


def _pattern(sequence: IntArray) -> IntArray:
    """The tokens, numbered in the order in which they first appear."""
    _, first, inverse = np.unique(sequence, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
