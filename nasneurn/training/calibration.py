"""How sure answers are beside how often they are right (Guo et al., ICML 2017)."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import softmax

Logits = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]

#: Bins of confidence.
BINS = 15


def reliability(logits: Logits, labels: Labels) -> pd.DataFrame:
    """A row for each bin of confidence, the greatest probability, that holds images.

    Columns are ``bin`` (from 0), ``confidence`` and ``accuracy`` (means of its images) and ``n``.
    Bins are (0, 1/15], (1/15, 2/15], and so on to (14/15, 1].

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


def calibration_error(bins: pd.DataFrame) -> float:
    """The expected calibration error of bins: sum of n |accuracy - confidence| over sum of n."""
    gaps = (bins["accuracy"] - bins["confidence"]).abs()
    return float((gaps * bins["n"]).sum() / bins["n"].sum())
