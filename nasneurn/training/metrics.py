"""Numbers that say how good answers are: right, for every class, and as sure as they should be."""

import warnings
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from nasneurn.training.calibration import calibration_error, reliability
from nasneurn.training.evaluation import Answers


@dataclass(frozen=True)
class ClassAccuracy:
    """Of one class: how many images there are, and the share of them that is recognized."""

    n: int
    accuracy: float | None


@dataclass(frozen=True)
class Metrics:
    """What answers to N images are worth.

    Attributes:
        accuracy: share of images whose highest logit is that of the label, in [0, 1].
        macro_f1: mean over classes of the harmonic mean of precision and recall, in [0, 1]. A class
            that is neither among the labels nor among the answers does not count.
        nll: mean negative log-likelihood of the labels, by the softmax of the logits, in nats.
        ece: expected calibration error: the mean distance between the greatest probability and the
            accuracy over 15 bins of equal width, in [0, 1] (Guo et al., "On Calibration of Modern
            Neural Networks", ICML 2017, section 2).
        classes: each class by itself, in the order of the labels.

    ``nll`` and ``ece`` are None where a logit is not finite.
    """

    accuracy: float
    macro_f1: float
    nll: float | None
    ece: float | None
    classes: tuple[ClassAccuracy, ...]

    @property
    def chance(self) -> float:
        """The accuracy of always giving the commonest class, in [0, 1]."""
        counts = [one.n for one in self.classes]
        return max(counts) / sum(counts)


def metrics(given: Answers) -> Metrics:
    """All numbers of :class:`Metrics`.

    >>> import numpy as np
    >>> right = Answers(np.float32([[9.0, 0.0], [0.0, 9.0]]), np.array([0, 1]))
    >>> metrics(right).accuracy, metrics(right).macro_f1
    (1.0, 1.0)
    """
    from torchmetrics.functional.classification import multiclass_f1_score

    logits, labels = torch.tensor(given.logits), torch.tensor(given.labels)
    count, chosen = logits.shape[1], logits.argmax(dim=1)
    right = chosen == labels
    nll = ece = None
    if bool(torch.isfinite(logits).all()):
        nll = float(F.cross_entropy(logits.double(), labels))
        # Not by torchmetrics, which counts answers of probability 1 in a bin of their own.
        ece = calibration_error(reliability(given.logits, given.labels))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes without images
        f1 = float(multiclass_f1_score(chosen, labels, count, average="macro"))
    totals = torch.bincount(labels, minlength=count).tolist()
    hits = torch.bincount(labels[right], minlength=count).tolist()
    return Metrics(
        accuracy=int(right.sum()) / len(labels),
        macro_f1=f1,
        nll=nll,
        ece=ece,
        classes=tuple(
            ClassAccuracy(n, hit / n if n else None) for n, hit in zip(totals, hits, strict=True)
        ),
    )
