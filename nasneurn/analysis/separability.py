"""How far the classes of a domain are apart."""

from typing import Any

import numpy as np
import numpy.typing as npt

Sample = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]


def fisher_ratio(x: Sample, labels: Labels) -> float:
    """The scatter between classes over the scatter within them: tr(S_B) / tr(S_W).

    Of the two usual measures this one, and not the silhouette, since it is what a linear layer can
    use, and needs no distance between all pairs of rows. It does not change if the rows are
    rotated, moved or scaled as a whole, so pixels and features can be compared. Classes without
    any difference give (classes - 1) / (rows - classes) on average.

    Args:
        x: (N, D).
        labels: (N,).

    Returns:
        NaN where there are fewer than two classes, or a row of its own for each class, or rows of
        a class do not differ.
    """
    from sklearn.metrics import calinski_harabasz_score

    found, place = np.unique(labels, return_inverse=True)
    classes, rows = len(found), len(labels)
    if not 2 <= classes < rows:
        return float("nan")
    values = np.asarray(x, dtype=np.float64)
    means = np.stack([values[place == number].mean(axis=0) for number in range(classes)])
    if not np.square(values - means[place]).sum() > 0:
        return float("nan")
    score = float(calinski_harabasz_score(values, place))
    return score * (classes - 1) / (rows - classes)
