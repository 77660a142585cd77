"""Scores of candidates: the paths of one supernet on held-out source images, also in parallel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nasneurn.domains import Suite
from nasneurn.domains.source_rows import subsample_rows
from nasneurn.freed_memory import keep_freed_memory
from nasneurn.search.shifts import under_shifts
from nasneurn.search.supernet_spaces import space_to_train
from nasneurn.search.supernet_unit import Supernet
from nasneurn.seeds import stream
from nasneurn.studies.inputs import source_images
from nasneurn.studies.units import Place
from nasneurn.training.evaluation import accuracy
from nasneurn.training.images import DeviceImages
from nasneurn.training.protocol import Protocol
from search_spaces.interface import Architecture, ModelSpace
from search_spaces.supernet import load_supernet, recalibrated

#: Most images of a batch that sets batch-norm statistics.
CALIBRATED_AT_ONCE = 256


def supernet_path(unit: Supernet, place: Place) -> Path:
    """The trained supernet's weights, which stay after the search."""
    return place.folder / "supernets" / f"{unit.identity}.safetensors"


def trained_supernet(unit: Supernet, place: Place) -> ModelSpace:
    """The trained supernet, on its device and ready to be measured."""
    space = space_to_train(unit, place)
    supernet = load_supernet(supernet_path(unit, place), unit.identity, space)
    return supernet.to(torch.device(place.device)).eval()


@lru_cache(maxsize=2)
def selection_images(
    suite: Suite,
    sources: tuple[str, ...],
    protocol: Protocol,
    most: int,
    shifts: int | None,
    device: torch.device,
) -> DeviceImages:
    """At most so many held-out source images that score candidates, under shifts by a seed."""
    held_out = source_images(suite, sources, protocol, device).held_out
    rows = subsample_rows(held_out.labels.cpu().numpy(), most)
    pixels = held_out.pixels(rows).mul(255).round().to(torch.uint8)
    scored = DeviceImages(pixels, held_out.labels[torch.from_numpy(rows).to(device)])
    return scored if shifts is None else under_shifts(scored, shifts)


class Scorer:
    """Scores the paths of one supernet: each with batch-norm statistics of its own."""

    def __init__(self, unit: Supernet, place: Place, supernet: ModelSpace) -> None:
        self.supernet = supernet
        self.held_out = held_out_images(unit, place)
        self._calibration = calibration_batches(unit, place)

    def __call__(self, architecture: Architecture) -> float:
        """Accuracy on held-out source images."""
        with recalibrated(self.supernet, architecture, self._calibration) as network:
            return accuracy(network, self.held_out)


def held_out_images(unit: Supernet, place: Place) -> DeviceImages:
    """The images that score the candidates of a supernet."""
    shifts = stream(unit.seed, "shifts") if unit.select_under == "shifts" else None
    return selection_images(
        place.suite.open(),
        unit.sources,
        unit.protocol,
        unit.supernet.selection_images,
        shifts,
        torch.device(place.device),
    )


def calibration_batches(unit: Supernet, place: Place) -> list[Tensor]:
    """Source images that set batch-norm statistics: the same for every candidate."""
    device = torch.device(place.device)
    fit = source_images(place.suite.open(), unit.sources, unit.protocol, device).fit
    rng = np.random.default_rng(stream(unit.seed, "calibration"))
    count = min(unit.supernet.calibration_images, len(fit))
    rows = rng.permutation(len(fit))[:count]
    # Equal batches, since each counts the same.
    return [fit.pixels(some) for some in np.array_split(rows, -(-count // CALIBRATED_AT_ONCE))]


@dataclass(frozen=True)
class Batch:
    """Some candidates of a supernet, for a worker to score."""

    unit: Supernet
    place: Place
    architectures: tuple[Architecture, ...]


def score_batch(batch: Batch) -> list[float]:
    """Score the candidates of a batch."""
    keep_freed_memory()
    scorer = scorer_of(batch.unit, batch.place)
    return [scorer(architecture) for architecture in batch.architectures]


def scorer_of(unit: Supernet, place: Place) -> Scorer:
    """The scorer of a trained supernet; read once for all calls in a row."""
    global _scorer
    key = (unit.identity, str(place.folder))
    if _scorer is None or _scorer[0] != key:
        _scorer = key, Scorer(unit, place, trained_supernet(unit, place))
    return _scorer[1]


#: The scorer of this process, with what it belongs to.
_scorer: tuple[tuple[str, str], Scorer] | None = None


def batches(
    unit: Supernet, place: Place, architectures: Sequence[Architecture], workers: int
) -> Iterator[Batch]:
    """Share candidates out: two batches a worker, so that none waits long for the last."""
    size = max(1, -(-len(architectures) // (2 * workers)))
    for start in range(0, len(architectures), size):
        yield Batch(unit, place, tuple(architectures[start : start + size]))
