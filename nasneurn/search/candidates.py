"""Scores of candidates: the paths of one supernet on held-out source images, also in parallel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nasneurn.domains import hold_out, load_suite, subsample
from nasneurn.evaluation import accuracy
from nasneurn.search.config import SearchConfig, StemChoice
from nasneurn.search.spaces import SpaceChoice
from nasneurn.seeds import stream
from nasneurn.shifts import under_shifts
from nasneurn.training import DeviceImages, SourceImages, as_pixels
from search_spaces.nni_fixes import Architecture, ModelSpace
from search_spaces.supernet import load_supernet, recalibrated


@dataclass(frozen=True)
class Job:
    """One supernet with its evolution."""

    source: str
    stem: StemChoice
    seed: int

    @property
    def name(self) -> str:
        """Name of its folder and of its supernet: ``mnist-neurn-0``."""
        return f"{self.source}-{self.stem}-{self.seed}".replace("/", "_")


@dataclass(frozen=True)
class JobWork:
    """A job, with all that a process needs to do it, or a part of it.

    ``state`` is the folder of the search's state.
    """

    config: SearchConfig
    job: Job
    choice: SpaceChoice
    state: Path
    data_dir: Path | None
    device: torch.device

    @property
    def folder(self) -> Path:
        """The folder of the job's state."""
        return self.state / self.job.name

    @property
    def supernet_path(self) -> Path:
        """The trained supernet."""
        return self.folder / "supernet.safetensors"

    def load_supernet(self) -> ModelSpace:
        """The trained supernet, on its device and ready to be measured."""
        supernet = load_supernet(self.supernet_path, self.job.name, self.choice.build())
        return supernet.to(self.device).eval()

    def images(self) -> SourceImages:
        """The source's images: to train on, and held out to score on."""
        config = self.config
        shifts = stream(self.job.seed, "shifts") if config.select_under == "shifts" else None
        return _source_images(
            config.suite,
            config.image_size,
            self.data_dir,
            self.job.source,
            config.budget.selection_images,
            shifts,
            self.device,
        )

    def calibration_batches(self) -> list[Tensor]:
        """Source images that set batch-norm statistics: the same for every candidate."""
        fit = self.images().fit
        rng = np.random.default_rng(stream(self.job.seed, "calibration"))
        count = min(self.config.budget.calibration_images, len(fit))
        rows = torch.from_numpy(rng.permutation(len(fit))[:count]).to(fit.labels.device)
        return [as_pixels(fit.images[chosen]) for chosen in rows.split(256)]


@lru_cache(maxsize=2)
def _source_images(
    suite: str,
    size: int,
    data_dir: Path | None,
    source: str,
    most: int,
    shifts: int | None,
    device: torch.device,
) -> SourceImages:
    domain = load_suite(suite, data_dir=data_dir, size=size).load(source)
    fit, held_out = hold_out(domain.train)
    scored = DeviceImages.of(subsample(held_out, most), device)
    if shifts is not None:
        scored = under_shifts(scored, shifts)
    return SourceImages(DeviceImages.of(fit, device), scored)


class Scorer:
    """Scores the paths of one supernet: each with batch-norm statistics of its own."""

    def __init__(self, work: JobWork, supernet: ModelSpace) -> None:
        self._supernet = supernet
        self._held_out = work.images().held_out
        self._calibration = work.calibration_batches()

    def __call__(self, architecture: Architecture) -> float:
        """Accuracy on held-out source images."""
        with recalibrated(self._supernet, architecture, self._calibration) as network:
            return accuracy(network, self._held_out)


@dataclass(frozen=True)
class Batch:
    """Some candidates of a job, for a worker to score."""

    work: JobWork
    architectures: tuple[Architecture, ...]


def score_batch(batch: Batch) -> list[float]:
    """Score the candidates of a batch; the supernet is read once in a process."""
    global _scorer
    if _scorer is None or _scorer[0] != batch.work:
        _scorer = batch.work, Scorer(batch.work, batch.work.load_supernet())
    return [_scorer[1](architecture) for architecture in batch.architectures]


#: The scorer of this worker, with the work that it belongs to.
_scorer: tuple[JobWork, Scorer] | None = None


def batches(work: JobWork, architectures: Sequence[Architecture], workers: int) -> Iterator[Batch]:
    """Share candidates out: two batches a worker, so that none waits long for the last."""
    size = max(1, -(-len(architectures) // (2 * workers)))
    for start in range(0, len(architectures), size):
        yield Batch(work, tuple(architectures[start : start + size]))
