"""How fast networks, stems and algorithms are where a study runs: a few real steps, timed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from nasneurn.algorithms import Algorithm, create_algorithm
from nasneurn.choices import Choice
from nasneurn.freed_memory import keep_freed_memory
from nasneurn.progress import meter
from nasneurn.rows import sources
from nasneurn.studies.inputs import standardized
from nasneurn.studies.run import StudyRun
from nasneurn.training.captured import WARM_UP, CannotCapture
from nasneurn.training.devices import LIGHTNING_PRECISION
from nasneurn.training.fit import fit
from nasneurn.training.images import DeviceImages, ShuffledBatches
from nasneurn.training.scaling import FIXED

#: Steps that are timed, after one that is not, and the seconds after which no more are.
STEPS = 3
STEP_SECONDS = 2.0
#: Images of the first steps; where one takes long, of all.
FEW_IMAGES, LONG_STEP = 8, 1.0


@dataclass(frozen=True)
class Pace:
    """Seconds for one image: in training, and in measuring."""

    training: float
    measuring: float

    def times(self, factor: float) -> "Pace":
        """So many times as slow."""
        return Pace(factor * self.training, factor * self.measuring)

    def behind(self, stem: float, slowdown: float = 1.0) -> "Pace":
        """The same network behind a stem, trained by an algorithm.

        Args:
            stem: seconds for one image.
            slowdown: how many times as long a step takes as a plain one.
        """
        return Pace(slowdown * (self.training + stem), self.measuring + stem)


@contextmanager
def undisturbed(workers: int) -> Iterator[None]:
    """Time with the threads of one of so many workers; threads and draws stay as they are."""
    keep_freed_memory()  # as the work itself does
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // workers))
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(threads)


def pace_of(
    run: StudyRun, network: nn.Module, batch_size: int | None = None, *, capture: bool = True
) -> Pace:
    """How fast a network without a stem is trained plainly, and measured, where the study runs.

    Args:
        run: the study, whose precision and protocol count.
        network: images (N, 3, S, S) -> logits; a few steps change its weights.
        batch_size: images of a step; by default the protocol's.
        capture: whether its steps will be CUDA graphs, where they can.
    """
    images_of_step = batch_size or run.config.protocol.batch_size
    network.to(run.device).to(memory_format=torch.channels_last)
    plain, few = create_algorithm("erm"), min(FEW_IMAGES, images_of_step)
    long = _step_seconds(run, network, plain, few, steps=2, capture=False) > LONG_STEP
    count = few if long else images_of_step
    training = _step_seconds(run, network, plain, count, capture=capture) / count
    network.eval()
    return Pace(training, _forward_seconds(run, network, count))


def step_seconds(run: StudyRun, network: nn.Module, algorithm: Algorithm) -> float:
    """Seconds for one image of a step by an algorithm, with all that it does in each step."""
    network.to(run.device).to(memory_format=torch.channels_last)
    count = run.config.protocol.batch_size
    return _step_seconds(run, network, algorithm, count) / count


def stem_seconds(run: StudyRun, stem: Choice) -> float:
    """Seconds for one image in a stem with its scaling."""
    scaled = run.config.protocol.scaling != "none"
    made = standardized(stem, FIXED["half"] if scaled else None).to(run.device)
    return _forward_seconds(run, made, run.config.protocol.batch_size)


class _Clock(pl.Callback):
    """Times steps; where they take too long, the training ends after ``before`` and one more."""

    def __init__(self, before: int) -> None:
        self.taken: list[float] = []
        self._enough = before + 1
        self._begun = self._before = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        _synchronize()
        now = time.perf_counter()
        self.taken.append(now - self._before)
        self._before = now
        if len(self.taken) >= self._enough and now - self._begun > STEP_SECONDS:
            trainer.should_stop = True


def _step_seconds(
    run: StudyRun,
    network: nn.Module,
    algorithm: Algorithm,
    count: int,
    *,
    steps: int = STEPS,
    capture: bool = True,
) -> float:
    """Seconds of the quickest of some steps: others are those in which other work went first."""
    joined = max(len(sources(source)) for source in run.config.sources)
    sizes = [len(part) for part in np.array_split(np.arange(count), joined)]
    images = _images(run, count).mul(255).to(torch.uint8)
    labels = torch.arange(count, device=run.device) % len(run.suite.classes)
    data = DeviceImages(images, labels)
    # The first, and those after which one is captured.
    before = 1 + (WARM_UP if capture and run.device.type == "cuda" else 0)
    # On random images a rate may be too high that is none on those of the study.
    optimization = replace(run.config.protocol.optimization, learning_rate=1e-6)

    def timed(capture: bool) -> list[float]:
        clock = _Clock(before)
        batches = ShuffledBatches(
            data, count, before + steps, seed=0, sizes=sizes if joined > 1 else ()
        )
        with meter("timing", before + steps, shown=False) as unseen:
            fit(
                network.train(),
                batches,
                optimization,
                algorithm,
                0,
                run.device,
                unseen,
                callbacks=[clock],
                capture=capture,
                precision=LIGHTNING_PRECISION[run.config.precision],
            )
        return clock.taken[1:]

    try:
        return min(timed(capture))
    except CannotCapture:
        return min(timed(capture=False))


@torch.inference_mode()
def _forward_seconds(run: StudyRun, module: nn.Module, count: int) -> float:
    """Seconds for one image, of the quickest of some calls after one with few images."""
    images = _images(run, count)
    module(images[:FEW_IMAGES])
    return _quickest(lambda: module(images)) / count


def _images(run: StudyRun, count: int) -> Tensor:
    size = run.config.image_size
    images = torch.rand(count, 3, size, size, device=run.device)
    return images.to(memory_format=torch.channels_last)


def _quickest(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    taken: list[float] = []
    while len(taken) < STEPS and time.perf_counter() - begun < STEP_SECONDS:
        before = time.perf_counter()
        work()
        _synchronize()
        taken.append(time.perf_counter() - before)
    return min(taken)


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
