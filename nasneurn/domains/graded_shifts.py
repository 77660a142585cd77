"""Test images under graded shifts, as further targets of a suite: ``optdigits~blur-2``.

``load_suite("builtin+shifts")`` has the domains of ``builtin``, and each of them under each shift
of :data:`SHIFTS` at the strengths 1, 2 and 3. These domains are tested, and never trained on: they
have test images alone, made from at most :data:`MOST` of the domain's own.

All that is drawn for an image follows from a fixed seed, the shift and the image's row, so the same
images come out in any order and in any number. Nothing is kept: a shift is made when it is read.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from nasneurn.domains.file_hashes import content_digest
from nasneurn.domains.pixels import FilePixels
from nasneurn.domains.resizing import resize
from nasneurn.domains.source_rows import subsample_rows
from nasneurn.domains.suite import Labels, Mask, Reader, Split, Suite
from nasneurn.errors import InputError

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

#: What the name of a suite ends with to have shifted domains too.
ENDING = "+shifts"
#: Between a domain and its shift.
MARK = "~"
STRENGTHS = (1, 2, 3)
#: Most test images of a shifted domain, drawn by class.
MOST = 500
SEED = 20_251_117

#: Raise it when a shift gives other images: digests differ then.
RECIPE_VERSION = 1


def contrast(image: Floats, strength: int, random: np.random.Generator) -> Floats:
    """A half, a quarter or an eighth of the contrast, around the image's own mean."""
    mean = image.mean()
    return np.asarray(mean + (image - mean) / 2**strength)


def polarity(image: Floats, strength: int, random: np.random.Generator) -> Floats:
    """Light for dark, with a chance of 1/3, 2/3 or 1: a wall has signs of either kind."""
    return 255 - image if random.random() < strength / len(STRENGTHS) else image


def background(image: Floats, strength: int, random: np.random.Generator) -> Floats:
    """A smooth field of random colours, of 1/4, 1/2 or 3/4 of the weight."""
    coarse = random.integers(0, 256, (1, 4, 4, 3)).astype(np.uint8)
    share = strength / (len(STRENGTHS) + 1)
    return np.asarray((1 - share) * image + share * resize(coarse, image.shape[0])[0])


def blur(image: Floats, strength: int, random: np.random.Generator) -> Floats:
    """A Gaussian blur of a deviation of 1/48, 1/24 or 1/12 of the side (0.7, 1.3, 2.7 of 32)."""
    from scipy.ndimage import gaussian_filter

    deviation = image.shape[0] / 96 * 2**strength
    return np.asarray(gaussian_filter(image, (deviation, deviation, 0), mode="nearest"))


def noise(image: Floats, strength: int, random: np.random.Generator) -> Floats:
    """Gaussian noise of a deviation of 1/20, 1/10 or 1/5 of the range, in each channel alone."""
    return image + random.normal(0, 255 / 40 * 2**strength, image.shape)


def resolution(image: Floats, strength: int, random: np.random.Generator) -> Floats:
    """2/3, 1/2 or 1/4 of the pixels along a side, and enlarged again, bilinear."""
    side = image.shape[0]
    small = max(1, round(side / (1.5, 2, 4)[strength - 1]))
    pixels = image.astype(np.uint8)[None]
    return np.asarray(resize(resize(pixels, small), side)[0], dtype=np.float64)


#: Every shift by its name: an image (H, W, 3) from 0 to 255, a strength, and what draws -> the
#: same, to be rounded and cut to 0 to 255.
SHIFTS: dict[str, Callable[[Floats, int, np.random.Generator], Floats]] = {
    "contrast": contrast,
    "polarity": polarity,
    "background": background,
    "blur": blur,
    "noise": noise,
    "resolution": resolution,
}


def parse_shifted(domain: str) -> tuple[str, str, int]:
    """The domain that was shifted, the shift, and its strength; ``""`` and 0 where there is none.

    >>> parse_shifted("optdigits~blur-2"), parse_shifted("optdigits")
    (('optdigits', 'blur', 2), ('optdigits', '', 0))
    """
    base, mark, shift = domain.rpartition(MARK)
    name, _, strength = shift.rpartition("-")
    if not mark or name not in SHIFTS or strength not in map(str, STRENGTHS):
        return domain, "", 0
    return base, name, int(strength)


def shifted_names(domain: str) -> list[str]:
    """The names of a domain under each shift and strength."""
    return [f"{domain}{MARK}{shift}-{strength}" for shift in SHIFTS for strength in STRENGTHS]


def shift_images(images: Bytes, rows: npt.NDArray[np.int64], shift: str, strength: int) -> Bytes:
    """Images under a shift.

    Args:
        images: uint8 (N, H, W, 3).
        rows: of each image, the number from which its draws follow.
        shift: a name of :data:`SHIFTS`.
        strength: 1, 2 or 3.
    """
    shifted = np.empty_like(images)
    for place, (image, row) in enumerate(zip(images, rows.tolist(), strict=True)):
        random = np.random.default_rng([SEED, row, *shift.encode()])
        values = SHIFTS[shift](image.astype(np.float64), strength, random)
        shifted[place] = np.clip(np.rint(values), 0, 255)
    return shifted


@dataclass(frozen=True, eq=False)
class _Shifted:
    """Reads images under a shift by their rows in the part that is shifted."""

    images: Any
    shift: str
    strength: int

    def __call__(self, rows: npt.NDArray[np.int64]) -> Bytes:
        return shift_images(self.images[rows], rows, self.shift, self.strength)


class ShiftedReader:
    """Reads the domains of a suite, and the same under shifts."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._base: Reader = suite.reader
        self.has_all = suite.reader.has_all

    def labels(self, domain: str, part: str) -> Labels:
        """The labels of a part."""
        base, shift, _ = parse_shifted(domain)
        labels = self._base.labels(base, part)
        return labels[self._rows(base)] if shift else labels

    def images(self, domain: str, part: str) -> Split:
        """The images of a part; those under a shift are made when they are read."""
        base, shift, strength = parse_shifted(domain)
        # The suite, not its reader: it keeps what it has read.
        whole = self._suite.images(base, part)  # type: ignore[arg-type]
        if not shift:
            return whole
        rows = self._rows(base)
        read = _Shifted(whole.images, shift, strength)
        return Split(FilePixels(rows, self._suite.size, read, decoding=True), whole.labels[rows])

    def digest(self, domain: str, part: str) -> str:
        """Of the images before the shift, and of what is done to them."""
        base, *shift = parse_shifted(domain)
        return self._digest(shift, self._base.digest(base, part))

    def known_digest(self, domain: str, part: str) -> str | None:
        """The same, where that of the images before the shift is known."""
        base, *shift = parse_shifted(domain)
        known = self._base.known_digest(base, part)
        return None if known is None else self._digest(shift, known)

    def changed_files(self, domain: str, part: str, digest: str) -> list[str]:
        """As without shifts; of shifted images it is not known."""
        return [] if parse_shifted(domain)[1] else self._base.changed_files(domain, part, digest)

    def held_out(self, domain: str) -> Mask | None:
        """As without shifts."""
        return self._base.held_out(domain)

    def _digest(self, shift: list[Any], before: str) -> str:
        recipe = [ENDING, RECIPE_VERSION, SEED, MOST, *shift, before]
        return content_digest(recipe) if shift[0] else before

    def _rows(self, base: str) -> npt.NDArray[np.int64]:
        return subsample_rows(self._base.labels(base, "test"), MOST)


@lru_cache(maxsize=16)
def with_shifts(suite: Suite) -> Suite:
    """The suite with all its domains under all shifts as further targets; the same each time.

    Raises:
        InputError: a domain has the name that a shifted one would have.
    """
    added = [name for domain in suite.domains for name in shifted_names(domain)]
    taken = [name for name in added if name in suite.domains]
    if taken:
        raise InputError(
            f"{suite.name} has a domain {taken[0]!r}, which is what a shifted one is called; "
            "rename it"
        )
    return Suite(
        suite.name + ENDING,
        suite.classes,
        (*suite.domains, *added),
        suite.size,
        replace(suite.handle, shifted=True),
        ShiftedReader(suite),
        tested_only=frozenset(added),
    )
