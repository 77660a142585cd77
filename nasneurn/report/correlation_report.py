"""What ``nasneurn correlate`` leaves and prints: tables, figures, and the answer in plain words."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasneurn.correlation.architecture_distances import ALIGNMENT, RIVAL
from nasneurn.correlation.gain_correlation import LEVEL, NEIGHBOURS, GainCorrelation
from nasneurn.files import written_atomically
from nasneurn.report.correlation_figures import draw_map, draw_pairs
from nasneurn.report.figure_captions import write_captions
from nasneurn.report.style import write_figure
from nasneurn.report.table_files import write_csv_files

#: The planted correlation that a test must find, and how often, for a null result to mean much.
PLANTED, ENOUGH = 0.4, 0.8
#: How many findings a sentence lists.
SHOWN = 3


def write_correlation(
    found: GainCorrelation, folder: Path, *, figures: bool = True, figure_format: str = "png"
) -> None:
    """Write all tables as CSV, two figures, and the summary.

    Args:
        found: what is written.
        folder: where to write.
        figures: whether they are drawn.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside each figure.
    """
    tables = {
        "tests": found.tests,
        "partial": found.partial,
        "power": found.power,
        "profiles": found.profile_table,
        "distances": found.distance_table,
    }
    write_csv_files(tables, folder, "%.6g")
    with written_atomically(folder / "summary.txt") as draft:
        draft.write_text("\n".join(summary(found)) + "\n", encoding="utf-8")
    if figures:
        for name, draw in {"pairs": draw_pairs, "gain_map": draw_map}.items():
            write_figure(partial(draw, found), folder / f"{name}.png", figure_format)
        write_captions(folder)


def summary(found: GainCorrelation) -> list[str]:
    """The answer in plain words, a sentence or two each."""
    return [
        _measured(found),
        *_answers(found.tests),
        *_partial(found.partial),
        *_power(found),
        *_reliability(found),
        *(f"Note: {note}." for note in found.notes),
    ]


def _measured(found: GainCorrelation) -> str:
    profiles = found.profiles
    gains, pairs = 100 * profiles.mean, len(profiles.pairs)
    seeds = sorted(set(profiles.seeds))
    told = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    return (
        f"{len(profiles.architectures)} architectures, {pairs} pair{'s' * (pairs > 1)} of domains, "
        f"{told} seed{'s' * (told != '1')} each. Against {found.control}, {found.stem} changes "
        f"accuracy by {gains.mean():+.1f} points on average, from {gains.min():+.1f} to "
        f"{gains.max():+.1f}."
    )


def _answers(tests: pd.DataFrame) -> list[str]:
    """Whether near architectures gain alike by alignment, and by a rival, and tell each other's."""
    lines = []
    for of, name in ((ALIGNMENT, "alignment"), (RIVAL, "a rival of alignment")):
        own = tests[tests["of"] == of].sort_values("p", kind="stable")
        told_of = f"(Holm over {len(tests)} tries)"
        alike = own[own["test"] != NEIGHBOURS].to_dict(orient="records")
        if alike:
            lines.append(f"Architectures that are near by {name} {_alike(alike)} {told_of}.")
        nearest = own[own["test"] == NEIGHBOURS].to_dict(orient="records")
        if nearest:
            lines.append(f"{_foretold(name, nearest)} {told_of}.")
    return lines


def _alike(rows: Sequence[Mapping[Any, Any]]) -> str:
    sure = [row for row in rows if row["p_holm"] < LEVEL]
    with_it = [row for row in sure if row["estimate"] > 0]
    if with_it:
        return f"gain alike: {_listed(with_it)}"
    if sure:
        return f"gain less alike than others: {_listed(sure)}"
    nearest = next((row for row in rows if row["estimate"] > 0), rows[0])
    return f"were not found to gain alike: the nearest to it is {_told(nearest)}"


def _foretold(name: str, rows: Sequence[Mapping[Any, Any]]) -> str:
    """Whether the nearest ones tell a gain, for which they must be better than the mean of all."""
    sure = [row for row in rows if row["p_holm"] < LEVEL and row["estimate"] > 0]
    if sure:
        return f"The nearest by {name} tell what an architecture gains: {_listed(sure)}"
    best = _told(max(rows, key=lambda row: float(row["estimate"])))
    return (
        f"The nearest by {name} were not found to tell what an architecture gains: at best {best}"
    )


def _listed(rows: Sequence[Mapping[Any, Any]]) -> str:
    more = f"; and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return "; ".join(map(_told, rows[:SHOWN])) + more


def _told(row: Mapping[Any, Any]) -> str:
    estimate = row["estimate"]
    if row["test"] == NEIGHBOURS:
        share = f"{abs(estimate):.0%}"
        what = f"the mean of the nearest by {row['distance']} has {share} "
        what += "less" if estimate > 0 else "more"
        what += " squared error than that of all"
    else:
        what = f"{row['distance']}, {row['test'].capitalize()} r = {estimate:+.2f}"
    return f"{what}, p = {_p(row['p'])}, corrected {_p(row['p_holm'])}"


def _p(value: float) -> str:
    return f"{value:.2g}"


def _partial(table: pd.DataFrame) -> list[str]:
    if table.empty or table["p"].isna().all():
        return []
    best = table.sort_values("p", kind="stable").to_dict(orient="records")[0]
    sure = best["p_holm"] < LEVEL and best["estimate"] > 0
    return [
        f"Beside the difference in {best['given']}, alignment "
        + ("still says something: " if sure else "was not found to say anything more: ")
        + f"{_told(best)} (Holm over these {len(table)})."
    ]


def _power(found: GainCorrelation) -> list[str]:
    """What the tests could have found."""
    power = found.power[np.isclose(found.power["planted"], PLANTED)]
    best = power.groupby("level")["power"].max()
    alone, after = float(best.loc[best.index.max()]), float(best.loc[best.index.min()])
    line = (
        f"Power: with {len(found.profiles.architectures)} architectures a true correlation of "
        f"{PLANTED} is found in {alone:.0%} of simulated studies by one test alone, and in "
        f"{after:.0%} after the correction."
    )
    if after >= ENOUGH:
        return [f"{line} So a correlation of {PLANTED} or more would hardly have been missed."]
    return [
        f"{line} That is less than {ENOUGH:.0%}: where nothing was found, that means little; more "
        "architectures are needed."
    ]


def _reliability(found: GainCorrelation) -> list[str]:
    value = found.profiles.reliability(found.kind)
    if value is None:
        return [
            "Too few architectures have two seeds, so how much of the gains is chance of the seed "
            "is not known."
        ]
    repeated = sum(seeds > 1 for seeds in found.profiles.seeds)
    return [
        f"Distances of profiles from two halves of the seeds agree with r = {value:+.2f} "
        f"(Spearman, {repeated} architectures); what no seed repeats, nothing can predict."
    ]
