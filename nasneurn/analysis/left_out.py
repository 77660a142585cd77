"""How well gains are predicted for domains, shifts and suites that a model has not seen.

Each group of pairs is left out in turn, a model is fitted to the others, and its predictions are
compared with what was measured, beside the mean gain of those others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nasneurn.analysis.gain_model import GainModel, Mask, Values
from nasneurn.analysis.intervals import t_interval
from nasneurn.errors import InputError
from nasneurn.rows import sources

#: What is left out: the column of the pairs, and the fewest groups.
SCHEMES = {"domain": ("base", 3), "shift": ("shift", 3), "suite": ("suite", 2)}
#: The fewest pairs that a model is fitted to.
FEWEST = 8
#: Resamples of the groups.
RESAMPLES = 2000
#: The share of left-out errors that an interval is to hold.
COVERAGE = 0.9

#: What is measured of predictions; each but ``pairs`` has an interval over groups.
MEASURES = ("mae", "mae_of_mean", "r2", "sign", "sign_of_mean", "spearman")


@dataclass(frozen=True, eq=False)
class Fold:
    """One group left out.

    Attributes:
        group: its name.
        held: which pairs are predicted.
        fitted: which pairs the model is fitted to; it is not all others, where others have seen
            the group too.
    """

    group: str
    held: Mask
    fitted: Mask


def folds_of(pairs: pd.DataFrame, scheme: str) -> list[Fold]:
    """The groups of a scheme; none where there are too few of them.

    A domain that is left out is unknown: pairs are left out that have it as a source, too, and
    those that have it under a shift.

    Args:
        pairs: with the columns ``source``, ``base`` (the target without its shift), ``shift`` and
            ``suite``.
        scheme: a name of :data:`SCHEMES`.
    """
    column, fewest = SCHEMES[scheme]
    groups = list(dict.fromkeys(pairs[column]))
    if len(groups) < fewest:
        return []
    folds = []
    for group in groups:
        held = (pairs[column] == group).to_numpy()
        fitted = ~held
        if scheme == "domain":
            fitted &= np.array([group not in sources(source) for source in pairs["source"]])
        folds.append(Fold(str(group), held, fitted))
    return folds


def inner_folds(pairs: pd.DataFrame) -> list[tuple[Mask, Mask]]:
    """The folds by which a penalty is chosen: target domains, as far as they can be left out."""
    groups = list(dict.fromkeys(pairs["base"]))
    folds = [fold for fold in folds_of(pairs, "domain") if fold.fitted.sum() >= FEWEST]
    if len(folds) < 2 <= len(groups):  # what is left of few domains
        held = [(pairs["base"] == group).to_numpy() for group in groups]
        return [(~one, one) for one in held if (~one).sum() >= FEWEST]
    return [(fold.fitted, fold.held) for fold in folds]


def fit(pairs: pd.DataFrame, features: Sequence[str]) -> GainModel:
    """The model of all pairs, with a penalty chosen by leaving out target domains."""
    values, gains = pairs[list(features)].to_numpy(np.float64), pairs["gain"].to_numpy(np.float64)
    return GainModel.chosen(values, gains, features, inner_folds(pairs))


def predict_left_out(pairs: pd.DataFrame, features: Sequence[str], scheme: str) -> pd.DataFrame:
    """A row for each pair whose group was left out.

    Returns:
        ``pairs`` with the columns ``group``, ``predicted`` and ``mean_of_others``; empty where the
        scheme has too few groups.

    Raises:
        InputError: without a group there are too few pairs to fit.
    """
    parts = []
    for fold in folds_of(pairs, scheme):
        known = pairs[fold.fitted].reset_index(drop=True)
        if len(known) < FEWEST:
            raise InputError(
                f"without {fold.group} there are {len(known)} pairs to learn from; at least "
                f"{FEWEST} are needed, so add sources or targets to the study"
            )
        model = fit(known, features)
        held = pairs[fold.held]
        parts.append(
            held.assign(
                group=fold.group,
                predicted=model.predict(held[list(features)].to_numpy(np.float64)),
                mean_of_others=float(known["gain"].mean()),
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


# ---------------------------------------------------------------- how good they are


def measures(predicted: Values, measured: Values, mean: Values) -> dict[str, float]:
    """The measures of :data:`MEASURES`.

    ``r2`` is 1 - the squared error over that of the mean of the others: above 0 only where the
    model is better than that mean. ``sign`` is the share of gains, but for those of exactly 0,
    that are on the side of 0 where they were predicted. What has no meaning is NaN.
    """
    from scipy.stats import spearmanr

    some = measured != 0
    squares = np.square(measured - mean).sum()
    ranked = len(measured) > 2 and np.ptp(predicted) > 0 and np.ptp(measured) > 0
    return {
        "mae": float(np.abs(predicted - measured).mean()),
        "mae_of_mean": float(np.abs(mean - measured).mean()),
        "r2": float(1 - np.square(predicted - measured).sum() / squares) if squares else np.nan,
        "sign": _agreeing(predicted[some], measured[some]),
        "sign_of_mean": _agreeing(mean[some], measured[some]),
        "spearman": float(spearmanr(predicted, measured).statistic) if ranked else np.nan,
    }


def _agreeing(predicted: Values, measured: Values) -> float:
    return float((np.sign(predicted) == np.sign(measured)).mean()) if len(measured) else np.nan


def score(left_out: pd.DataFrame) -> dict[str, Any]:
    """How good left-out predictions are, over all pairs.

    Returns:
        ``groups`` and ``pairs``, how many; each measure with ``_low`` and ``_high``, a 95%
        interval by the bootstrap over whole groups; ``better``, the share by which the model's
        mean absolute error is below that of the mean, as the geometric mean over groups, with
        ``better_low``, ``better_high`` and ``p`` of Student's t over groups, since the bootstrap
        of few groups is too narrow; ``covered``, the share of pairs within the interval that the
        errors of the other groups give.
    """
    arrays = left_out[["predicted", "gain", "mean_of_others"]].to_numpy(np.float64).T
    groups = [np.flatnonzero(left_out["group"] == one) for one in dict.fromkeys(left_out["group"])]
    found: dict[str, Any] = {"groups": len(groups), "pairs": len(left_out)}
    random = np.random.default_rng(0)
    draws = random.integers(0, len(groups), (RESAMPLES, len(groups)))
    resampled = [
        measures(*arrays[:, np.concatenate([groups[one] for one in draw])])
        for draw in np.unique(np.sort(draws, axis=1), axis=0)
    ]
    counts = np.unique(np.sort(draws, axis=1), axis=0, return_counts=True)[1]
    for name, value in measures(*arrays).items():
        spread = np.repeat([one[name] for one in resampled], counts)
        low, high = np.nanquantile(spread, [0.025, 0.975]) if np.isfinite(spread).any() else (
            np.nan, np.nan,
        )  # fmt: skip
        found |= {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}
    errors, mean_errors = np.abs(arrays[0] - arrays[1]), np.abs(arrays[2] - arrays[1])
    found |= improvement([(errors[rows].mean(), mean_errors[rows].mean()) for rows in groups])
    return {**found, "covered": _covered(errors, groups)}


def improvement(errors: Sequence[tuple[float, float]]) -> dict[str, float]:
    """By which share errors are below others, over groups: see :func:`score`.

    Args:
        errors: for each group the mean absolute error of the model and of the mean.
    """
    model, mean = np.maximum(np.array(errors).T, 1e-9)
    found = t_interval(np.log(model / mean))
    better, high, low = (float(-np.expm1(value)) for value in found[:3])
    return {"better": better, "better_low": low, "better_high": high, "p": float(found.p)}


def reach(errors: Values) -> float:
    """How far to either side of a prediction a gain may be: the 90% quantile of errors."""
    return float(np.quantile(errors, COVERAGE, method="higher"))


def _covered(errors: Values, groups: Sequence[npt.NDArray[np.int64]]) -> float:
    within = 0
    for number, rows in enumerate(groups):
        others = np.concatenate([one for place, one in enumerate(groups) if place != number])
        within += int((errors[rows] <= reach(errors[others])).sum())
    return within / len(errors)


def by_group(left_out: pd.DataFrame) -> pd.DataFrame:
    """The measures of each group alone, with its mean gain: where it cannot predict."""
    records = []
    for group, own in left_out.groupby("group", sort=False):
        arrays = own[["predicted", "gain", "mean_of_others"]].to_numpy(np.float64).T
        records.append(
            {
                "group": group,
                "pairs": len(own),
                "gain": float(own["gain"].mean()),
                "predicted": float(own["predicted"].mean()),
                **measures(*arrays),
            }
        )
    return pd.DataFrame(records)
