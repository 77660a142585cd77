"""Whether to use a stem on a pair of domains, told before any training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import numpy as np
import torch

from nasneurn.choices import Choice
from nasneurn.domains import Suite
from nasneurn.errors import InputError
from nasneurn.prediction.known_pairs import Views
from nasneurn.prediction.model_file import ModelFile, StemModel
from nasneurn.prediction.pair_features import features, view
from nasneurn.prediction.unlabelled import Unlabelled
from nasneurn.rows import sources
from nasneurn.stems import STEMS

#: How many known pairs are named.
NEAREST = 3


@dataclass(frozen=True)
class NearPair:
    """A known pair: its names, gain in points, and distance in the features."""

    suite: str
    source: str
    target: str
    gain: float
    distance: float


@dataclass(frozen=True)
class Advice:
    """What is expected of a stem on a pair.

    Attributes:
        stem, control, source, target: what is compared, where.
        gain: the predicted gain, in points of accuracy.
        low, high: what holds 90% of the errors on domains that the model had not seen.
        outside: whether the pair is unlike all that the model has seen.
        far: the features that are outside the range of all known pairs.
        beats_mean: whether the model predicts better than the mean gain does.
        mean_gain: that mean.
        nearest: the known pairs that are most like this one.
        unreadable: files that could not be read.
        features: the numbers that the prediction is made from.
    """

    stem: str
    control: str
    source: str
    target: str
    gain: float
    low: float
    high: float
    outside: bool
    far: tuple[str, ...]
    beats_mean: bool
    mean_gain: float
    nearest: tuple[NearPair, ...]
    unreadable: tuple[str, ...]
    features: Mapping[str, float]

    @property
    def verdict(self) -> str:
        """``use``, ``do not use``, or ``unsure``."""
        if self.outside or not self.beats_mean or self.low <= 0 <= self.high:
            return "unsure"
        return "use" if self.gain > 0 else "do not use"

    @property
    def sentence(self) -> str:
        """The advice in words."""
        pair = f"from {self.source} to {self.target}"
        expected = f"{self.gain:+.1f} points ({self.low:+.1f} to {self.high:+.1f})"
        if self.outside:
            far = f" ({', '.join(self.far)})" if self.far else ""
            return (
                f"Not sure: {pair} is unlike all pairs that the model has seen{far}. What it "
                f"would say, {expected}, is a guess; train with {self.stem} and with "
                f"{self.control} and compare."
            )
        if not self.beats_mean:
            return (
                f"Not sure: on unknown domains this model predicts no better than the mean gain "
                f"({self.mean_gain:+.1f} points). It expects {expected} {pair}; train with "
                f"{self.stem} and with {self.control} and compare."
            )
        if self.verdict == "unsure":
            return (
                f"Not sure: {self.stem} is expected to change accuracy {pair} by {expected}, which "
                "may be a gain or a loss; train both and compare."
            )
        word = "Use" if self.verdict == "use" else "Do not use"
        return f"{word} {self.stem}: it is expected to change accuracy {pair} by {expected}."

    def __str__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence)}</p>"

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data, for programs."""
        return {**asdict(self), "verdict": self.verdict, "sentence": self.sentence}


def advise_on_suite(
    known: ModelFile, stem: str, suite: Suite, source: str, target: str, device: torch.device
) -> Advice:
    """Advise on two domains of a suite; no label is looked at.

    Raises:
        InputError: the model does not know the stem, or there is no such domain.
    """
    one, learned = known.of(stem), sources(source)
    for domain in learned:
        if domain in suite.tested_only:
            raise InputError(
                f"source {domain!r} is tested and never trained on; sources may be "
                f"{', '.join(suite.trainable)}"
            )
    if target in learned:
        raise both(target)
    views = Views(suite, known.images, device)
    part = suite.tested(target, learned)
    found = views.features(learned, target, part, one.stem, one.control)
    return _advice(one, source, target, found, ())


def both(domain: object) -> InputError:
    """What is wrong where source and target are one."""
    return InputError(
        f"source and target are both {domain}; gains are predicted for a domain that was not "
        "trained on"
    )


def advise_on_images(
    known: ModelFile, stem: str, source: Unlabelled, target: Unlabelled, device: torch.device
) -> Advice:
    """Advise on two sets of images without labels.

    Raises:
        InputError: the model does not know the stem, or images are blank.
    """
    one = known.of(stem)
    seen = [
        view(images, STEMS.create(Choice.parse(name)), device)
        for name in (one.control, one.stem)
        for images in (source, target)
    ]
    unreadable = tuple(
        f"{images.name}/{name}" for images in (source, target) for name in images.unreadable
    )
    return _advice(one, source.name, target.name, features(*seen), unreadable)


def _advice(
    one: StemModel, source: str, target: str, found: dict[str, float], unreadable: tuple[str, ...]
) -> Advice:
    names = one.model.features
    values = np.array([found[name] for name in names])
    gain = float(one.model.predict([values])[0])
    distances = one.distances(values)
    known = np.array([pair.features for pair in one.pairs])
    spread = np.array(one.model.scale)
    beyond = (values < known.min(axis=0) - spread) | (values > known.max(axis=0) + spread)
    nearest = [
        NearPair(pair.suite, pair.source, pair.target, pair.gain, float(distances[row]))
        for row in np.argsort(distances, kind="stable")[:NEAREST]
        for pair in [one.pairs[row]]
    ]
    return Advice(
        stem=one.stem,
        control=one.control,
        source=source,
        target=target,
        gain=gain,
        low=gain - one.reach,
        high=gain + one.reach,
        outside=bool(distances.min() > one.farthest or beyond.any()),
        far=tuple(name for name, is_beyond in zip(names, beyond, strict=True) if is_beyond),
        beats_mean=one.beats_mean,
        mean_gain=float(np.mean([pair.gain for pair in one.pairs])),
        nearest=tuple(nearest),
        unreadable=unreadable,
        features=found,
    )
