"""What a study came to, in plain words; every number is one of its tables'."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from nasneurn.analysis.cells import designs, varied
from nasneurn.analysis.chance import MARGIN, chance_note
from nasneurn.report.captions import seeds_of, selection_of
from nasneurn.report.tables import ReportTable

#: Below this, a corrected p-value is called clear.
CLEAR = 0.05

#: What a setting is if nothing is said of it, and so is not said.
USUAL = {"placement": "front", "algorithm": "erm", "weights": "scratch"}

#: Of this many comparisons without a test there is a sentence each, of more there is one of all.
UNTESTED = 2

#: Which comparisons make the headline, the first that there is, and where accuracy is measured.
COMPARISONS = {
    "overall": "on domains not trained on",
    "same_domain": "on the source's own test images",
}


def headline(rows: pd.DataFrame, tables: Mapping[str, ReportTable]) -> list[str]:
    """A sentence for each thing that is compared, then what must be known to believe them.

    Args:
        rows: with the columns of ``accuracy.csv``.
        tables: those that :func:`~nasneurn.report.tables.tables` makes of the rows.
    """
    if rows.empty:
        return ["No training is finished yet."]
    name = next((name for name in COMPARISONS if name in tables), None)
    if name is None:
        stems = list(dict.fromkeys(map(str, rows["stem"])))
        lines = [
            f"Nothing is compared: {_trainings(rows)}, with stem {', '.join(stems)}; the "
            "accuracies are in the tables."
        ]
    else:
        table = tables[name].frame
        own = [column for column in varied(designs(rows)) if column in table]
        lines = _compared(table, own, COMPARISONS[name])
    return [*lines, *_reserves(rows)]


def _trainings(rows: pd.DataFrame) -> str:
    keys = [
        name
        for name in ("architecture", "weights", "stem", "algorithm", "source", "seed")
        if name in rows
    ]
    count = len(rows[keys].drop_duplicates())
    return "this is a single training" if count == 1 else f"{count} trainings"


def _compared(table: pd.DataFrame, own: list[str], where: str) -> list[str]:
    """A sentence for each comparison; one for all without a test where these are many."""
    rows = table.to_dict(orient="records")
    tested = [row for row in rows if _has_a_test(row)]
    untested = [row for row in rows if not _has_a_test(row)]
    comparisons = int(table["p_holm"].notna().sum())
    lines = [_sentence(row, own, where) + _verdict(row, comparisons) for row in tested]
    if len(untested) <= UNTESTED:
        too_little = "; too little was trained for an interval or a test."
        return lines + [_sentence(row, own, where) + too_little for row in untested]
    each = ", ".join(f"{_named(row, own)} {row['difference']:+.1f}" for row in untested)
    return [
        *lines,
        f"Too little was trained for an interval or a test of {len(untested)} more; in points "
        f"against the same without: {each}.",
    ]


def _has_a_test(row: Mapping[Hashable, Any]) -> bool:
    return bool(row["random"]) and not pd.isna(row["low"])


def _named(row: Mapping[Hashable, Any], own: list[str]) -> str:
    """The stem, and in brackets what is set for it that is not usual."""
    setting = [f"{name} {row[name]}" for name in own if row[name] != USUAL.get(name)]
    return f"{row['stem']} ({', '.join(setting)})" if setting else str(row["stem"])


def _sentence(row: Mapping[Hashable, Any], own: list[str], where: str) -> str:
    difference = row["difference"]
    way = "more" if difference > 0 else "less" if difference < 0 else "more or less"
    return (
        f"{_named(row, own)}: {row['mean']:.1f}% right {where}, "
        f"{abs(difference):.1f} points {way} than without ({row['control_mean']:.1f}%)"
    )


def _verdict(row: Mapping[Hashable, Any], comparisons: int) -> str:
    corrected = f"after Holm's correction over {comparisons} comparisons"
    if comparisons == 1:
        corrected = "the only comparison, so that no correction is due"
    verdict = "no clear difference"
    if row["p_holm"] < CLEAR:
        verdict = "a clear gain" if row["difference"] > 0 else "a clear loss"
    over = row["random"]
    if over == "cells":
        over = f"{row['cells']} cells (a network and a source each)"
    return (
        f": {verdict}. The 95% interval over {over} is {row['low']:+.1f} to "
        f"{row['high']:+.1f} points, p = {row['p_holm']:.2g} ({corrected})."
    )


def _reserves(rows: pd.DataFrame) -> list[str]:
    lines = []
    if seeds_of(rows) == "one seed":
        lines.append("There is one seed: how much of this is chance is not known.")
    if selection_of(rows):
        lines.append(f"Weights: {selection_of(rows)}; such accuracies are higher than honest ones.")
    note = chance_note(rows)
    if note:
        lines.append(
            f"Caution, {note}. They got less than {100 * MARGIN:.0f}% of what chance leaves; "
            "what they add to a mean or a difference says nothing."
        )
    return lines
