"""How long a grid will take at most, from a few training steps of each architecture."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from nasneurn.networks import Backbone, create_backbone
from nasneurn.studies.grid import Grid
from nasneurn.studies.job import Job

#: Steps that are timed, behind one that is not.
STEPS = 3


@dataclass(frozen=True)
class Estimate:
    """Jobs of one architecture that are left, and the seconds that one takes without stopping."""

    architecture: str
    adaptation: str
    jobs: int
    seconds: float


def estimates(grid: Grid, left: Sequence[Job], workers: int) -> list[Estimate]:
    """An estimate for each architecture of the jobs that are ``left``, for ``workers`` at once."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // workers))
    try:
        return [
            _estimate(grid, backbone, sum(job.backbone == backbone for job in left))
            for backbone in grid.config.backbones
        ]
    finally:
        torch.set_num_threads(threads)


def _estimate(grid: Grid, backbone: Backbone, jobs: int) -> Estimate:
    budget, size = grid.config.budget, grid.config.image_size
    network, adaptation = create_backbone(backbone, len(grid.classes), size)
    network.to(grid.device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=budget.learning_rate)
    images = torch.rand(budget.batch_size, 3, size, size, device=grid.device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.zeros(budget.batch_size, dtype=torch.long, device=grid.device)

    def train() -> None:
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()

    def measure() -> None:
        with torch.inference_mode():
            network(images).argmax(1).cpu()

    training = _seconds(train) / budget.batch_size
    network.eval()
    measuring = _seconds(measure) / budget.batch_size
    counts = grid.image_counts()
    passes = budget.max_epochs * (counts.fit * training + counts.held_out * measuring)
    return Estimate(backbone.name, adaptation, jobs, passes + counts.test * measuring)


def _seconds(step: Callable[[], None]) -> float:
    step()
    begun = time.perf_counter()
    for _ in range(STEPS):
        step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - begun) / STEPS
