"""SYN, the synthetic digits of Ganin et al. (2016), read as they were released or as image files.

Their page is gone, so no server is asked: whoever has the files names their folder.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nasneurn.domains.class_images import images_below
from nasneurn.domains.decoding import decode
from nasneurn.domains.digits import CLASSES, SIZE
from nasneurn.domains.suite import Split
from nasneurn.errors import InputError, one_line

#: The released files; X is (32, 32, 3, N), y the digits.
FILES = {"train": "synth_train_32x32.mat", "test": "synth_test_32x32.mat"}


def read_syn(folder: Path, split: str) -> Split:
    """Read one split of SYN.

    Args:
        folder: it holds synth_train_32x32.mat and synth_test_32x32.mat, as released (479,400 and
            9,553 images), or the folders train and test, each with a folder of images for each
            digit, 0 to 9.
        split: "train" or "test".

    Returns:
        Images uint8 (N, H, W, 3), of files of images (N, 32, 32, 3); labels int64.

    Raises:
        InputError: the folder holds neither, or what it holds is damaged or of another form.
    """
    released, images = folder / FILES[split], folder / split
    if released.is_file():
        return _from_mat(released)
    if images.is_dir():
        return _from_images(images)
    raise InputError(
        f"{folder}: holds neither {released.name} nor a folder {split} with folders 0 to 9 of "
        "images; syn needs either"
    )


def _from_mat(path: Path) -> Split:
    from scipy.io import loadmat

    try:
        arrays = loadmat(path, variable_names=("X", "y"))
    except Exception as error:  # of damaged bytes SciPy raises nearly anything
        raise InputError(f"{path}: not a whole MATLAB file ({one_line(error)})") from error
    for name in ("X", "y"):
        if name not in arrays:
            raise InputError(
                f"{path}: no array {name!r}; it needs X, the images, and y, the digits"
            )
    images, digits = arrays["X"], arrays["y"].reshape(-1)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[2] != 3:
        raise InputError(
            f"{path}: X is {images.dtype} of shape {images.shape}; it must be uint8 (H, W, 3, N)"
        )
    if len(digits) != images.shape[3]:
        raise InputError(
            f"{path}: {images.shape[3]} images but {len(digits)} labels; each needs one"
        )
    return Split(np.ascontiguousarray(images.transpose(3, 0, 1, 2)), _digits(path, digits))


def _digits(path: Path, found: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Labels of 0 to 9; as in SVHN's files, 10 is a zero too."""
    known = np.isin(found, np.arange(11)) if found.dtype.kind in "iuf" else np.zeros(1, dtype=bool)
    if not known.all():
        raise InputError(f"{path}: label {found[np.argmin(known)]!s}; labels must be 0 to 9")
    return found.astype(np.int64) % 10


def _from_images(folder: Path) -> Split:
    pixels, labels = [], []
    for label, digit in enumerate(CLASSES):
        if not (folder / digit).is_dir():
            raise InputError(f"{folder}: no folder {digit!r}; there must be one for each digit")
        names = [name for name, _, _ in images_below(folder / digit).images]
        if not names:
            raise InputError(f"{folder / digit}: holds no images; each digit needs some")
        pixels += [decode(folder / digit / name, SIZE) for name in names]
        labels += [label] * len(names)
    return Split(np.stack(pixels), np.array(labels, dtype=np.int64))
