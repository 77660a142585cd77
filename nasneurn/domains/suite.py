"""What the benchmark runs on: splits, domains and suites of domains, and the held-out split.

Everything is numpy: uint8 images of shape (N, H, W, 3) and int64 labels of shape (N,). Nothing
here is random in a way a training seed can reach, so two runs of one experiment with different
seeds see the same images, and so do two architectures that are compared.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nasneurn.errors import InputError

#: The stream that chooses held-out images; fixed, so that no training seed moves an image.
HOLD_OUT_SEED = 20_250_506


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels; row i of one belongs to row i of the other.

    Attributes:
        images: uint8, shape (N, H, W, 3); may be a read-only memory map.
        labels: int64, shape (N,), indices into the suite's ``classes``.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: npt.NDArray[np.int64]) -> "Split":
        """Copy the given rows, in the given order."""
        # asarray: rows of a memory map are a copy, and need not go on calling themselves a map.
        return Split(np.asarray(self.images)[rows], self.labels[rows])


@dataclass(frozen=True, eq=False)
class Domain:
    """One domain: ``train`` is used where it is the source, ``test`` where it is the target."""

    name: str
    train: Split
    test: Split


@dataclass(frozen=True, eq=False)
class Suite:
    """Domains that share classes; each is read when it is first asked for, and kept.

    Attributes:
        name: what :func:`nasneurn.domains.load_suite` was given, or the folder's name.
        classes: the names of the classes, in the order of the labels.
        domains: the names of the domains.
        size: images are (``size``, ``size``, 3).
        content: what the images are made from, as text that changes when an image does.
        read: reads one domain by its name.
    """

    name: str
    classes: tuple[str, ...]
    domains: tuple[str, ...]
    size: int
    content: str
    read: Callable[[str], Domain] = field(repr=False)
    _loaded: dict[str, Domain] = field(default_factory=dict, init=False, repr=False)

    def load(self, name: str) -> Domain:
        """Read the domain ``name``; a second call returns the same arrays.

        Raises:
            InputError: no such domain, or its files are missing or malformed.
        """
        if name not in self.domains:
            raise InputError(
                f"no domain {name!r} in the suite {self.name!r}; it has {', '.join(self.domains)}"
            )
        if name not in self._loaded:
            self._loaded[name] = self.read(name)
        return self._loaded[name]


def hold_out(split: Split, fraction: float = 0.15) -> tuple[Split, Split]:
    """Divide a source domain's training images into ``(fit, held_out)``.

    The held-out images are the only ones that early stopping, model selection and evolution may
    look at. The choice is stratified (in each class the nearest whole number to
    ``fraction * n``, but at least one image on either side), and depends on the labels alone: not
    on any training seed, so every architecture and every seed is selected on the same images.
    Rows keep their order. Both parts are copies, also of memory-mapped images: of a very large
    domain take a :func:`subsample` first.

    Raises:
        InputError: ``fraction`` is not between 0 and 1, or a class has a single image.
    """
    if not 0 < fraction < 1:
        raise InputError(f"cannot hold out a fraction of {fraction}; it must lie between 0 and 1")
    if len(split) == 0:
        raise InputError("cannot hold out images of an empty split")
    chosen = np.zeros(len(split), dtype=bool)
    for label in np.unique(split.labels):
        rows = np.flatnonzero(split.labels == label)
        if len(rows) < 2:
            raise InputError(
                f"cannot hold out images of class {label}: it has one image; "
                "every class of a source domain needs at least 2"
            )
        count = min(max(round(fraction * len(rows)), 1), len(rows) - 1)
        # One stream a class: a change in the size of one class leaves the others' choice alone.
        random = np.random.default_rng((HOLD_OUT_SEED, int(label)))
        chosen[random.permutation(rows)[:count]] = True
    return split.take(np.flatnonzero(~chosen)), split.take(np.flatnonzero(chosen))


def subsample(split: Split, n: int, seed: int = 0) -> Split:
    """Draw ``n`` rows with the classes in the proportions of the whole; all of it if it has fewer.

    Shares are rounded by largest remainder. Rows keep their order; the same ``seed`` draws the
    same rows.

    Raises:
        InputError: ``n`` is below 1.
    """
    if n < 1:
        raise InputError(f"cannot draw {n} images; the number must be at least 1")
    if n >= len(split):
        return split
    labels, counts = np.unique(split.labels, return_counts=True)
    exact = counts * (n / len(split))
    shares = np.floor(exact).astype(np.int64)
    # Stable, so that of equal remainders the lower label wins on every machine.
    largest = np.argsort(-(exact - shares), kind="stable")
    shares[largest[: n - int(shares.sum())]] += 1
    rows = [
        np.random.default_rng((seed, int(label))).permutation(
            np.flatnonzero(split.labels == label)
        )[:share]
        for label, share in zip(labels, shares, strict=True)
    ]
    return split.take(np.sort(np.concatenate(rows)))
