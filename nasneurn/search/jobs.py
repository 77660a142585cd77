"""One supernet of a search: what it is, the images it sees, and one of its networks alone."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nasneurn.domains import hold_out, load_suite, subsample
from nasneurn.networks.spaces import SpaceChoice
from nasneurn.progress import Meter
from nasneurn.search.config import SearchConfig, StemChoice
from nasneurn.search.shifts import under_shifts
from nasneurn.seeds import stream
from nasneurn.training import (
    ALONE,
    DeviceImages,
    Machines,
    Recipe,
    ShuffledBatches,
    SourceImages,
    as_pixels,
    fit,
)
from search_spaces.costs import Costs, costs_of
from search_spaces.interface import Architecture, ModelSpace
from search_spaces.supernet import load_supernet


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
    machines: Machines = ALONE

    @property
    def identity(self) -> dict[str, Any]:
        """The columns with which each row of the job begins."""
        return {
            "space": self.config.space,
            "suite": self.config.suite_name,
            "budget": self.config.budget_name,
            "source": self.job.source,
            "stem": str(self.job.stem),
            "seed": self.job.seed,
        }

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

    def costs(self) -> Costs:
        """The costs of all architectures of the space, counted once in a process."""
        size = self.config.image_size
        key = json.dumps([self.choice.about, size], sort_keys=True)
        if key not in _costs:
            _costs[key] = costs_of(self.choice.build, (3, size, size))
        return _costs[key]

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

    def training_batches(self, count: int) -> ShuffledBatches:
        """So many batches of the source."""
        order = stream(self.job.seed, "order")
        return ShuffledBatches(self.images().fit, self.config.budget.batch_size, count, order)

    @property
    def recipe(self) -> Recipe:
        """How the supernet is trained, and each of its networks alone."""
        budget = self.config.budget
        return Recipe(
            learning_rate=budget.learning_rate,
            weight_decay=budget.weight_decay,
            schedule=budget.schedule,
            label_smoothing=budget.label_smoothing,
            shift=budget.shift,
        )

    def calibration_batches(self) -> list[Tensor]:
        """Source images that set batch-norm statistics: the same for every candidate."""
        fit = self.images().fit
        rng = np.random.default_rng(stream(self.job.seed, "calibration"))
        count = min(self.config.budget.calibration_images, len(fit))
        rows = torch.from_numpy(rng.permutation(len(fit))[:count]).to(fit.labels.device)
        return [as_pixels(fit.images[chosen]) for chosen in rows.split(256)]


#: Costs by space, settings, stem and image size.
_costs: dict[str, Costs] = {}


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


def train_alone(work: JobWork, architecture: Architecture, progress: Meter) -> nn.Module:
    """One network of the space, trained from scratch on the source; ready to be measured."""
    seed = work.job.seed
    torch.manual_seed(stream(seed, "retrain"))
    network = work.choice.network(architecture).to(memory_format=torch.channels_last)
    loader = work.training_batches(work.config.budget.retrain_steps)
    fit(network, loader, work.recipe, stream(seed, "retrain steps"), work.device, progress)
    return network.to(work.device).eval()
