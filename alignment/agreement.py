"""How far two similarity matrices of the same networks agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.arrays import FloatArray
from alignment.errors import AlignmentError

PERMUTATIONS = 9_999

#: Permutations that are held in memory at once.
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near one matrix comes to another, over all pairs of different networks.

    Attributes:
        pairs: how many.
        pearson: Pearson's correlation. NaN if either matrix is one number.
        spearman: Spearman's rank correlation. NaN likewise.
        error: mean absolute difference.
        mantel: Mantel's p-value, see :func:`mantel`.
    """

    pairs: int
    pearson: float
    spearman: float
    error: float
    mantel: float

    def __str__(self) -> str:
        return (
            f"Pearson {self.pearson:.3f}, Spearman {self.spearman:.3f}, mean absolute difference "
            f"{self.error:.3f} over {self.pairs} pairs; Mantel's p {self.mantel:.2g}"
        )


def agreements(
    matrices: Sequence[FloatArray],
    other: FloatArray,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> list[Agreement]:
    """Compare each of ``matrices`` with ``other``.

    Args:
        matrices: each (N, N), symmetric; what their diagonals hold does not count.
        other: (N, N), symmetric.
        permutations: of Mantel's test.
        seed: of Mantel's test.

    Raises:
        AlignmentError: as :func:`mantel`.
    """
    from scipy.stats import spearmanr

    above = np.triu_indices(len(other), 1)
    pairs = np.array([matrix[above] for matrix in matrices])
    with np.errstate(invalid="ignore"):
        tests = mantel(matrices, other, permutations=permutations, seed=seed)
    return [
        Agreement(
            len(above[0]),
            r,
            float("nan") if np.isnan(r) else float(spearmanr(row, other[above]).statistic),
            float(np.abs(row - other[above]).mean()),
            p,
        )
        for row, (r, p) in zip(pairs, tests, strict=True)
    ]


def mantel(
    matrices: Sequence[FloatArray],
    other: FloatArray,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> list[tuple[float, float]]:
    """Mantel's test of each of ``matrices`` against ``other``.

    Pairs of one network depend on each other, so a correlation over pairs cannot be judged as one
    of independent values. Mantel ("The detection of disease clustering", 1967) compares it with
    those that are found when the networks of one matrix are permuted. ``other`` is permuted, by
    the same permutations for all, so that many matrices take the time of one.

    Returns:
        For each matrix Pearson's r, and p = (1 + permutations that give as high an r or higher) /
        (permutations + 1), one-sided. Both NaN if a matrix is one number.

    Raises:
        AlignmentError: matrices of other sizes, or of fewer than 3 networks.
    """
    count = len(other)
    if count < 3 or any(matrix.shape != other.shape for matrix in matrices):
        raise AlignmentError(
            "Mantel's test needs matrices of the same 3 networks or more; these have "
            f"{', '.join(str(len(matrix)) for matrix in [other, *matrices])}"
        )
    first, second = np.triu_indices(count, 1)
    units = np.array([_unit(matrix[first, second]) for matrix in matrices])
    unit = _unit(other[first, second])
    # One by one: a product of matrices rounds as their number happens to be.
    observed = np.array([row @ unit for row in units])
    draws = np.random.default_rng(seed)
    as_high = np.zeros(len(units), np.int64)
    for start in range(0, permutations, _AT_ONCE):
        orders = np.array(
            [draws.permutation(count) for _ in range(min(_AT_ONCE, permutations - start))]
        )
        # A permutation leaves mean and norm of all pairs as they are.
        permuted = _unit(other[orders[:, first], orders[:, second]])
        # Equal values are summed in another order, which must not make them lower.
        as_high += (units @ permuted.T >= observed[:, None] - 1e-12).sum(1)
    return [
        (float("nan"), float("nan"))
        if np.isnan(r)
        else (float(np.clip(r, -1.0, 1.0)), (1 + int(higher)) / (permutations + 1))
        for r, higher in zip(observed, as_high, strict=True)
    ]


def _unit(values: FloatArray) -> FloatArray:
    """Rows with mean 0 and norm 1; NaN if a row is one number."""
    centred = values - values.mean(-1, keepdims=True)
    norms = np.linalg.norm(centred, axis=-1, keepdims=True)
    flat = norms <= 1e-13 * np.abs(values).max(-1, keepdims=True)
    unit: FloatArray = centred / np.where(flat, np.nan, norms)
    return unit
