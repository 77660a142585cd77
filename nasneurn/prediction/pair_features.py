"""What unlabelled images say of a pair of domains and a stem: a handful of numbers.

None of them knows a label or an accuracy. They were chosen for what a stem can do to images, and
not by how well they predict.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from nasneurn.analysis.distances import relative_frechet
from nasneurn.analysis.image_statistics import image_statistics, radial_power
from nasneurn.diagnosis.activations import stem_answers
from nasneurn.errors import InputError
from nasneurn.prediction.unlabelled import Unlabelled
from nasneurn.tensors import tensor_of

Values = npt.NDArray[np.float64]

#: Images are compared as grey ones of this side.
SIDE = 8

#: Each feature, and what it says; T is the target and S the source.
FEATURES = {
    "distance": "log of the Fréchet distance of S and T before the stem, over that within S",
    "distance_ratio": "log of the Fréchet distance after the stem, over that before",
    "spectrum_ratio": "log of the distance of the power spectra after the stem, over that before",
    "contrast": "log of the mean RMS contrast of T before the stem, over that of S",
    "polarity": "how far T's images are less skewed (light figures on dark ground) than S's",
    "sharpness": "slope of the mean power spectrum of T before the stem, less that of S",
    "lifted": "log of the share of fine detail in T after the stem, over that in S",
    "blank": "share of blank patches in T, less that in S",
    "saturated": "share of saturated values in T, less that in S",
}


@dataclass(frozen=True, eq=False)
class View:
    """A domain through a stem: what features need of it.

    Attributes:
        name: the domain's.
        rows: the images as rows, (N, D).
        moments: the mean of each statistic over the images; the slope is that of the mean power.
        spectrum: the logarithm of the mean power at each frequency, of a total of 1.
        within: the Fréchet distance of two halves of the images: what is left without any shift.
        spectrum_within: the distance of the spectra of the halves.
    """

    name: str
    rows: Values
    moments: dict[str, float]
    spectrum: Values
    within: float
    spectrum_within: float


def view(images: Unlabelled, stem: nn.Module, device: torch.device) -> View:
    """See a domain through a stem.

    Raises:
        InputError: all that leaves the stem is blank, so there is nothing to compare.
    """
    answers = stem_answers(stem, images.images, device)
    pixels = tensor_of(answers).mean(dim=1, keepdim=True)
    rows = F.adaptive_avg_pool2d(pixels, min(SIDE, *pixels.shape[2:])).flatten(1).double().numpy()
    frequencies, power = radial_power(answers)
    if not (power.sum() > 0 and np.isfinite(rows).all() and np.ptp(rows, axis=0).any()):
        raise InputError(
            f"{images.name}: its images are blank, all alike, or not finite where they are "
            "compared, so nothing can be said of it"
        )
    moments = {str(name): float(value) for name, value in image_statistics(answers).mean().items()}
    order = np.random.default_rng(0).permutation(len(rows))
    halves = np.array_split(order, 2)
    spectra = [_spectrum(power[half]) for half in halves]
    return View(
        images.name,
        rows,
        {**moments, "skewness": _skewness(answers), "slope": _slope(frequencies, power)},
        _spectrum(power),
        relative_frechet(rows[halves[0]], rows[halves[1]]),
        _apart(*spectra),
    )


def _spectrum(power: Values) -> Values:
    mean = power.mean(axis=0)
    return np.asarray(np.log(np.maximum(mean / max(mean.sum(), 1e-300), 1e-12)))


def _slope(frequencies: Values, power: Values) -> float:
    return float(np.polyfit(np.log(frequencies), _spectrum(power), 1)[0])


def _apart(first: Values, second: Values) -> float:
    return float(np.sqrt(np.square(first - second).mean()))


def _skewness(images: npt.NDArray[np.floating[Any]]) -> float:
    """The mean skewness of the images' pixels; a blank image has none, 0."""
    values = images.mean(axis=1).reshape(len(images), -1).astype(np.float64)
    centred = values - values.mean(axis=1, keepdims=True)
    deviation = centred.std(axis=1)
    third = (centred * centred * centred).mean(axis=1)  # a power of 3 is slow
    some = deviation > 1e-6
    return float(np.where(some, third / np.where(some, deviation, 1.0) ** 3, 0.0).mean())


def features(source: View, target: View, stem_source: View, stem_target: View) -> dict[str, float]:
    """The numbers of :data:`FEATURES` for a pair.

    Args:
        source, target: the domains as they are.
        stem_source, stem_target: the same through the stem.

    Raises:
        InputError: halves of the source's images have no distance that others could be told from.
    """
    for one, where in ((source, ""), (stem_source, " behind the stem")):
        if not (0 < one.within < np.inf and 0 < one.spectrum_within < np.inf):
            raise InputError(
                f"{one.name}: half of its images are all alike{where}, or none differs from the "
                f"other half (distances of halves {one.within:g} and {one.spectrum_within:g}), so "
                "nothing can be said of it; give more images, or others"
            )
    before = relative_frechet(source.rows, target.rows) + source.within
    after = relative_frechet(stem_source.rows, stem_target.rows) + stem_source.within
    spectrum_before = _apart(source.spectrum, target.spectrum) + source.spectrum_within
    spectrum_after = (
        _apart(stem_source.spectrum, stem_target.spectrum) + stem_source.spectrum_within
    )
    from_moments, to_moments = source.moments, target.moments
    return {
        "distance": float(np.log(before / source.within)),
        # Both in units of what is left without any shift, so that the stem's own noise is no gain.
        "distance_ratio": float(np.log(after / stem_source.within * source.within / before)),
        "spectrum_ratio": float(
            np.log(spectrum_after / stem_source.spectrum_within)
            - np.log(spectrum_before / source.spectrum_within)
        ),
        "contrast": _log_ratio(to_moments["rms_contrast"], from_moments["rms_contrast"]),
        "polarity": from_moments["skewness"] - to_moments["skewness"],
        "sharpness": to_moments["slope"] - from_moments["slope"],
        "lifted": _log_ratio(stem_target.moments["fine"], stem_source.moments["fine"]),
        "blank": to_moments["blank"] - from_moments["blank"],
        "saturated": to_moments["saturated"] - from_moments["saturated"],
    }


def _log_ratio(value: float, other: float) -> float:
    return float(np.log(max(value, 1e-6) / max(other, 1e-6)))
