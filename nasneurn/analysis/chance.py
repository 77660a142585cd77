"""Which trainings learned next to nothing: on images of their own source they are near chance.

A difference between two networks that both guess says nothing, however many seeds it has.
"""

import numpy as np
import pandas as pd

from nasneurn.analysis.cells import designs, same_domain
from nasneurn.domains import SUITES

#: A training is near chance where it gets less than this share of what chance leaves: of ten
#: classes, less than 19% of the images right; of two, less than 55%.
MARGIN = 0.1

#: Always giving one class, where rows do not say what that gets: the suites with a name have ten
#: classes of much the same size.
_OF_TEN = 0.1

#: What tells one training from another; tables may lack some.
_TRAINING = (
    "training", "suite", "protocol", "scaling", "selection", "architecture", "weights", "stem",
    "algorithm", "source", "seed",
)  # fmt: skip


def near_chance(rows: pd.DataFrame) -> pd.DataFrame:
    """The trainings among ``rows`` that are near chance on their own source: a row for each.

    The accuracy is that on test images of the sources, else on held-out source images. Chance is
    the column ``chance``, what always giving the commonest class gets; rows that lack it are judged
    where their suite has a name, and others are not.

    Args:
        rows: with the columns of ``accuracy.csv``, or some of them.

    Returns:
        The columns that tell trainings apart, ``own_accuracy`` and ``chance``, as shares.
    """
    keys = [name for name in _TRAINING if name in rows]
    if rows.empty:
        return pd.DataFrame(columns=[*keys, "own_accuracy", "chance"])
    own = same_domain(rows)
    judged = own.assign(own_accuracy=own["accuracy"], chance=_chance(own))
    if "held_out_accuracy" in rows:
        others = _without(rows, own, keys)
        held_out = others.assign(own_accuracy=others["held_out_accuracy"], chance=_chance(others))
        judged = pd.concat([judged, held_out]) if len(others) else judged
    means = judged.groupby(keys, sort=False, dropna=False)[["own_accuracy", "chance"]].mean()
    near = means["own_accuracy"] < means["chance"] + MARGIN * (1 - means["chance"])
    return means[near].reset_index()


def learned(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of trainings that are not near chance on their own source."""
    near = near_chance(rows)
    return _without(rows, near, [name for name in _TRAINING if name in near])


def _without(rows: pd.DataFrame, found: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The rows of trainings that are not among those found."""
    gone = set(map(tuple, found[keys].astype(str).to_numpy()))
    return rows[[tuple(row) not in gone for row in rows[keys].astype(str).to_numpy()]]


def chance_note(rows: pd.DataFrame) -> str:
    """What must stand beside every number of such trainings; nothing where there are none.

    >>> row = {"suite": "builtin", "source": "a", "target": "a", "stem": "none", "seed": 0}
    >>> chance_note(pd.DataFrame([{**row, "accuracy": 0.12}]))
    'near chance on their own source: 1 of 1 trainings (a, none: 12.0%)'
    """
    rows = designs(rows)
    found = near_chance(rows)
    if found.empty:
        return ""
    keys = [name for name in _TRAINING if name in rows]
    trainings = len(rows[keys].drop_duplicates())
    names = [
        name for name in ("architecture", "weights", "algorithm", "source", "stem")
        if name in found and (name in ("source", "stem") or rows[name].nunique() > 1)
    ]  # fmt: skip
    means = found.groupby(names, sort=False)["own_accuracy"].mean().reset_index()
    listed = [
        f"{', '.join(str(row[name]) for name in names)}: {100 * row['own_accuracy']:.1f}%"
        for row in means.to_dict(orient="records")
    ]
    more = f"; and {len(listed) - 3} more" if len(listed) > 3 else ""
    told = "; ".join(listed[:3]) + more
    return f"near chance on their own source: {len(found)} of {trainings} trainings ({told})"


def _chance(rows: pd.DataFrame) -> "pd.Series[float]":
    """What chance gets on each row; NaN where that cannot be known."""
    suites = rows["suite"] if "suite" in rows else [""] * len(rows)
    usual = [_OF_TEN if str(suite).partition("+")[0] in SUITES else np.nan for suite in suites]
    chance = pd.Series(usual, index=rows.index, dtype=float)
    return rows["chance"].astype(float).fillna(chance) if "chance" in rows else chance
