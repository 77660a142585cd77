"""How far source and target are from each other in their images, before and after stems."""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from nasneurn.analysis.distances import distances
from nasneurn.analysis.image_statistics import image_statistics, radial_power
from nasneurn.analysis.separability import fisher_ratio
from nasneurn.choices import Choice
from nasneurn.diagnosis.activations import small, stem_answers
from nasneurn.diagnosis.chosen import CONTROL, Chosen
from nasneurn.diagnosis.samples import Samples
from nasneurn.domains import Split
from nasneurn.progress import meter
from nasneurn.stems import STEMS

#: The statistics that are compared; the others are listed in :func:`image_statistics`.
STATISTICS = ("mean", "rms_contrast", "michelson_contrast", "gradient", "slope", "fine", "blank")

Values = npt.NDArray[np.float64]


class _View:
    """A sample through a stem: what distances and statistics need of it."""

    def __init__(self, split: Split, stem: str, device: torch.device) -> None:
        module = STEMS.create(Choice.parse(stem))
        answers = stem_answers(module, np.asarray(split.images), device)
        self.labels = split.labels
        self.rows = small(answers)
        self.statistics = image_statistics(answers)[list(STATISTICS)]
        self.frequencies, power = radial_power(answers)
        self._power = power.mean(axis=0)

    @cached_property
    def spectrum(self) -> Values:
        """The decimal logarithm of the mean power at each frequency; -inf where there is none."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log10(self._power))


def image_tables(samples: Samples, chosen: Chosen, device: torch.device) -> dict[str, pd.DataFrame]:
    """All that is known of the images alone, without any network.

    The stem ``none`` is the images as they are, and is there whatever stems the study has.

    Returns:
        - ``image_distances``: a row for each pair, stem and measure, with ``value``;
        - ``image_statistics``: for each domain, stem and statistic mean and deviation over images;
        - ``spectra``: for each domain, stem and frequency the ``log_power`` (decimal);
        - ``image_separability``: for each source and stem.
    """
    applied = dict.fromkeys([CONTROL, *chosen.rows["applied_stem"].astype(str)])
    pairs = [(source, target) for source in chosen.sources for target in chosen.targets(source)]
    between: list[dict[str, Any]] = []
    within: dict[tuple[str, str], _View] = {}
    apart: list[dict[str, Any]] = []
    with meter("images before and after stems", len(applied) * len(pairs)) as progress:
        for stem in applied:
            views: dict[int, _View] = {}

            def view(split: Split, stem: str = stem, views: dict[int, _View] = views) -> _View:
                if id(split) not in views:  # samples keeps the splits
                    views[id(split)] = _View(split, stem, device)
                return views[id(split)]

            for source, target in pairs:
                first, second = view(samples.source(source)), view(samples.target(source, target))
                key = {"source": source, "target": target, "stem": stem}
                sizes = {"n_source": len(first.rows), "n_target": len(second.rows)}
                between += [
                    {**key, "measure": measure, "value": value, **sizes}
                    for measure, value in _between(first, second).items()
                ]
                within.setdefault((source, stem), first)
                if source != target:
                    within.setdefault((target, stem), second)
                progress.advance()
            apart += [
                {"source": source, "stem": stem, "value": fisher_ratio(one.rows, one.labels)}
                for source in chosen.sources
                for one in [view(samples.source(source))]
            ]
    return {
        "image_distances": pd.DataFrame(between),
        "image_statistics": pd.DataFrame(
            [line for (domain, stem), one in within.items() for line in _moments(domain, stem, one)]
        ),
        "spectra": pd.DataFrame(
            [line for (domain, stem), one in within.items() for line in _curve(domain, stem, one)]
        ),
        "image_separability": pd.DataFrame(apart),
    }


def _between(first: _View, second: _View) -> dict[str, float]:
    """The distances, and for each statistic the difference of the means in deviations."""
    found = distances(first.rows, second.rows)
    for name in STATISTICS:
        found[name] = standardized_difference(
            first.statistics[name].to_numpy(), second.statistics[name].to_numpy()
        )
    apart = first.spectrum - second.spectrum
    with np.errstate(invalid="ignore"):
        found["spectrum"] = float(np.sqrt(np.square(apart[np.isfinite(apart)]).mean()))
    return found


def standardized_difference(x: Values, y: Values) -> float:
    """The mean of y less that of x, in pooled standard deviations: Cohen's d.

    0 where both have no deviation and one mean, and NaN where they have two means, or no values.
    """
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    if min(len(x), len(y)) < 2:
        return float("nan")
    difference = float(y.mean() - x.mean())
    squares = (len(x) - 1) * x.var(ddof=1) + (len(y) - 1) * y.var(ddof=1)
    pooled = float(np.sqrt(squares / (len(x) + len(y) - 2)))
    if pooled > 0:
        return difference / pooled
    return 0.0 if difference == 0 else float("nan")


def _moments(domain: str, stem: str, one: _View) -> list[dict[str, Any]]:
    key = {"domain": domain, "stem": stem}
    values = one.statistics
    return [
        {
            **key,
            "statistic": name,
            "mean": float(values[name].mean()),
            "std": float(values[name].std()),
            "n": int(values[name].count()),
        }
        for name in STATISTICS
    ]


def _curve(domain: str, stem: str, one: _View) -> list[dict[str, Any]]:
    return [
        {"domain": domain, "stem": stem, "frequency": float(x), "log_power": float(y)}
        for x, y in zip(one.frequencies, one.spectrum, strict=True)
    ]
