"""Which of a source's training images are trained on, and which are held out to select on.

Chosen from the labels alone, so that nothing is decoded to know it, and by fixed seeds, so that no
training seed moves an image: all architectures and seeds are selected on the same images.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nasneurn.errors import InputError

#: The stream that chooses held-out images; fixed, so that no training seed moves an image.
HOLD_OUT_SEED = 20_250_506

Labels = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]


def source_rows(
    labels: Labels,
    *,
    most: int | None,
    fraction: float,
    held_out: npt.NDArray[np.bool_] | None = None,
    drawn: str = "random",
    classes: Sequence[str] = (),
) -> tuple[Rows, Rows]:
    """Choose the rows of a source's training images ``(to fit, held out)``.

    Args:
        labels: of all its training images.
        most: use at most so many of them, together; None for all.
        fraction: the share to hold out, see :func:`hold_out_rows`.
        held_out: which of the images a split file holds out; these take the place of the fraction.
        drawn: "random", by class; or "first": to fit the first ``most``, and held out, of those
            after them, the fraction of that number, or what the split file holds out.
        classes: what messages call the labels.

    Returns:
        Two arrays of rows, each in ascending order.

    Raises:
        InputError: ``fraction``, ``most`` or the labels admit no such choice.
    """
    if held_out is None:
        if drawn == "first":
            return _first_rows(len(labels), most, fraction)
        rows = subsample_rows(labels, len(labels) if most is None else most)
        fit, selecting = hold_out_rows(labels[rows], fraction, classes)
        return rows[fit], rows[selecting]
    fit, selecting = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    if drawn == "first":
        return fit[:most], selecting
    if most is None or most >= len(labels):
        return fit, selecting
    if most < 2:
        raise InputError(f"cannot fit and select on {most} images; the number must be at least 2")
    kept = min(max(round(most * len(selecting) / len(labels)), 1), most - 1)
    return (
        fit[subsample_rows(labels[fit], most - kept)],
        selecting[subsample_rows(labels[selecting], kept)],
    )


def _first_rows(count: int, most: int | None, fraction: float) -> tuple[Rows, Rows]:
    fit = count if most is None else most
    selecting = max(1, round(fraction * fit))
    if fit + selecting > count:
        raise InputError(
            f"the first {fit} images are to be fitted and {selecting} after them held out, and "
            f"there are {count}; draw fewer, or at random"
        )
    return np.arange(fit), np.arange(fit, fit + selecting)


def hold_out_rows(
    labels: Labels, fraction: float, classes: Sequence[str] = ()
) -> tuple[Rows, Rows]:
    """Divide rows into ``(to fit, held out)``, by class.

    In each class the nearest whole number to ``fraction * n`` is held out, but at least one image
    stays on either side. ``classes`` are what messages call the labels.

    Raises:
        InputError: ``fraction`` is not between 0 and 1, or a class has a single image.
    """
    if not 0 < fraction < 1:
        raise InputError(f"cannot hold out a fraction of {fraction}; it must lie between 0 and 1")
    if len(labels) == 0:
        raise InputError("cannot hold out images of an empty split")
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < 2:
            raise InputError(
                f"cannot hold out images of class {classes[label] if classes else label}: it has "
                "one image to train on; every class of a source domain needs at least 2, beside "
                "those that are kept for its own test and left out by train_images"
            )
        count = min(max(round(fraction * len(rows)), 1), len(rows) - 1)
        # One stream a class: a change in the size of one class leaves the others' choice alone.
        random = np.random.default_rng((HOLD_OUT_SEED, int(label)))
        chosen[random.permutation(rows)[:count]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def subsample_rows(labels: Labels, n: int) -> Rows:
    """Draw ``n`` rows with the classes in the proportions of the whole; all, if there are fewer.

    Shares are rounded by largest remainder. The same rows are drawn each time.

    Raises:
        InputError: ``n`` is below 1.
    """
    if n < 1 <= len(labels):
        raise InputError(f"cannot draw {n} images; the number must be at least 1")
    if n >= len(labels):
        return np.arange(len(labels))
    values, counts = np.unique(labels, return_counts=True)
    exact = counts * (n / len(labels))
    shares = np.floor(exact).astype(np.int64)
    # Stable, so that of equal remainders the lower label wins on every machine.
    largest = np.argsort(-(exact - shares), kind="stable")
    shares[largest[: n - int(shares.sum())]] += 1
    rows = [
        np.random.default_rng((0, int(label))).permutation(np.flatnonzero(labels == label))[:share]
        for label, share in zip(values, shares, strict=True)
    ]
    return np.sort(np.concatenate(rows))
