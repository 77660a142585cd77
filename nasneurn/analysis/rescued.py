"""Which images one way of training gets right and another gets wrong, over the seeds of both."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nasneurn.errors import InputError

Right = npt.NDArray[np.bool_]

RESCUED, LOST = "rescued", "lost"


def rescued_images(control: Right, treated: Right) -> pd.DataFrame:
    """A row for each image: how often it is right, and whether it is rescued or lost.

    An image is *rescued* if the control is wrong in most seeds and the other right in most, and
    *lost* if it is the other way round; most is more than half.

    Args:
        control, treated: (seeds, N), whether the answer to an image is right.

    Returns:
        Columns ``control`` and ``treated`` (the share of seeds that are right) and ``kind``
        (``rescued``, ``lost`` or empty).
    """
    shares = control.mean(axis=0), treated.mean(axis=0)
    kind = np.where(
        (shares[0] < 0.5) & (shares[1] > 0.5),
        RESCUED,
        np.where((shares[0] > 0.5) & (shares[1] < 0.5), LOST, ""),
    )
    return pd.DataFrame({"control": shares[0], "treated": shares[1], "kind": kind})


def rescue_counts(control: Right, treated: Right) -> dict[str, Any]:
    """How many images are rescued and lost, beside what another seed alone does.

    Keys are ``n``, ``seeds``, ``rescued``, ``lost``; ``rescued_share`` and ``lost_share``, which
    differ by the gain in accuracy where each seed agrees with the others; ``other_seed``, the
    share of images that one seed of the control gets wrong and another gets right, and
    ``other_stem``, the same share where the second is a seed of the other; both are means over all
    pairs of different seeds, and NaN for one seed.

    Args:
        control, treated: (seeds, N), whether the answer to an image is right; the same seeds in the
            same order.

    Raises:
        InputError: they are of different numbers of seeds or images.
    """
    if control.shape != treated.shape:
        own, other = ("{} seed(s) and {} images".format(*one.shape) for one in (control, treated))
        raise InputError(
            f"the control has {own}, and what is compared with it {other}; both must be of the "
            "same seeds and images"
        )
    kinds = rescued_images(control, treated)["kind"]
    seeds, images = control.shape
    rescued, lost = (int((kinds == kind).sum()) for kind in (RESCUED, LOST))
    return {
        "n": images,
        "seeds": seeds,
        "rescued": rescued,
        "lost": lost,
        "rescued_share": rescued / images,
        "lost_share": lost / images,
        "other_stem": _mended(control, treated),
        "other_seed": _mended(control, control),
    }


def _mended(first: Right, second: Right) -> float:
    """The share of images wrong in a seed of the first and right in another seed of the second."""
    both = (~first).astype(float) @ second.astype(float).T / first.shape[1]
    apart = ~np.eye(len(first), dtype=bool)
    return float(both[apart].mean()) if apart.any() else float("nan")
