"""Images of a split as batches on the training device."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nasneurn.domains import Split
from nasneurn.errors import InputError


def as_pixels(images: Tensor) -> Tensor:
    """Bytes (N, C, H, W) as float32 in [0, 1], channels last in memory."""
    return images.to(torch.float32, memory_format=torch.channels_last).div_(255)


@dataclass(frozen=True)
class DeviceImages:
    """A split on the training device: ``images`` uint8 (N, 3, H, W) and ``labels`` int64 (N,)."""

    images: Tensor
    labels: Tensor

    @classmethod
    def of(cls, split: Split, device: torch.device) -> "DeviceImages":
        """Put a split on ``device``."""
        images = torch.from_numpy(np.ascontiguousarray(split.images)).permute(0, 3, 1, 2)
        return cls(images.to(device), torch.from_numpy(split.labels).to(device))

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images in their order, as float batches of at most ``size``, with labels."""
        for start in range(0, len(self), size):
            chosen = slice(start, start + size)
            yield as_pixels(self.images[chosen]), self.labels[chosen]


@dataclass(frozen=True)
class SourceImages:
    """The images of a source: ``fit`` to train on, ``held_out`` to select on."""

    fit: DeviceImages
    held_out: DeviceImages


class ShuffledBatches:
    """``count`` training batches, in passes over the data, each in an order of its own.

    The order is a function of the seed and the pass. Lightning sees one long epoch, and keeps the
    position in it (:meth:`state_dict`) in its checkpoints. A last, smaller batch of a pass is left
    out. With ``parts``, each batch comes in so many equal parts, and ``count`` counts these.
    """

    def __init__(
        self, data: DeviceImages, batch_size: int, count: int, seed: int, parts: int = 1
    ) -> None:
        if batch_size > len(data):
            raise InputError(
                f"batch size {batch_size} is larger than the {len(data)} training images"
            )
        self._data = data
        self._part = batch_size // parts
        self._count = count
        #: Batches in one pass over the data.
        self.in_a_pass = len(data) // batch_size * parts
        self._seed = seed
        self._next = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rows = None
        while self._next < self._count:
            number, position = divmod(self._next, self.in_a_pass)
            if rows is None or position == 0:
                order = np.random.default_rng([self._seed, number]).permutation(len(self._data))
                rows = torch.from_numpy(order).to(self._data.labels.device)
            self._next += 1
            chosen = rows[position * self._part :][: self._part]
            yield as_pixels(self._data.images[chosen]), self._data.labels[chosen]

    def state_dict(self) -> dict[str, int]:
        """How many batches were taken."""
        return {"next": self._next}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue behind the batches that were taken."""
        self._next = state["next"]
