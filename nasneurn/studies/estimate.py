"""How long the trainings of a study will take at most, from a few steps of each architecture."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch
from torch import nn
from torch.nn import functional as F

from nasneurn.networks.architectures import Architecture
from nasneurn.networks.build import create_network, describe
from nasneurn.networks.weights import INHERITED
from nasneurn.rows import sources
from nasneurn.studies.inputs import rows_of
from nasneurn.studies.parts import selecting_targets, tested_part
from nasneurn.studies.run import StudyRun
from nasneurn.studies.training_unit import Training
from nasneurn.studies.units import Unit
from nasneurn.training.protocol import Protocol

#: Steps that are timed, after one that is not, and the seconds after which no more are.
STEPS = 3
STEP_SECONDS = 2.0
#: Images of the first step; where that takes long, of all.
FEW_IMAGES, LONG_STEP = 8, 1.0
#: Seconds that timing may take before a run starts; what is left is told by multiply-adds.
TIMING_SECONDS = 8.0


@dataclass(frozen=True)
class Estimate:
    """Trainings of one architecture that are left, and the most seconds that one takes."""

    architecture: str
    adaptation: str
    trainings: int
    seconds: float


@dataclass(frozen=True)
class Pace:
    """Seconds for one image: in training, and in measuring."""

    training: float
    measuring: float

    def seconds(self, protocol: Protocol, counts: "ImageCounts") -> float:
        """The most seconds that a training takes."""
        batches, steps = protocol.passes_and_steps(counts.fit)
        each_pass = counts.fit * self.training + counts.held_out * self.measuring
        return steps / max(1, batches) * each_pass + counts.test * self.measuring


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
    counts, found = image_counts(run), []
    with undisturbed(workers):
        for one in architectures:
            network, adaptation = _network(run, one)
            seconds = pace_of(run, network).seconds(run.config.protocol, counts)
            count = sum(unit.architecture == one for unit in trainings)
            found.append(Estimate(one.name, adaptation, count, seconds))
    return found


def expected_seconds(run: StudyRun, left: Sequence[Unit]) -> dict[str, float]:
    """The most seconds that each training of ``left`` takes, by its identity; roughly, and soon.

    As many architectures are timed as :data:`TIMING_SECONDS` allow. The others are taken to need
    for each multiply-add what the timed ones need in the middle.
    """
    trainings = [unit for unit in left if isinstance(unit, Training)]
    counts, config = image_counts(run), run.config
    classes, size, way = len(run.suite.classes), config.image_size, config.adaptation
    costs = {
        one: max(1, describe(one, classes, size, way).flops)
        for one in dict.fromkeys(unit.architecture for unit in trainings)
    }
    paces: dict[Architecture, Pace] = {}
    begun = time.monotonic()
    with undisturbed(run.execution.workers):
        for one in costs:
            if paces and time.monotonic() - begun > TIMING_SECONDS:
                break
            paces[one] = pace_of(run, _network(run, one)[0])
    usual = Pace(
        median(pace.training / costs[one] for one, pace in paces.items()),
        median(pace.measuring / costs[one] for one, pace in paces.items()),
    )
    found = {}
    for unit in trainings:
        cost = costs[unit.architecture]
        pace = paces.get(unit.architecture, Pace(usual.training * cost, usual.measuring * cost))
        found[unit.identity] = (
            (counts.held_out + counts.test) * pace.measuring
            if unit.weights == INHERITED
            else pace.seconds(config.protocol, counts)
        )
    return found


@contextmanager
def undisturbed(workers: int) -> Iterator[None]:
    """Time with the threads of one of so many workers; threads and draws stay as they are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // workers))
    try:
        with torch.random.fork_rng():
            yield
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


def _network(run: StudyRun, architecture: Architecture) -> tuple[nn.Module, str]:
    size, way = run.config.image_size, run.config.adaptation
    return create_network(architecture, len(run.suite.classes), size, way)


def pace_of(run: StudyRun, network: nn.Module, batch_size: int | None = None) -> Pace:
    """How fast a network is trained and measured where the study runs; plain steps are timed.

    Args:
        network: without a stem.
        batch_size: images of a step; by default the protocol's.
    """
    size, images_of_step = run.config.image_size, batch_size or run.config.protocol.batch_size
    network.to(run.device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-6)
    few = min(FEW_IMAGES, images_of_step)

    def step(count: int) -> None:
        images = torch.rand(count, 3, size, size, device=run.device)
        labels = torch.zeros(count, dtype=torch.long, device=run.device)
        optimizer.zero_grad()
        logits = network(images.to(memory_format=torch.channels_last))
        F.cross_entropy(logits, labels).backward()
        optimizer.step()

    def measure(count: int) -> None:
        images = torch.rand(count, 3, size, size, device=run.device)
        with torch.inference_mode():
            network(images.to(memory_format=torch.channels_last)).argmax(1).cpu()

    step(few)
    count = few if _seconds(lambda: step(few), steps=1) > LONG_STEP else images_of_step
    training = _seconds(lambda: step(count)) / count
    network.eval()
    measure(few)
    return Pace(training, _seconds(lambda: measure(count)) / count)


def _seconds(step: Callable[[], None], steps: int = STEPS) -> float:
    """Seconds of the quickest of some steps: others are those in which other work went first."""
    begun = time.perf_counter()
    taken: list[float] = []
    while len(taken) < steps and time.perf_counter() - begun < STEP_SECONDS:
        before = time.perf_counter()
        step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - before)
    return min(taken)
