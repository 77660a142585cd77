"""The columns of the tables that a study and a search write, and how such a table is read back.

A table holds text as it was written: an architecture may be called ``1``, ``01``, ``nan`` or
``None``, and none of these is a number or a gap.
"""

import csv
import io
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasneurn.errors import InputError, one_line
from nasneurn.files import read_text

if TYPE_CHECKING:
    import pandas as pd

#: ``accuracy.csv``: a row for each training and target.
ACCURACY = (
    "training", "suite", "architecture", "choices", "weights", "stem", "applied_stem", "algorithm",
    "source", "target", "seed", "protocol", "selection", "placement", "mix_weight", "scaling",
    "input_mean", "input_std",
    "accuracy", "chance", "n", "macro_f1", "nll", "ece", "held_out_accuracy", "epochs",
    "best_epoch", "params", "flops", "adaptation", "batch", "seconds", "device", "precision",
    "torch", "nasneurn", "commit",
)  # fmt: skip
#: ``history.csv``: a row for each training and epoch.
HISTORY = (
    "training", "architecture", "weights", "stem", "algorithm", "source", "seed", "epoch", "loss",
    "held_out_accuracy", "seconds",
)  # fmt: skip
#: ``classes.csv``: a row for each training, target and class: the class accuracy, or recall.
CLASSES = ("training", "target", "class", "n", "accuracy", "selection")
#: ``failures.csv``: a row for each training that failed.
FAILURES = (
    "training", "architecture", "weights", "stem", "algorithm", "source", "seed", "error",
)  # fmt: skip
#: ``evolution.csv``: a row for each candidate of a search; ``latency`` follows where it is an aim.
EVOLUTION = (
    "supernet", "space", "source", "stem", "seed", "generation", "choices", "flops", "params",
    "held_out_accuracy",
)  # fmt: skip
#: ``quality.csv``: a row for each architecture trained alone, beside what its supernet gave it.
QUALITY = (
    "space", "source", "stem", "seed", "choices", "flops", "raw", "recalibrated", "alone", "n",
)  # fmt: skip
#: ``control.csv``: the best score of a supernet's candidates after so many evaluations.
CONTROL = ("space", "source", "stem", "seed", "method", "evaluations", "best")

#: Columns that tables written before they were there lack; an empty cell stands for such rows.
LATER = frozenset({"selection", "placement", "mix_weight", "chance", "macro_f1", "nll", "ece"})

#: The columns that hold numbers; every other one is text.
NUMBERS = frozenset(
    {
        "accuracy", "alone", "best", "best_epoch", "chance", "ece", "epoch", "epochs",
        "evaluations", "flops", "generation", "held_out_accuracy", "hypervolume", "latency",
        "loss", "macro_f1", "mix_weight", "n",
        "nll", "params", "raw", "recalibrated", "seconds", "seed",
    }
)  # fmt: skip

#: What joins the domains of a training that has several sources: ``mnist+svhn``.
JOINT = "+"


def sources(source: str) -> tuple[str, ...]:
    """The domains that a training learned from.

    >>> sources("mnist+svhn")
    ('mnist', 'svhn')
    """
    return tuple(source.split(JOINT))


def read_rows(path: Path, columns: Collection[str] = ()) -> "pd.DataFrame":
    """Read a table; text stays what it is, and an empty cell is a gap only among numbers.

    Args:
        path: a CSV file with one line of headings.
        columns: headings that must be there, but for those of :data:`LATER`.

    Raises:
        InputError: there is no such file, it is no table, a column is missing, or one that should
            hold numbers does not.
    """
    import pandas as pd

    try:
        text = read_text(path)
        widths = sorted({len(line) for line in csv.reader(io.StringIO(text, newline="")) if line})
        if len(widths) > 1:  # pandas would fill such a line up, or take its first cell for a name
            raise ValueError(f"its lines have {' or '.join(map(str, widths))} cells")
        headings = next(filter(None, csv.reader(io.StringIO(text, newline=""))), [])
        if len(set(headings)) < len(headings):  # pandas would give the second another name
            raise ValueError("a heading stands there twice")
        table: pd.DataFrame = pd.read_csv(
            io.StringIO(text, newline=""),
            dtype={name: str for name in headings if name not in NUMBERS},
            keep_default_na=False,
            na_values={name: ["", "nan"] for name in headings if name in NUMBERS},
            **_to_the_last_digit(pd.__version__),
        )
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, csv.Error) as error:  # pandas' errors are ValueErrors
        raise InputError(f"{path}: not a table ({one_line(error)})") from None
    missing = [name for name in columns if name not in table and name not in LATER]
    if missing:
        raise InputError(f"{path}: it has no column {', '.join(missing)}")
    for name in table:
        if name in NUMBERS:
            table[name] = _numbers(table[name], path)
    return table


def _to_the_last_digit(version: str) -> dict[str, Any]:
    """What has pandas read numbers exactly; from 3.1 on it does so, and warns of being told."""
    major, minor = map(int, version.split(".")[:2])
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}


def _numbers(column: "pd.Series[Any]", path: Path) -> "pd.Series[Any]":
    import pandas as pd

    if column.empty:
        return column.astype(float)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column
    read = pd.to_numeric(column.astype(str), errors="coerce")
    wrong = column[read.isna() & column.notna()]
    if wrong.empty:  # more digits than a whole number of pandas has
        return read.astype(float)
    raise InputError(f"{path}: column {column.name} must hold numbers, not {wrong.iloc[0]!r}")
