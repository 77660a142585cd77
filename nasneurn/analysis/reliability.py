"""How sure answers are beside how often they are right, and which classes are taken for which."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import softmax

Logits = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]

#: Bins of confidence, as many as those of the expected calibration error in the rows.
BINS = 15


def reliability(logits: Logits, labels: Labels) -> pd.DataFrame:
    """A row for each bin of confidence, the greatest probability, that holds images.

    Columns are ``bin`` (from 0), ``confidence`` and ``accuracy`` (means of its images) and ``n``.
    Bins are (0, 1/15], (1/15, 2/15], and so on (Guo et al., ICML 2017).

    Args:
        logits: (N, classes).
        labels: (N,).
    """
    sure = softmax(np.asarray(logits, dtype=np.float64), axis=1).max(axis=1)
    right = logits.argmax(axis=1) == labels
    place = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    images = pd.DataFrame({"bin": place, "confidence": sure, "accuracy": right.astype(float)})
    table = images.groupby("bin").agg(
        confidence=("confidence", "mean"), accuracy=("accuracy", "mean"), n=("accuracy", "size")
    )
    return table.reset_index()


def confusion(logits: Logits, labels: Labels) -> npt.NDArray[np.int64]:
    """How many images of each class (rows) were taken for each class (columns)."""
    classes = logits.shape[1]
    cells = labels * classes + logits.argmax(axis=1)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes).astype(np.int64)
