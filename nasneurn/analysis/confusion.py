"""Which classes are taken for which."""

from typing import Any

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]


def confusion(logits: Logits, labels: Labels) -> npt.NDArray[np.int64]:
    """How many images of each class (rows) were taken for each class (columns)."""
    classes = logits.shape[1]
    cells = labels * classes + logits.argmax(axis=1)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes).astype(np.int64)
