"""The suite that needs no download: four small domains of digits, made on this machine.

| domain | what it is |
|---|---|
| ``optdigits`` | 1,797 handwritten digits (UCI Optdigits, in scikit-learn), enlarged from 8 x 8 |
| ``optdigits-m`` | the same digits by the recipe of MNIST-M, on scikit-learn's two photos |
| ``print`` | figures in matplotlib's fonts, dark on light, as if scanned |
| ``street`` | figures in matplotlib's fonts, as if photographed on a wall, like SVHN |

Every image follows from the recipes here and a fixed seed. Test images share neither an original
digit, nor a region of a photo, nor a font with training images of any domain.
"""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nasneurn.domains.file_hashes import content_digest
from nasneurn.domains.mnistm import invert_by_digits, random_patches
from nasneurn.domains.resizing import resize, three_channels, zero_pad
from nasneurn.domains.suite import Domain, Labels, Split
from nasneurn.errors import InputError
from nasneurn.files import written_atomically
from nasneurn.paths import cache_dir

NAME = "builtin"
SIZE = 32
CLASSES = tuple("0123456789")
SEED = 20_250_506

#: Raise it with every change of a recipe: it is part of each cache entry's name.
RECIPE_VERSION = 1
#: Libraries that draw: another version may draw a pixel otherwise, so it has its own entries.
DRAWING_LIBRARIES = ("matplotlib", "numpy", "pillow", "scikit-learn")

#: Optdigits keeps the order of collection, and neighbours look to be by one hand: cut at the end
#: the split asks for new writers (3-nearest neighbours score 0.968 on it, 0.988 on a random one).
OPTDIGITS_TRAIN = 1297
#: Optdigits fill their frame, MNIST's do not: 8 x 8 becomes 24 x 24 within 32 x 32.
OPTDIGITS_SIZE = 24
#: Photos are cut into upright strips, in turn for training and for test: (columns, columns).
PHOTO_STRIPS = {"train": (0, 88), "test": (88, 128)}
STRIP_PERIOD = 128

#: Images of the rendered domains, by split; multiples of 10, as each class has the same number.
RENDERED = {"train": 1600, "test": 500}


def _handwritten() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Enlarge scikit-learn's digits: uint8 (1797, 32, 32) white on black, and their labels."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    enlarged = np.stack(
        [
            np.asarray(
                Image.fromarray(np.asarray(image, dtype=np.float32)).resize(
                    (OPTDIGITS_SIZE, OPTDIGITS_SIZE), Image.Resampling.BICUBIC
                )
            )
            for image in digits.images
        ]
    )
    # Counts of ink go from 0 to 16. A smooth step about the middle makes strokes of the blots.
    ink = np.clip((enlarged - 3) / (12 - 3), 0, 1)
    ink = ink * ink * (3 - 2 * ink)
    images = zero_pad(np.rint(255 * ink).astype(np.uint8), (SIZE - OPTDIGITS_SIZE) // 2)
    return images, np.asarray(digits.target, dtype=np.int64)


#: The rows of scikit-learn's digits in each split; optdigits and optdigits-m share them.
OPTDIGITS_ROWS = {"train": slice(None, OPTDIGITS_TRAIN), "test": slice(OPTDIGITS_TRAIN, None)}


def _optdigits(split: str) -> Split:
    images, labels = _handwritten()
    rows = OPTDIGITS_ROWS[split]
    return Split(three_channels(images[rows]), labels[rows])


def _optdigits_m(split: str) -> Split:
    from sklearn.datasets import load_sample_images

    images, labels = _handwritten()
    rows = OPTDIGITS_ROWS[split]
    start, stop = PHOTO_STRIPS[split]
    strips = [
        photo[:, left + start : left + stop]
        for photo in load_sample_images().images
        for left in range(0, photo.shape[1], STRIP_PERIOD)
    ]
    patches = random_patches(strips, len(labels[rows]), SIZE, _stream("optdigits-m", split))
    return Split(invert_by_digits(images[rows], patches), labels[rows])


def _rendered(domain: str, split: str) -> Split:
    from nasneurn.domains import rendering

    looks: dict[str, rendering.Look] = {"print": rendering.printed, "street": rendering.street}
    random = _stream(domain, split)
    labels = random.permutation(np.arange(RENDERED[split], dtype=np.int64) % len(CLASSES))
    return Split(rendering.draw(looks[domain], labels, rendering.FONTS[split], random), labels)


def _stream(domain: str, split: str) -> np.random.Generator:
    """Seed one stream a domain and split, so that none depends on what was built before it."""
    return np.random.default_rng([SEED, *f"{domain}/{split}".encode()])


RECIPES: dict[str, Callable[[str], Split]] = {
    "optdigits": _optdigits,
    "optdigits-m": _optdigits_m,
    "print": partial(_rendered, "print"),
    "street": partial(_rendered, "street"),
}


def cache_file(domain: str) -> Path:
    """Where a built domain is kept; the name changes with the recipe and what draws it."""
    digest = hashlib.sha256(content_key().encode()).hexdigest()[:12]
    return cache_dir() / NAME / f"{domain}-{digest}.npz"


def content_key() -> str:
    """All that decides what the images look like."""
    return json.dumps([RECIPE_VERSION, SEED, [version(name) for name in DRAWING_LIBRARIES]])


def read(domain: str) -> Domain:
    """Read a domain from the cache, or build it (about a second) and keep it there.

    A missing or damaged entry is built again. A cache that cannot be written only costs the time.
    """
    path = cache_file(domain)
    kept = _from_cache(domain, path)
    if kept is not None:
        return kept
    built = Domain(domain, RECIPES[domain]("train"), RECIPES[domain]("test"))
    try:
        with written_atomically(path) as draft:
            np.savez(
                draft,
                train_images=built.train.images,
                train_labels=built.train.labels,
                test_images=built.test.images,
                test_labels=built.test.labels,
            )
    except InputError:
        pass
    return built


def _from_cache(domain: str, path: Path) -> Domain | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:  # reading checks zip's checksums
            splits = [
                Split(arrays[f"{split}_images"], arrays[f"{split}_labels"])
                for split in ("train", "test")
            ]
    except Exception:  # whatever is wrong with the entry, it is built again
        return None
    return Domain(domain, *splits)


class BuiltinReader:
    """Reads the domains at one size; nothing is built before a part is asked for."""

    has_all = False

    def __init__(self, size: int) -> None:
        self._size = size
        self._whole: dict[str, Domain] = {}

    def labels(self, domain: str, part: str) -> Labels:
        """The labels of a part."""
        return self._split(domain, part).labels

    def images(self, domain: str, part: str) -> Split:
        """The images of a part, stretched to size."""
        split = self._split(domain, part)
        return Split(resize(np.asarray(split.images), self._size), split.labels)

    def digest(self, domain: str, part: str) -> str:
        """Of the images as they were built, which other libraries may draw otherwise."""
        split = self._split(domain, part)
        heading = [NAME, RECIPE_VERSION, self._size]
        return content_digest(heading, np.asarray(split.images), split.labels)

    def known_digest(self, domain: str, part: str) -> str:
        """The same: it takes no time."""
        return self.digest(domain, part)

    def changed_files(self, domain: str, part: str, digest: str) -> list[str]:
        """The built-in domains have no files."""
        return []

    def held_out(self, domain: str) -> None:
        """The built-in domains have no validation rows of their own."""

    def _split(self, domain: str, part: str) -> Split:
        if domain not in self._whole:
            self._whole[domain] = read(domain)
        return getattr(self._whole[domain], part)  # type: ignore[no-any-return]
