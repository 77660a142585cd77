"""Images of a split as batches on the training device: all of them in memory, or streamed."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nasneurn.domains import FilePixels, Split
from nasneurn.errors import InputError
from nasneurn.tensors import tensor_of

#: Most bytes of images that are put on the device as a whole; more are streamed. A constant, since
#: the order of a pass is another one when streamed, and must not depend on the machine.
MEMORY_LIMIT = 2**30
#: Bytes of neighbouring images that are read together when streaming, and of the images among
#: which rows are shuffled. Two windows are in memory: one in use, and the next that is read.
BLOCK_BYTES = 2**20
WINDOW_BYTES = 2**27
#: Images that are decoded together, where the cache does not hold them.
DECODED_TOGETHER = 128

Rows = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Batch = tuple[Tensor, Tensor]


def as_pixels(images: Tensor) -> Tensor:
    """Bytes (N, C, H, W) as float32 in [0, 1], channels last in memory."""
    return images.to(torch.float32, memory_format=torch.channels_last).div_(255)


@dataclass(frozen=True)
class DeviceImages:
    """Images on the training device: ``images`` uint8 (N, 3, H, W) and ``labels`` int64 (N,)."""

    images: Tensor
    labels: Tensor

    @classmethod
    def of(cls, split: Split, device: torch.device, rows: Rows | None = None) -> "DeviceImages":
        """Put a split, or some of its rows, on ``device``."""
        images = np.asarray(split.images) if rows is None else split.images[rows]
        labels = split.labels if rows is None else split.labels[rows]
        placed = tensor_of(images).permute(0, 3, 1, 2).to(device)
        return cls(placed, tensor_of(labels).to(device))

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int) -> Iterator[Batch]:
        """All images in their order, as float batches of at most ``size``, with labels."""
        for start in range(0, len(self), size):
            chosen = slice(start, start + size)
            yield as_pixels(self.images[chosen]), self.labels[chosen]

    def pixels(self, rows: Rows) -> Tensor:
        """Some images as floats."""
        return as_pixels(self.images[torch.from_numpy(rows).to(self.labels.device)])

    def order(self, seed: int, number: int) -> Rows:
        """The rows of pass ``number``: a permutation."""
        return np.random.default_rng([seed, number]).permutation(len(self))

    def follow(self, order: Rows, size: int, start: int = 0) -> Iterator[Batch]:
        """The images in this order from ``start`` on, in batches of ``size``."""
        rows = torch.from_numpy(order).to(self.labels.device)
        for begin in range(start, len(rows), size):
            chosen = rows[begin : begin + size]
            yield as_pixels(self.images[chosen]), self.labels[chosen]


def rebatched(chunks: Iterable[Bytes], size: int) -> Iterator[Bytes]:
    """The same images in batches of ``size``, the last of them smaller, across the chunks' ends."""
    left: Bytes | None = None
    for chunk in chunks:
        begin = 0
        if left is not None:
            begin = size - len(left)
            left = np.concatenate([left, chunk[:begin]])
            if len(left) < size:
                continue
            yield left
        whole = begin + (len(chunk) - begin) // size * size
        for start in range(begin, whole, size):
            yield chunk[start : start + size]
        left = chunk[whole:].copy() if whole < len(chunk) else None
    if left is not None:
        yield left


class StreamedImages:
    """Images that are read from files, or from memory, a window at a time, while others are used.

    Args:
        split: the images with their labels.
        rows: which of them these are, in ascending order.
        device: where the batches are wanted.

    Attributes:
        labels: int64 (N,), on the device.
    """

    def __init__(self, split: Split, rows: Rows, device: torch.device) -> None:
        self._images = split.images
        self._rows = rows
        self._device = device
        self.labels = tensor_of(split.labels[rows]).to(device)
        bytes_each = int(np.prod(split.images.shape[1:]))
        self._block = max(1, BLOCK_BYTES // bytes_each)
        self._window = max(1, WINDOW_BYTES // (self._block * bytes_each)) * self._block
        # Images that are decoded when read are not read faster with their neighbours.
        decoding = isinstance(split.images, FilePixels) and split.images.decoding
        self._read_together = DECODED_TOGETHER if decoding else self._window

    def __len__(self) -> int:
        return len(self._rows)

    def batches(self, size: int) -> Iterator[Batch]:
        """All images in their order, as float batches of at most ``size``, with labels."""
        return self.follow(np.arange(len(self)), size)

    def pixels(self, rows: Rows) -> Tensor:
        """Some images as floats."""
        return self._on_device(self._images[self._rows[rows]])

    def order(self, seed: int, number: int) -> Rows:
        """The rows of pass ``number``: blocks of neighbours permuted, and windows of them shuffled.

        A window is read as a whole, and its blocks are from everywhere in the data.
        """
        random = np.random.default_rng([seed, number])
        starts = random.permutation(np.arange(0, len(self), self._block))
        inside = np.arange(self._block)
        order = (starts[:, None] + inside).ravel()
        order = order[order < len(self)]
        for start in range(0, len(order), self._window):
            random.shuffle(order[start : start + self._window])
        return order

    def follow(self, order: Rows, size: int, start: int = 0) -> Iterator[Batch]:
        """The images in this order from ``start`` on, in batches; a thread reads ahead of them."""
        rows = torch.from_numpy(order).to(self._device)
        for images in rebatched(self._read_ahead(order, start), size):
            stop = start + len(images)
            yield self._on_device(images), self.labels[rows[start:stop]]
            start = stop

    def _read_ahead(self, order: Rows, start: int) -> Iterator[Bytes]:
        # Windows are cut as they were shuffled, wherever the batches begin.
        cuts = [start, *range(start - start % self._read_together, len(order), self._read_together)]
        cuts = [*sorted({cut for cut in cuts if cut >= start}), len(order)]
        chunks = [order[begin:end] for begin, end in pairwise(cuts)]
        with ThreadPoolExecutor(1) as reader:
            ahead = deque(reader.submit(self._read, chunk) for chunk in chunks[:1])
            for chunk in [*chunks[1:], None]:
                images = ahead.popleft().result()
                if chunk is not None:
                    ahead.append(reader.submit(self._read, chunk))
                yield images
                del images  # or it stays while the next is waited for

    def _read(self, chunk: Rows) -> Bytes:
        images: Bytes = self._images[self._rows[chunk]]
        return images

    def _on_device(self, images: Bytes) -> Tensor:
        placed = tensor_of(images)
        if self._device.type == "cuda":
            placed = placed.pin_memory().to(self._device, non_blocking=True)
        return as_pixels(placed.permute(0, 3, 1, 2))


Images = DeviceImages | StreamedImages


def open_images(
    split: Split, rows: Rows | None, device: torch.device, *, memory: int = MEMORY_LIMIT
) -> Images:
    """Images for training and evaluation: on the device as a whole, or streamed to it.

    Args:
        split: the images with their labels.
        rows: which of them; None for all.
        device: where the batches are wanted.
        memory: most bytes of images that are put on the device as a whole.
    """
    count = len(split) if rows is None else len(rows)
    if count * int(np.prod(split.images.shape[1:])) <= memory:
        return DeviceImages.of(split, device, rows)
    return StreamedImages(split, np.arange(len(split)) if rows is None else rows, device)


@dataclass(frozen=True)
class SourceImages:
    """The images of a source: ``fit`` to train on, ``held_out`` to select on.

    Where several domains are one source, ``sizes`` tells how many images to fit are of each; they
    lie one after another.
    """

    fit: Images
    held_out: Images
    sizes: tuple[int, ...] = ()


class ShuffledBatches:
    """``count`` training batches, in passes over the data, each in an order of its own.

    The order is a function of the seed and the pass. Lightning sees one long epoch, and keeps the
    position in it (:meth:`state_dict`) in its checkpoints. A last, smaller batch of a pass is left
    out. With ``parts``, each batch comes in so many equal parts, and ``count`` counts these.

    Where ``sizes`` tells how many of the images are of each domain, one after another, a batch is
    images, labels and domains, int64 from 0 up. With ``balanced`` it has equally many of each, and
    what is left over of its size is left out. A pass has as many batches as without; each domain
    goes round in orders of its own, the small ones more often.

    Attributes:
        data: the images.
        sources: how many domains there are.
    """

    def __init__(
        self,
        data: Images,
        batch_size: int,
        count: int,
        seed: int,
        parts: int = 1,
        sizes: Sequence[int] = (),
        balanced: bool = False,
    ) -> None:
        if batch_size > len(data):
            raise InputError(
                f"batch size {batch_size} is larger than the {len(data)} training images"
            )
        self.data = data
        self.sources = max(1, len(sizes))
        self._domains = np.repeat(np.arange(len(sizes)), sizes)
        self._sizes = tuple(sizes) if balanced else ()
        self._of_each = batch_size // parts // self.sources
        #: Images in a batch.
        self.part = self._of_each * self.sources if self._sizes else batch_size // parts
        if not self.part:
            raise InputError(
                f"batch size {batch_size} is too small for images of each of {self.sources} domains"
            )
        self._count = count
        #: Batches in one pass over the data.
        self.in_a_pass = len(data) // batch_size * parts
        self._seed = seed
        self._next = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        while self._next < self._count:
            number, position = divmod(self._next, self.in_a_pass)
            stop = min(self.in_a_pass, position + self._count - self._next)
            whole = self._balanced(number) if self._sizes else self.data.order(self._seed, number)
            order = whole[: stop * self.part]
            start = position * self.part
            for images, labels in self.data.follow(order, self.part, start):
                self._next += 1
                rows = order[start : start + self.part]
                start += self.part
                if self.sources == 1:
                    yield images, labels
                else:
                    yield images, labels, torch.from_numpy(self._domains[rows]).to(labels.device)

    def _balanced(self, number: int) -> Rows:
        """The rows of pass ``number``, for batches with equally many of each domain.

        A domain's rows are permutations one after another, drawn by the seed, the domain and the
        number of the permutation; pass after pass goes on in them.
        """
        wanted = self.in_a_pass * self._of_each
        begin, first, columns = number * wanted, 0, []
        for domain, size in enumerate(self._sizes):
            rounds = range(begin // size, (begin + wanted - 1) // size + 1)
            rows = [
                first + np.random.default_rng([self._seed, one, domain]).permutation(size)
                for one in rounds
            ]
            offset = begin - rounds[0] * size
            chosen = np.concatenate(rows)[offset : offset + wanted]
            columns.append(chosen.reshape(self.in_a_pass, self._of_each))
            first += size
        return np.concatenate(columns, axis=1).ravel()

    def state_dict(self) -> dict[str, int]:
        """How many batches were taken."""
        return {"next": self._next}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue after the batches that were taken."""
        self._next = state["next"]
