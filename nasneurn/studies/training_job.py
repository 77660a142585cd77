"""One job done: train on the source, keep what is best there, measure on every domain."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nasneurn.domains import hold_out, load_suite, subsample
from nasneurn.environment import environment
from nasneurn.networks import create_backbone
from nasneurn.progress import meter
from nasneurn.seeds import stream
from nasneurn.stems import create_stem
from nasneurn.studies.job import Job
from nasneurn.training import (
    LIGHTNING_PRECISION,
    DeviceImages,
    Recipe,
    ShuffledBatches,
    SourceImages,
    fit,
)
from nasneurn.training.early_stopping import HeldOutSelection
from nasneurn.training.evaluation import accuracy
from search_spaces.checkpointing import TimedCheckpoint

#: Seconds of training that a killed job may lose.
CHECKPOINT_SECONDS = 20.0


@dataclass(frozen=True)
class Assignment:
    """A job, and where its data and its training state lie; what an engine hands out."""

    job: Job
    suite: str
    data_dir: Path | None
    state: Path
    device: str
    title: str
    shown: bool
    compiled: bool = False

    @property
    def checkpoint(self) -> Path:
        """The state of its training, while it lasts."""
        return self.state / f"{self.job.identity}.ckpt"


@dataclass(frozen=True)
class Record:
    """What a job gives: a row a target, a record an epoch."""

    rows: list[dict[str, Any]]
    history: list[dict[str, Any]]


def run_job(assignment: Assignment) -> Record:
    """Do a job; killed and called again, it continues and gives the same rows.

    Where the memory does not hold a batch, it is halved once and gradients are accumulated.
    """
    try:
        return _Training(assignment, halves=1).record()
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
    torch.cuda.empty_cache()
    assignment.checkpoint.unlink(missing_ok=True)
    size = assignment.job.budget.batch_size
    print(
        f"nasneurn: {assignment.job.title}: out of memory with batches of {size}; "
        f"two of {size // 2} make a step now",
        file=sys.stderr,
    )
    return _Training(assignment, halves=2).record()


def _out_of_memory(error: BaseException) -> bool:
    # On CPUs PyTorch raises a plain RuntimeError.
    return not isinstance(error, RuntimeError) or (
        isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
    )


@lru_cache(maxsize=8)
def source_images(
    suite: str,
    size: int,
    data_dir: Path | None,
    source: str,
    most: int | None,
    fraction: float,
    device: torch.device,
) -> SourceImages:
    """A source's training images on the device, divided; at most ``most`` of them."""
    train = load_suite(suite, data_dir=data_dir, size=size).load(source).train
    if most is not None:
        train = subsample(train, most)
    parts = hold_out(train, fraction)
    return SourceImages(*(DeviceImages.of(part, device) for part in parts))


@lru_cache(maxsize=16)
def _test_images(
    suite: str, size: int, data_dir: Path | None, target: str, device: torch.device
) -> DeviceImages:
    domain = load_suite(suite, data_dir=data_dir, size=size).load(target)
    return DeviceImages.of(domain.test, device)


class _Training:
    def __init__(self, assignment: Assignment, halves: int) -> None:
        self._assignment = assignment
        self._job = assignment.job
        self._halves = halves
        self._device = torch.device(assignment.device)
        self._data = assignment.suite, self._job.image_size, assignment.data_dir
        self._suite = load_suite(
            assignment.suite, data_dir=assignment.data_dir, size=self._job.image_size
        )

    def record(self) -> Record:
        network, adaptation = self._network()
        selection = self._train(network)
        network.eval()
        rows = list(self._rows(network, adaptation, selection))
        self._assignment.checkpoint.unlink(missing_ok=True)
        history = [{**self._case, **record} for record in selection.history]
        return Record(rows, history)

    def _network(self) -> tuple[nn.Module, str]:
        stem = create_stem(self._job.stem.name, **self._job.stem.options)
        # Behind every stem the same weights, so that differences between stems are paired.
        torch.manual_seed(stream(self._job.seed, "weights"))
        backbone, adaptation = create_backbone(
            self._job.backbone, len(self._suite.classes), self._job.image_size
        )
        network = nn.Sequential(stem, backbone).to(memory_format=torch.channels_last)
        network = network.to(self._device)
        if self._assignment.compiled:
            network.compile()
        return network, adaptation

    def _train(self, network: nn.Module) -> HeldOutSelection:
        budget, seed = self._job.budget, self._job.seed
        images = source_images(
            *self._data, self._job.source, budget.train_images, budget.hold_out, self._device
        )
        every = len(images.fit) // budget.batch_size * self._halves
        count = every * budget.max_epochs
        loader = ShuffledBatches(
            images.fit, budget.batch_size, count, stream(seed, "order"), parts=self._halves
        )
        selection = HeldOutSelection(images.held_out, every, budget.patience)
        checkpoint = self._assignment.checkpoint
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        recipe = Recipe(budget.learning_rate, 0.0, "constant", shift=budget.shift)
        with meter(self._assignment.title, count, shown=self._assignment.shown) as progress:
            fit(
                network,
                loader,
                recipe,
                stream(seed, "steps"),
                self._device,
                progress,
                callbacks=[selection, TimedCheckpoint(checkpoint, CHECKPOINT_SECONDS)],
                resume_from=checkpoint if checkpoint.exists() else None,
                precision=LIGHTNING_PRECISION[self._job.precision],
                accumulate_grad_batches=self._halves,
            )
        return selection

    @property
    def _case(self) -> dict[str, Any]:
        return {
            "job": self._job.identity,
            "architecture": self._job.backbone.name,
            "stem": str(self._job.stem),
            "source": self._job.source,
            "seed": self._job.seed,
        }

    def _rows(
        self, network: nn.Module, adaptation: str, selection: HeldOutSelection
    ) -> Iterator[dict[str, Any]]:
        size = self._job.budget.batch_size
        versions = environment()
        for target in self._suite.domains:
            images = _test_images(*self._data, target, self._device)
            yield {
                **self._case,
                "suite": self._job.suite,
                "adaptation": adaptation,
                "params": sum(weight.numel() for weight in network.parameters()),
                "target": target,
                "accuracy": accuracy(network, images),
                "n": len(images),
                "held_out_accuracy": selection.best["held_out_accuracy"],
                "epochs": len(selection.history),
                "best_epoch": selection.best["epoch"],
                "batch": str(size) if self._halves == 1 else f"{size // 2} x 2",
                "seconds": sum(record["seconds"] for record in selection.history),
                "device": self._device.type,
                "precision": self._job.precision,
                "torch": versions["torch"],
                "nasneurn": versions["nasneurn"],
                "commit": versions.get("commit", ""),
            }
