"""Making the npz files of the real digit domains: ``nasneurn data prepare``.

MNIST, SVHN and USPS are read by torchvision, from files that are fetched here and have the MD5 sums
of its tables; MNIST-M is made here, from the prepared MNIST and a folder of photos; SYN is packed
from a folder that a person has.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nasneurn.domains.decoding import pillow
from nasneurn.domains.digits import (
    DOMAINS,
    MARGIN,
    PADDED_SIDE,
    SIZE,
    SPLITS,
    SYN,
    pack_file,
    read_pack,
)
from nasneurn.domains.downloading import NotFetched, RemoteFile, fetch
from nasneurn.domains.mnistm import invert_by_digits, random_patches
from nasneurn.domains.resizing import zero_pad
from nasneurn.domains.suite import Split
from nasneurn.domains.syn import FILES, read_syn
from nasneurn.errors import InputError, one_line
from nasneurn.files import check_folder_target, opened, written_atomically
from nasneurn.paths import data_dir as default_data_dir

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Source:
    """Where torchvision finds a data set, and how its arrays become a split.

    Attributes:
        home: where a person finds the raw files.
        place: the folder in torchvision's root where it looks for them.
        files: the raw files that a split needs; torchvision's own tables have their checksums.
        read: reads one split; arguments are torchvision's root and the split's name.
    """

    home: str
    place: str
    files: Callable[[str], list[RemoteFile]]
    read: Callable[[Path, str], Split]


def _mnist_files(split: str) -> list[RemoteFile]:
    from torchvision.datasets import MNIST

    return [  # those of both splits: torchvision wants all
        RemoteFile(name, tuple(f"{mirror}{name}" for mirror in MNIST.mirrors), md5)
        for name, md5 in MNIST.resources
    ]


def _read_mnist(root: Path, split: str) -> Split:
    from torchvision.datasets import MNIST

    read = MNIST(str(root), train=split == "train", download=True)  # which unpacks what is there
    return _as_split(read.data.numpy(), read.targets.numpy())


def _svhn_files(split: str) -> list[RemoteFile]:
    from torchvision.datasets import SVHN

    url, name, md5 = SVHN.split_list[split]
    return [RemoteFile(name, (url,), md5)]


def _read_svhn(root: Path, split: str) -> Split:
    from torchvision.datasets import SVHN

    read = SVHN(str(root), split=split)
    return _as_split(np.transpose(read.data, (0, 2, 3, 1)), read.labels)


def _usps_files(split: str) -> list[RemoteFile]:
    from torchvision.datasets import USPS

    url, name, md5 = USPS.split_list[split]
    return [RemoteFile(name, (url,), md5)]


def _read_usps(root: Path, split: str) -> Split:
    from torchvision.datasets import USPS

    read = USPS(str(root), train=split == "train")
    return _as_split(read.data, read.targets)


def _as_split(images: Any, labels: Any) -> Split:
    return Split(np.ascontiguousarray(images, dtype=np.uint8), np.asarray(labels, dtype=np.int64))


SOURCES = {
    "mnist": Source(
        "https://ossci-datasets.s3.amazonaws.com/mnist/", "MNIST/raw", _mnist_files, _read_mnist
    ),
    "svhn": Source("http://ufldl.stanford.edu/housenumbers/", ".", _svhn_files, _read_svhn),
    "usps": Source(
        "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/",
        ".",
        _usps_files,
        _read_usps,
    ),
}


def prepare(
    names: Sequence[str],
    *,
    data_dir: Path | None = None,
    photos: Path | None = None,
    images: Path | None = None,
    force: bool = False,
    seed: int = 0,
) -> list[Path]:
    """Make the files of the named domains that are not there yet (all of them with ``force``).

    Each file is written whole or not at all. Raw files that lie in ``<data folder>/raw`` are used
    in the place of a download, if their checksums are right. There a download that broke off is
    kept, and resumed.

    Args:
        names: of "mnist", "mnistm", "svhn", "usps" and "syn", in any order.
        data_dir: the folder of prepared data; see :func:`nasneurn.paths.data_dir`.
        photos: a folder of BSDS500's photos, for "mnistm".
        images: the folder of SYN, for "syn"; see :func:`nasneurn.domains.syn.read_syn`.
        force: make the files again that are there.
        seed: chooses the photo crops of "mnistm".

    Returns:
        The files written.

    Raises:
        InputError: an unknown name, no network, or photos or images missing or unusable.
    """
    known = (*DOMAINS, SYN)
    for name in names:
        if name not in known:
            raise InputError(f"cannot prepare {name!r}; it must be one of {', '.join(known)}")
    folder = default_data_dir(data_dir)
    check_folder_target(folder)
    written: list[Path] = []
    for name in known:  # mnist comes before mnistm, which is made from it
        if name not in names:
            continue
        wanted = [split for split in SPLITS if force or not pack_file(folder, name, split).exists()]
        if not wanted:
            continue
        if name == "mnistm":
            made = _from_photos(folder, photos, wanted, seed)
        elif name == SYN:
            made = _from_images(images, wanted)
        else:
            made = _from_network(name, folder, wanted)
        for split, content in made:
            path = pack_file(folder, name, split)
            with written_atomically(path) as draft:
                np.savez_compressed(draft, images=content.images, labels=content.labels)
            written.append(path)
    return written


def _from_network(name: str, folder: Path, splits: list[str]) -> Iterator[tuple[str, Split]]:
    source, raw = SOURCES[name], folder / "raw"
    fetched: list[Path] = []
    for split in splits:
        files = source.files(split)
        try:
            fetched += [raw / file.name for file in files if fetch(file, raw)]
            content = _read(source, split, [raw / file.name for file in files], folder)
        except (NotFetched, OSError, RuntimeError, ValueError, EOFError) as error:
            names = ", ".join(file.name for file in files)
            raise InputError(
                f"could not fetch {name} ({one_line(error)}); the same command goes on with what "
                f"has come; or get {names} from {source.home} by other means, put them in {raw} "
                "and run the command again"
            ) from error
        yield split, content
    for path in fetched:  # what a person has put there stays
        path.unlink(missing_ok=True)
    with suppress(OSError):
        raw.rmdir()


def _read(source: Source, split: str, files: list[Path], folder: Path) -> Split:
    """Let torchvision read raw files, in a folder of its own, where it may unpack them."""
    with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=folder) as root:
        place = Path(root) / source.place
        place.mkdir(parents=True, exist_ok=True)
        for file in files:
            try:
                os.link(file.resolve(), place / file.name)
            except OSError:  # a file system without hard links
                shutil.copy(file, place / file.name)
        with redirect_stdout(sys.stderr):  # torchvision's remarks
            return source.read(Path(root), split)


def _from_images(folder: Path | None, splits: list[str]) -> Iterator[tuple[str, Split]]:
    if folder is None:
        raise InputError(
            "syn is not downloaded: name the folder that has it with --images; it holds "
            f"{' and '.join(FILES.values())}, or train and test with folders 0 to 9 of images"
        )
    for split in splits:
        yield split, read_syn(folder, split)


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
    Image = pillow()
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
            with opened(path) as file, Image.open(file) as image:
                photo = np.asarray(image.convert("RGB"), dtype=np.uint8)
        except Exception as error:  # as of decode: Pillow's readers raise anything
            raise InputError(f"{path}: not a readable photo ({one_line(error)})") from error
        if min(photo.shape[:2]) < SIZE:
            raise InputError(
                f"{path}: {photo.shape[1]} x {photo.shape[0]} pixels; no side may be below {SIZE}"
            )
        photos.append(photo)
    return photos
