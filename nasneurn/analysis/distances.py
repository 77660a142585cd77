"""How far two samples are from each other: three measures of the distance between domains.

A sample is a floating point array (N, D), a row for each image.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Sample = npt.NDArray[np.floating[Any]]
Values = npt.NDArray[np.float64]

#: Most principal components that a distance is measured on, and rows that there are for each.
COMPONENTS = 64
ROWS_EACH = 5
#: Parts of the cross-validation of the classifier that tells two domains apart.
FOLDS = 5


def mmd(x: Sample, y: Sample, bandwidth: float | None = None) -> float:
    """The squared maximum mean discrepancy, its unbiased estimate (Gretton et al., JMLR 13, 2012).

    The mean of k(x, x') and of k(y, y') over different rows, less twice that of k(x, y), with the
    kernel exp(-|a - b|^2 / (2 s^2)). It is 0 on average where both are drawn alike, and may be
    below it.

    Args:
        x, y: samples (N, D) and (M, D), two rows or more each.
        bandwidth: s; by default the median distance of two different rows of both together. Where
            that is 0, the mean distance stands for it.
    """
    from sklearn.metrics.pairwise import euclidean_distances

    together = np.concatenate([x, y]).astype(np.float64)
    squares = np.asarray(euclidean_distances(together, squared=True))
    if bandwidth is None:
        lengths = np.sqrt(squares[np.triu_indices(len(together), 1)])
        bandwidth = float(np.median(lengths)) or float(lengths.mean())
    if bandwidth == 0:  # all rows are equal
        return 0.0
    kernel = np.exp(-squares / (2 * bandwidth**2))
    n, m = len(x), len(y)

    def within(part: Values) -> float:
        return float((part.sum() - np.trace(part)) / (len(part) * (len(part) - 1)))

    return within(kernel[:n, :n]) + within(kernel[n:, n:]) - 2 * float(kernel[:n, n:].sum()) / n / m


def frechet(x: Sample, y: Sample) -> float:
    """The Fréchet distance of the normal distributions with the samples' means and covariances.

    |m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)), as in Heusel et al. (NeurIPS 2017). It is
    above 0 also where both samples are drawn alike, the more so the fewer rows there are.

    Args:
        x, y: samples (N, D) and (M, D), two rows or more each.
    """
    first, second = (np.atleast_2d(np.cov(one, rowvar=False, dtype=np.float64)) for one in (x, y))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    # The root of C_x C_y has the trace of that of a symmetric matrix, which has no complex part.
    shared = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    shift = np.square(x.mean(axis=0, dtype=np.float64) - y.mean(axis=0, dtype=np.float64)).sum()
    return max(0.0, float(shift + np.trace(first) + np.trace(second) - 2 * shared))


def relative_frechet(x: Sample, y: Sample) -> float:
    """:func:`frechet` in units of the total variance of ``x``, so that no scale of values counts.

    NaN where ``x`` does not vary.
    """
    variance = float(x.var(axis=0, ddof=1, dtype=np.float64).sum())
    return frechet(x, y) / variance if variance > 0 else float("nan")


def proxy_a_distance(x: Sample, y: Sample) -> float:
    """2 (1 - 2 e), where e is the error of a linear classifier that tells x from y.

    After Ben-David et al. (NeurIPS 2006). The classifier is a logistic regression on standardized
    values; e is its cross-validated error, with equal weight on both samples. 0 is by chance, and 2
    without any error; an e above one half counts as one half.

    Args:
        x, y: samples (N, D) and (M, D), two rows or more each.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    values = np.concatenate([x, y]).astype(np.float64)
    sides = np.repeat([0, 1], [len(x), len(y)])
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
    )
    folds = StratifiedKFold(min(FOLDS, len(x), len(y)), shuffle=True, random_state=0)
    scores = cross_val_score(classifier, values, sides, cv=folds, scoring="balanced_accuracy")
    return max(0.0, 2 * (2 * float(scores.mean()) - 1))


def components(x: Sample, y: Sample) -> tuple[Values, Values]:
    """Both samples on the first principal components of both together.

    As many as :data:`COMPONENTS`, and no more than one for each five rows of the smaller sample,
    since a covariance of few rows says little.
    """
    from sklearn.decomposition import PCA

    together = np.concatenate([x, y]).astype(np.float64)
    count = max(1, min(COMPONENTS, together.shape[1], min(len(x), len(y)) // ROWS_EACH))
    reduced = PCA(count, svd_solver="full").fit_transform(together)
    return reduced[: len(x)], reduced[len(x) :]


def distances(x: Sample, y: Sample) -> dict[str, float]:
    """``mmd``, ``frechet`` and ``proxy_a_distance`` of two samples.

    The Fréchet distance is relative to the variance of ``x``, and it and the classifier's are on
    :func:`components`; so none of the three changes with the scale of the values. All are NaN
    where a sample has one row alone.
    """
    if min(len(x), len(y)) < 2:
        return dict.fromkeys(("mmd", "frechet", "proxy_a_distance"), math.nan)
    reduced = components(x, y)
    return {
        "mmd": mmd(x, y),
        "frechet": relative_frechet(*reduced),
        "proxy_a_distance": proxy_a_distance(*reduced),
    }
