"""Scores of candidates: the paths of one supernet on held-out source images, also in parallel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nasneurn.search.jobs import JobWork
from nasneurn.training.evaluation import accuracy
from search_spaces.interface import Architecture, ModelSpace
from search_spaces.supernet import recalibrated


class Scorer:
    """Scores the paths of one supernet: each with batch-norm statistics of its own."""

    def __init__(self, work: JobWork, supernet: ModelSpace) -> None:
        self.supernet = supernet
        self._held_out = work.images().held_out
        self._calibration = work.calibration_batches()

    def __call__(self, architecture: Architecture) -> float:
        """Accuracy on held-out source images."""
        with recalibrated(self.supernet, architecture, self._calibration) as network:
            return accuracy(network, self._held_out)


@dataclass(frozen=True)
class Batch:
    """Some candidates of a job, for a worker to score."""

    work: JobWork
    architectures: tuple[Architecture, ...]


def score_batch(batch: Batch) -> list[float]:
    """Score the candidates of a batch."""
    scorer = scorer_of(batch.work)
    return [scorer(architecture) for architecture in batch.architectures]


def scorer_of(work: JobWork) -> Scorer:
    """The scorer of a job whose supernet is trained; read once for all calls in a row."""
    global _scorer
    if _scorer is None or _scorer[0] != work:
        _scorer = work, Scorer(work, work.load_supernet())
    return _scorer[1]


#: The scorer of this process, with the work that it belongs to.
_scorer: tuple[JobWork, Scorer] | None = None


def batches(work: JobWork, architectures: Sequence[Architecture], workers: int) -> Iterator[Batch]:
    """Share candidates out: two batches a worker, so that none waits long for the last."""
    size = max(1, -(-len(architectures) // (2 * workers)))
    for start in range(0, len(architectures), size):
        yield Batch(work, tuple(architectures[start : start + size]))
