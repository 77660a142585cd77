"""What one thing adds to accuracy against another: paired differences, intervals and tests.

``docs/statistics.md`` says why it is done in this way, and how often the intervals hold the truth.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nasneurn.analysis.cells import CASE, CELL, designs, settings, varied
from nasneurn.analysis.intervals import Values, holm, t_interval
from nasneurn.choices import check_known

#: What may be random: the name in a table, and the column that tells one draw from another.
RANDOM = {"cells": "", "sources": "source", "architectures": "architecture", "seeds": "seed"}
#: The fewest that an interval is given for.
FEWEST = {"cells": 3, "sources": 3, "architectures": 3, "seeds": 2}

#: What is averaged in one go.
MEASURES = ["difference", "control", "accuracy"]

Labels = npt.NDArray[np.intp]

COLUMNS = (
    "cells", "seeds", "control_mean", "mean", "difference", "random", "low", "high", "p", "p_holm",
    "wins", "ties", "losses",
)  # fmt: skip


def comparable(rows: pd.DataFrame, factor: str = "stem", control: str = "none") -> bool:
    """Whether some case has the control and something else."""
    return control in set(rows[factor]) and not differences(rows, factor, control).empty


def differences(
    rows: pd.DataFrame, factor: str = "stem", control: str = "none", by: Sequence[str] = ()
) -> pd.DataFrame:
    """A row for each case that a value of ``factor`` and the control both have.

    A case is one setting, architecture, source, target and seed. Columns are these, ``factor``,
    those of ``by``, ``accuracy``, ``control`` (its accuracy) and ``difference``. Rows whose
    accuracy is NaN are passed over.

    Raises:
        InputError: no row has the control.
    """
    if control not in set(rows[factor]):
        check_known(f"{factor} to compare with", control, sorted(set(rows[factor])))
    rows = designs(rows[rows["accuracy"].notna()])
    case = list(dict.fromkeys([*settings(rows, factor), *by, *CASE]))
    # Tables may be concatenated, and hold a case twice.
    means = rows.groupby([*case, factor], sort=False, dropna=False)["accuracy"].mean().reset_index()
    base = means[means[factor] == control].drop(columns=factor)
    others = means[means[factor] != control]
    paired = others.merge(base.rename(columns={"accuracy": "control"}), on=case, how="inner")
    paired["difference"] = paired["accuracy"] - paired["control"]
    return paired


def compare(
    rows: pd.DataFrame,
    factor: str = "stem",
    control: str = "none",
    by: Sequence[str] = (),
    random: str | None = None,
) -> pd.DataFrame:
    """Every value of a column against one of them, over all cells or for each group of ``by``.

    Differences are taken by case, averaged over the targets of a training, and over the seeds of
    a cell. ``low`` and ``high`` bound the mean difference with 95% confidence, ``p`` is of the
    same Student's t over what the column ``random`` says, and ``p_holm`` is ``p`` by Holm's method
    over all rows of the table. Wins, ties and losses count cells. Rows whose accuracy is NaN are
    passed over, as if they lacked.

    Args:
        rows: with the columns of ``accuracy.csv``, or at least those of a case.
        factor: the column whose values are compared: ``stem``, ``algorithm``, ``scaling``, ...
        control: the value that the others are compared with.
        by: columns with a row for each of their values.
        random: ``cells``, ``sources``, ``architectures`` or ``seeds``, all else being fixed. By
            default the cells where there are three or more, else the seeds where there are two.

    Returns:
        One row for each setting, group and value but the control. ``random`` is empty where there
        is too little for an interval: too few values, or equal ones.

    Raises:
        InputError: no row has the control, or ``random`` is none of those.
    """
    if random is not None:
        check_known("what is random", random, RANDOM)
    own = [name for name in varied(rows, factor) if name not in by]
    keys = [*own, *by, factor]
    rows = designs(rows)
    paired = differences(rows, factor, control, by)
    training = list(dict.fromkeys([*keys, *CELL, "seed"]))
    means = paired.groupby(training, sort=False, dropna=False)[MEASURES].mean().reset_index()
    labels = np.stack([pd.factorize(means[name])[0] for name in (*CELL, "seed")], axis=1)
    values = means[MEASURES].to_numpy()
    records = [
        dict(zip(keys, group, strict=True))
        | _comparison(labels[own.index], values[own.index], random)
        for group, own in means.groupby(keys, sort=False, dropna=False)
    ]
    table = pd.DataFrame(records, columns=[*keys, *COLUMNS])
    table = _in_order(table, rows, [part for part in (own, by, [factor]) if part])
    table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
    return table


def _in_order(
    table: pd.DataFrame, rows: pd.DataFrame, parts: Sequence[Sequence[str]]
) -> pd.DataFrame:
    """Sorted by each of ``parts`` in turn, in the order in which the rows have its values."""
    places = []
    for names in map(list, parts):
        known = pd.MultiIndex.from_frame(rows[names].drop_duplicates())
        places.append(known.get_indexer(pd.MultiIndex.from_frame(table[names])))
    return table.iloc[np.lexsort(places[::-1])].reset_index(drop=True)


def _comparison(labels: Labels, values: Values, random: str | None) -> dict[str, Any]:
    """One row, from trainings: their architecture, source and seed, and their measures."""
    cells = _drawn(labels, values, "cells")
    found, units, interval = "", cells, None
    for name in ("cells", "seeds") if random is None else (random,):
        drawn = _drawn(labels, values, name)
        if len(drawn) >= FEWEST[name]:
            interval = t_interval(drawn[:, 0])
            if not np.isnan(interval.p):  # else they are equal, which is too little too
                found, units = name, drawn
            break
    # All means are over the same units, so that they agree with one another.
    difference, control, accuracy = units.mean(axis=0)
    low, high, p = (np.nan,) * 3 if interval is None else interval[1:]
    _, seeds = np.unique(labels[:, :2], axis=0, return_counts=True)
    return {
        "cells": len(cells),
        "seeds": int(seeds.min()),
        "control_mean": float(control),
        "mean": float(accuracy),
        "difference": float(difference),
        "random": found,
        "low": float(low),
        "high": float(high),
        "p": float(p),
        "wins": int((cells[:, 0] > 0).sum()),
        "ties": int((cells[:, 0] == 0).sum()),
        "losses": int((cells[:, 0] < 0).sum()),
    }


def _drawn(labels: Labels, values: Values, random: str) -> Values:
    """The means of each cell, source, architecture or seed: a row each, a column a measure."""
    if random == "seeds":
        # A seed counts where all cells have it, so that all seeds speak of the same cells.
        cells = len(np.unique(labels[:, :2], axis=0))
        _, seed, counts = np.unique(labels[:, 2], return_inverse=True, return_counts=True)
        complete = counts[seed] == cells
        return _means(labels[complete, 2:], values[complete])[1]
    cell, means = _means(labels[:, :2], values)
    if random == "cells":
        return means
    return _means(cell[:, [CELL.index(RANDOM[random])]], means)[1]


def _means(labels: Labels, values: Values) -> tuple[Labels, Values]:
    """The different rows of ``labels``, and the mean of the values of each."""
    found, place, counts = np.unique(labels, axis=0, return_inverse=True, return_counts=True)
    sums = np.zeros((len(found), values.shape[1]))
    np.add.at(sums, place.reshape(-1), values)
    return found, sums / counts[:, None]
