"""Making the npz files of the real digit domains: ``nasneurn data prepare``.

MNIST, SVHN and USPS come through torchvision, which checks their MD5 sums; MNIST-M is made here,
from the prepared MNIST and a folder of photos.
"""

import contextlib
import http.client
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nasneurn.domains.digits import (
    DOMAINS,
    MARGIN,
    PADDED_SIDE,
    SIZE,
    SPLITS,
    pack_file,
    read_pack,
)
from nasneurn.domains.mnistm import invert_by_digits, random_patches
from nasneurn.domains.resizing import zero_pad
from nasneurn.domains.suite import Split
from nasneurn.errors import InputError, one_line
from nasneurn.files import check_folder_target, written_atomically
from nasneurn.paths import data_dir as default_data_dir

#: Seconds without a byte after which a download is given up.
TIMEOUT = 60.0
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Source:
    """Where torchvision finds a data set, and how its arrays become a split.

    Attributes:
        files: the raw files, as their home names them.
        home: where a person finds them.
        place: the folder in torchvision's root where it looks for them.
        read: reads one split; arguments are torchvision's root and the split's name.
    """

    files: tuple[str, ...]
    home: str
    place: str
    read: Callable[[Path, str], Split]


def _read_mnist(root: Path, split: str) -> Split:
    from torchvision.datasets import MNIST

    read = MNIST(str(root), train=split == "train", download=True)
    return _as_split(read.data.numpy(), read.targets.numpy())


def _read_svhn(root: Path, split: str) -> Split:
    from torchvision.datasets import SVHN

    read = SVHN(str(root), split=split, download=True)
    return _as_split(np.transpose(read.data, (0, 2, 3, 1)), read.labels)


def _read_usps(root: Path, split: str) -> Split:
    from torchvision.datasets import USPS
    from torchvision.datasets.utils import check_integrity

    # torchvision checks what it downloads, but not a file that is there already.
    _, name, checksum = USPS.split_list[split]
    if (root / name).exists() and not check_integrity(str(root / name), checksum):
        raise RuntimeError(f"{name} does not have the MD5 sum {checksum}")
    read = USPS(str(root), train=split == "train", download=True)
    return _as_split(read.data, read.targets)


def _as_split(images: Any, labels: Any) -> Split:
    return Split(np.ascontiguousarray(images, dtype=np.uint8), np.asarray(labels, dtype=np.int64))


SOURCES = {
    "mnist": Source(
        (
            "train-images-idx3-ubyte.gz",
            "train-labels-idx1-ubyte.gz",
            "t10k-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
        ),
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "MNIST/raw",
        _read_mnist,
    ),
    "svhn": Source(
        ("train_32x32.mat", "test_32x32.mat"),
        "http://ufldl.stanford.edu/housenumbers/",
        ".",
        _read_svhn,
    ),
    "usps": Source(
        ("usps.bz2", "usps.t.bz2"),
        "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/",
        ".",
        _read_usps,
    ),
}


def prepare(
    names: Sequence[str],
    *,
    data_dir: Path | None = None,
    photos: Path | None = None,
    force: bool = False,
    seed: int = 0,
) -> list[Path]:
    """Make the files of the named domains that are not there yet (all of them with ``force``).

    Each file is written whole or not at all. Raw files that lie in ``<data folder>/raw`` are used
    in the place of a download, if their checksums are right.

    Args:
        names: of "mnist", "mnistm", "svhn" and "usps", in any order.
        data_dir: the folder of prepared data; see :func:`nasneurn.paths.data_dir`.
        photos: a folder of BSDS500's photos, for "mnistm".
        force: make the files again that are there.
        seed: chooses the photo crops of "mnistm".

    Returns:
        The files written.

    Raises:
        InputError: an unknown name, no network, or photos missing or unusable.
    """
    for name in names:
        if name not in DOMAINS:
            raise InputError(f"cannot prepare {name!r}; it must be one of {', '.join(DOMAINS)}")
    folder = default_data_dir(data_dir)
    check_folder_target(folder)
    written: list[Path] = []
    for name in DOMAINS:  # mnist comes before mnistm, which is made from it
        if name not in names:
            continue
        wanted = [split for split in SPLITS if force or not pack_file(folder, name, split).exists()]
        if not wanted:
            continue
        made = (
            _from_photos(folder, photos, wanted, seed)
            if name == "mnistm"
            else _from_network(name, folder, wanted)
        )
        for split, content in made:
            path = pack_file(folder, name, split)
            with written_atomically(path) as draft:
                np.savez_compressed(draft, images=content.images, labels=content.labels)
            written.append(path)
    return written


def _from_network(name: str, folder: Path, splits: list[str]) -> Iterator[tuple[str, Split]]:
    source = SOURCES[name]
    by_hand = folder / "raw"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        root = Path(tempfile.mkdtemp(prefix=f".download-{name}-", dir=folder))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    try:
        (root / source.place).mkdir(parents=True, exist_ok=True)
        for file in source.files:
            if (by_hand / file).is_file():
                shutil.copy(by_hand / file, root / source.place / file)
        for split in splits:
            with _patient_and_quiet():
                content = source.read(root, split)
            yield split, content
    except (OSError, RuntimeError, ValueError, EOFError, http.client.HTTPException) as error:
        if isinstance(error, InputError):
            raise
        reason = one_line(error)
        raise InputError(
            f"could not fetch {name} ({reason}); get {', '.join(source.files)} from {source.home} "
            f"by other means, put them in {by_hand} and run the command again"
        ) from error
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def _patient_and_quiet() -> Iterator[None]:
    """Let no download hang for ever, and keep torchvision's remarks off stdout."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _from_photos(
    folder: Path, photos: Path | None, splits: list[str], seed: int
) -> Iterator[tuple[str, Split]]:
    """Make MNIST-M: row i of a split is row i of MNIST's, laid on a random crop of a photo.

    In the released files a digit's pixel counts as white as soon as it is not black (measured:
    edges correlate at 0.86 with that mask, at 0.44 with the grey digit); so it does here. One
    photo in five is kept for the test split, so that no ground is in both.
    """
    if photos is None:
        raise InputError(
            "mnistm needs photos to lay the digits on: give the folder of BSDS500's train photos "
            "with --photos (https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/bsds/)"
        )
    grounds = _read_photos(photos)
    test_grounds = grounds[::5]
    train_grounds = [photo for row, photo in enumerate(grounds) if row % 5]
    for split in splits:
        mnist = read_pack(pack_file(folder, "mnist", split))
        if mnist.images.shape[1:] != (PADDED_SIDE, PADDED_SIDE):
            raise InputError(
                f"{pack_file(folder, 'mnist', split)}: images are "
                f"{mnist.images.shape[1:]}; MNIST-M is made from MNIST's 28 x 28"
            )
        ink = np.where(zero_pad(np.asarray(mnist.images), MARGIN) > 0, 255, 0).astype(np.uint8)
        random = np.random.default_rng([seed, SPLITS.index(split)])
        chosen = train_grounds if split == "train" else test_grounds
        patches = random_patches(chosen, len(mnist), SIZE, random)
        yield split, Split(invert_by_digits(ink, patches), mnist.labels)


def _read_photos(folder: Path) -> list[npt.NDArray[np.uint8]]:
    from PIL import Image

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --photos must name a folder of photos")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    if len(paths) < 2:
        raise InputError(
            f"{folder}: holds {len(paths)} photos ({', '.join(PHOTO_SUFFIXES)}); "
            "at least 2 are needed, as train and test share none"
        )
    photos = []
    for path in paths:
        try:
            with Image.open(path) as image:
                photo = np.asarray(image.convert("RGB"), dtype=np.uint8)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise InputError(f"{path}: not a readable photo ({error})") from error
        if min(photo.shape[:2]) < SIZE:
            raise InputError(
                f"{path}: {photo.shape[1]} x {photo.shape[0]} pixels; no side may be below {SIZE}"
            )
        photos.append(photo)
    return photos
