"""What the benchmark runs on: suites of domains, their parts, and images with their labels.

Everything is numpy: uint8 images of shape (N, H, W, 3) and int64 labels of shape (N,). Nothing
here is random in a way a training seed can reach, so two runs of one experiment with different
seeds see the same images, and so do two architectures that are compared.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt

from nasneurn.choices import suggestion
from nasneurn.domains.pixels import FilePixels, Joined
from nasneurn.errors import InputError

if TYPE_CHECKING:
    from nasneurn.domains.loading import SuiteHandle

#: The parts of a domain; "all" is of folders alone.
Part = Literal["train", "test", "all"]
Labels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels; row i of one belongs to row i of the other.

    Attributes:
        images: uint8, shape (N, H, W, 3); an array, or what reads the rows that it is asked for.
        labels: int64, shape (N,), indices into the suite's ``classes``.
    """

    images: npt.NDArray[np.uint8] | FilePixels
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, rows: npt.NDArray[np.int64]) -> "Split":
        """The given rows, in the given order; of images in files none is read yet."""
        if not isinstance(self.images, FilePixels):
            return self.take(rows)
        images = replace(self.images, rows=self.images.rows[rows])
        return Split(images, self.labels[rows])

    def take(self, rows: npt.NDArray[np.int64]) -> "Split":
        """Copy the given rows, in the given order, into memory."""
        return Split(self.images[rows], self.labels[rows])


def joined(splits: Sequence[Split]) -> Split:
    """Several splits of one size as one, in their order; no image is read before it is used."""
    parts = [split.images for split in splits]
    decoding = any(isinstance(part, FilePixels) and part.decoding for part in parts)
    rows = np.arange(sum(map(len, splits)))
    images = FilePixels(rows, parts[0].shape[1], Joined(parts), decoding)
    return Split(images, np.concatenate([split.labels for split in splits]))


@dataclass(frozen=True, eq=False)
class Domain:
    """One domain: ``train`` is used where it is a source, ``test`` to test on."""

    name: str
    train: Split
    test: Split


class Reader(Protocol):
    """Reads the domains of one kind of suite; only the files that a part needs are touched."""

    #: Whether train and test may be taken together, of a domain that is no source.
    has_all: bool

    def labels(self, domain: str, part: str) -> Labels:
        """The labels alone; no image is decoded."""

    def images(self, domain: str, part: str) -> Split:
        """Images with labels."""

    def digest(self, domain: str, part: str) -> str:
        """A hash of the content."""

    def known_digest(self, domain: str, part: str) -> str | None:
        """The same, where it is known without reading images."""

    def changed_files(self, domain: str, part: str, digest: str) -> list[str]:
        """The files that are others than when the part had that digest, where it is known."""

    def held_out(self, domain: str) -> Mask | None:
        """Which training images a split file holds out."""


@dataclass(frozen=True, eq=False)
class Suite:
    """Domains that share classes; each part is read when it is first asked for, and kept.

    Made by :func:`nasneurn.domains.load_suite`.

    Attributes:
        name: "builtin", "digits", or the folder's name.
        classes: the names of the classes, in the order of the labels.
        domains: the names of the domains.
        size: images are (``size``, ``size``, 3).
        handle: opens the same suite in another process.
        reader: gives the parts.
        tested_only: domains that have test images alone, and are no source.
    """

    name: str
    classes: tuple[str, ...]
    domains: tuple[str, ...]
    size: int
    handle: "SuiteHandle"
    reader: Reader = field(repr=False)
    tested_only: frozenset[str] = field(default=frozenset(), repr=False)
    _read: dict[tuple[str, str], Split] = field(default_factory=dict, init=False, repr=False)

    @property
    def trainable(self) -> tuple[str, ...]:
        """The domains that may be sources."""
        return tuple(domain for domain in self.domains if domain not in self.tested_only)

    def labels(self, domain: str, part: Part) -> Labels:
        """The labels of a part, int64; no image is decoded.

        Args:
            domain: one of ``domains``.
            part: "train", "test", or of a folder "all": all that its scan or split file names.

        Raises:
            InputError: no such domain or part, or a file is missing or malformed.
        """
        self._check(domain, part)
        return self.reader.labels(domain, part)

    def images(self, domain: str, part: Part) -> Split:
        """The images of a part with their labels; a second call returns the same.

        Raises:
            InputError: as :meth:`labels`.
        """
        self._check(domain, part)
        if (domain, part) not in self._read:
            self._read[domain, part] = self.reader.images(domain, part)
        return self._read[domain, part]

    def digest(self, domain: str, part: Part) -> str:
        """16 hex digits that change with the content of a part, or with what is done to it.

        The same on every machine and wherever the files lie. Of a folder, files that were never
        read are read now, and decoded into the cache at the same time.

        Raises:
            InputError: as :meth:`labels`, or an image cannot be read.
        """
        self._check(domain, part)
        return self.reader.digest(domain, part)

    def known_digest(self, domain: str, part: Part) -> str | None:
        """What :meth:`digest` gives, or None where it would have to read images first."""
        self._check(domain, part)
        return self.reader.known_digest(domain, part)

    def changed_files(self, domain: str, part: Part, digest: str) -> list[str]:
        """The files of a domain that are not those of when a part had another digest.

        Of a folder, their paths below it: what was added, removed or changed. Empty where nothing
        in the cache remembers what lay there then.
        """
        self._check(domain, part)
        return self.reader.changed_files(domain, part, digest)

    def held_out(self, domain: str) -> Mask | None:
        """Which images of the part "train" a split file holds out to select on; None without."""
        self._check(domain, "train")
        return self.reader.held_out(domain)

    def tested(self, domain: str, sources: Collection[str]) -> Part:
        """The part on which a network trained on ``sources`` is tested in ``domain``.

        Of a folder, all images of a domain that is no source, as the field does. Digits have
        published test sets, and their train rows are paired across domains: always "test".
        """
        apart = self.reader.has_all and domain not in self.tested_only
        return "all" if apart and domain not in sources else "test"

    def load(self, domain: str) -> Domain:
        """Both the training and the test images of a domain."""
        return Domain(domain, self.images(domain, "train"), self.images(domain, "test"))

    def _check(self, domain: str, part: str) -> None:
        if domain not in self.domains:
            raise InputError(
                f"no domain {domain!r} in the suite {self.name!r}; it has "
                f"{', '.join(self.domains)}{suggestion(domain, self.domains)}"
            )
        parts = ("train", "test", "all")[: 3 if self.reader.has_all else 2]
        if part not in parts:
            raise InputError(
                f"no part {part!r} in a domain of {self.name!r}; it must be {' or '.join(parts)}"
            )
        if domain in self.tested_only and part != "test":
            raise InputError(
                f"the domain {domain!r} is tested and never trained on: it has no part {part!r}"
            )
