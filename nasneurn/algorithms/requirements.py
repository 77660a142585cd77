"""What an algorithm needs of the data, told before it is trained with."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nasneurn.algorithms.interface import Algorithm
from nasneurn.choices import Choice
from nasneurn.errors import InputError
from nasneurn.rows import sources


def check_data(
    algorithm: Algorithm,
    choice: Choice,
    source: str,
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
) -> None:
    """Refuse data that an algorithm cannot work on.

    Args:
        algorithm: it may have the attributes ``least_sources`` and ``least_images``.
        choice: how a person names it.
        source: the source, or several as one: ``mnist+usps``.
        labels: of the images that are trained on.
        classes: names of the classes.

    Raises:
        InputError: there are too few sources, or a class with too few images.
    """
    least, given = getattr(algorithm, "least_sources", 1), len(sources(source))
    if given < least:
        made = ""
        if hasattr(algorithm, "pseudo"):
            made = f", or domains that are made of it, as in {choice.name}:pseudo=randconv"
        raise InputError(
            f"algorithm {str(choice)!r} needs {least} sources or more and has {source} alone; "
            f"join several, as in {source}+OTHER{made}"
        )
    least = getattr(algorithm, "least_images", 1)
    counts = np.bincount(labels, minlength=len(classes))
    for name, count in zip(classes, counts.tolist(), strict=True):
        if 0 < count < least:
            raise InputError(
                f"algorithm {str(choice)!r} makes domains of {least} images or more of each class, "
                f"and class {name!r} of {source} has {count} to train on"
            )
