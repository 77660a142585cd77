"""Images without their labels: of a domain of a suite, or of a plain folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nasneurn.domains import Part, Suite
from nasneurn.domains.decoding import SUFFIXES, decode
from nasneurn.errors import InputError, listed

Bytes = npt.NDArray[np.uint8]

#: Of the draw of the images.
SEED = 0
#: The greatest share of a folder's images that may be unreadable.
UNREADABLE = 0.05
#: The fewest images that say something of a domain.
FEWEST = 20
#: How many names of files a message lists.
LISTED = 5


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Images, and nothing else that is known of them.

    Attributes:
        name: of the domain or the folder.
        images: uint8 (N, H, W, 3).
        unreadable: files that are no readable images.
    """

    name: str
    images: Bytes
    unreadable: tuple[str, ...] = field(default=())


def suite_images(suite: Suite, domains: Sequence[str], part: Part, most: int) -> Unlabelled:
    """Images of one domain, or of several that are one source, as many of each.

    They are drawn by a fixed seed, whatever their labels are.

    Args:
        suite: with the domains.
        domains: one or several.
        part: of each of them.
        most: at most so many images, together.

    Raises:
        InputError: no such domain or part, or there are too few images.
    """
    drawn = []
    for domain in domains:
        images = suite.images(domain, part).images
        rows = _drawn(len(images), max(1, most // len(domains)))
        drawn.append(np.asarray(images[rows]))
    return _enough(Unlabelled("+".join(domains), np.concatenate(drawn)))


def folder_images(folder: Path, size: int, most: int) -> Unlabelled:
    """Images of a folder and of all folders in it, at the size of a suite.

    Raises:
        InputError: there is no such folder, it has too few images, or more than
            :data:`UNREADABLE` of those that were drawn cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of images")
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not files:
        raise InputError(f"{folder}: holds no image ({' '.join(SUFFIXES)})")
    images, unreadable = [], []
    for row in _drawn(len(files), most):
        try:
            images.append(decode(files[row], size))
        except InputError:
            unreadable.append(str(files[row].relative_to(folder)))
    share = len(unreadable) / (len(images) + len(unreadable))
    if share > UNREADABLE:
        raise InputError(
            f"{folder}: {len(unreadable)} of {len(images) + len(unreadable)} images cannot be read "
            f"({listed(unreadable, LISTED)}); at most {UNREADABLE:.0%} may be, so mend or remove "
            "them"
        )
    empty = np.zeros((0, size, size, 3), np.uint8)
    found = np.stack(images) if images else empty
    return _enough(Unlabelled(folder.name, found, tuple(unreadable)))


def _drawn(count: int, most: int) -> npt.NDArray[np.int64]:
    return np.sort(np.random.default_rng(SEED).permutation(count)[:most])


def _enough(found: Unlabelled) -> Unlabelled:
    if len(found.images) < FEWEST:
        raise InputError(
            f"{found.name}: {len(found.images)} images are too few to say what they are like; "
            f"at least {FEWEST} are needed"
        )
    return found
