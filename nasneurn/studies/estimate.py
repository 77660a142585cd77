"""How long the trainings of a study will take at most, from a few steps of each architecture."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from nasneurn.networks.architectures import Architecture
from nasneurn.networks.build import create_network
from nasneurn.networks.weights import INHERITED
from nasneurn.rows import sources
from nasneurn.studies.inputs import rows_of
from nasneurn.studies.parts import selecting_targets, tested_part
from nasneurn.studies.run import StudyRun
from nasneurn.studies.training_unit import Training
from nasneurn.studies.units import Unit

#: Steps that are timed, after one that is not.
STEPS = 3


@dataclass(frozen=True)
class Estimate:
    """Trainings of one architecture that are left, and the most seconds that one takes."""

    architecture: str
    adaptation: str
    trainings: int
    seconds: float


@dataclass(frozen=True)
class ImageCounts:
    """How many images a training sees: to fit, to select, and of the targets."""

    fit: int
    held_out: int
    test: int


def estimates(run: StudyRun, left: Sequence[Unit], workers: int) -> list[Estimate]:
    """An estimate for each architecture of the trainings that are ``left``, for so many at once."""
    trainings = [unit for unit in left if isinstance(unit, Training)]
    architectures = dict.fromkeys(
        unit.architecture for unit in trainings if unit.weights != INHERITED
    )
    counts = image_counts(run)
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // workers))
    try:
        return [
            _estimate(run, counts, one, sum(unit.architecture == one for unit in trainings))
            for one in architectures
        ]
    finally:
        torch.set_num_threads(threads)


def image_counts(run: StudyRun) -> ImageCounts:
    """Images of a training: means over the sources, and of all targets; labels are counted."""
    protocol, targets = run.config.protocol, run.config.targets
    fit, held_out, test = [], [], []
    oracle = sum(
        len(rows_of(run.suite, target, protocol)[1])
        for target in selecting_targets(targets, protocol)
    )
    for source in run.config.sources:
        rows = [rows_of(run.suite, domain, protocol) for domain in sources(source)]
        fit.append(sum(len(one) for one, _ in rows))
        held_out.append(sum(len(one) for _, one in rows) + oracle)
        test.append(
            sum(
                len(
                    run.suite.labels(
                        target, tested_part(run.suite, target, sources(source), protocol)
                    )
                )
                for target in targets
            )
        )
    return ImageCounts(*(sum(numbers) // len(numbers) for numbers in (fit, held_out, test)))


def _estimate(
    run: StudyRun, counts: ImageCounts, architecture: Architecture, trainings: int
) -> Estimate:
    protocol, size = run.config.protocol, run.config.image_size
    network, adaptation = create_network(
        architecture, len(run.suite.classes), size, run.config.adaptation
    )
    network.to(run.device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=protocol.learning_rate)
    images = torch.rand(protocol.batch_size, 3, size, size, device=run.device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.zeros(protocol.batch_size, dtype=torch.long, device=run.device)

    def train() -> None:
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()

    def measure() -> None:
        with torch.inference_mode():
            network(images).argmax(1).cpu()

    training = _seconds(train) / protocol.batch_size
    network.eval()
    measuring = _seconds(measure) / protocol.batch_size
    batches, steps = protocol.passes_and_steps(counts.fit)
    passes = steps / max(1, batches) * (counts.fit * training + counts.held_out * measuring)
    return Estimate(architecture.name, adaptation, trainings, passes + counts.test * measuring)


def _seconds(step: Callable[[], None]) -> float:
    step()
    begun = time.perf_counter()
    for _ in range(STEPS):
        step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - begun) / STEPS
