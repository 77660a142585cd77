"""A diagnosis in a few lines of plain words."""

from collections.abc import Iterator

import pandas as pd

from nasneurn.analysis.cells import cross_domain, of_setting
from nasneurn.diagnosis.chosen import CONTROL
from nasneurn.diagnosis.diagnose import Diagnosis
from nasneurn.report.captions import cautions

#: What distances are called.
DISTANCES = {
    "mmd": "maximum mean discrepancy",
    "frechet": "Fréchet distance",
    "proxy_a_distance": "proxy A-distance",
}


def summary(found: Diagnosis) -> list[str]:
    """What each stem changes, on average over the pairs of different domains, and the notes."""
    lines: list[str] = []
    kinds = list(found.chosen.kinds())
    for own, _ in kinds:
        if len(kinds) > 1:
            lines.append(", ".join(own.values()) + ":")
        for stem in found.chosen.others:
            lines += [f"{stem}: {line}" for line in _of_stem(found, own, stem)]
    told = cautions(found.chosen.rows)
    return [*lines, *([f"Caution, {told}."] if told else []), *found.notes]


def _of_stem(found: Diagnosis, own: dict[str, str], stem: str) -> Iterator[str]:
    for place, name in (("images", "image_distances"), ("features", "feature_distances")):
        table = _across(_own(found.tables.get(name), own))
        if _has(table, stem):
            values = table.rename(columns={"value": "mean"})
            yield f"distance of source and target in {place}: {_distances(values, stem)}"
    table = _own(found.tables.get("feature_separability"), own)
    if _has(table, stem):
        before, after = (_mean(table, one) for one in (CONTROL, stem))
        yield (
            "scatter of the source's features between classes over that within: "
            f"{before:.2f} -> {after:.2f}"
        )
    table = _across(_own(found.tables.get("rescued"), own))
    table = table[table["stem"] == stem] if len(table) else table
    if len(table):
        means = 100 * table[["rescued_share", "lost_share", "other_stem", "other_seed"]].mean()
        told = (
            f"{means['rescued_share']:.1f}% of the targets' images are rescued, "
            f"{means['lost_share']:.1f}% lost"
        )
        if not pd.isna(means["other_seed"]):
            told += (
                f" (wrong without it in one seed and right in another: {means['other_seed']:.1f}%; "
                f"right with it in another: {means['other_stem']:.1f}%)"
            )
        yield told
    table = _own(found.tables.get("calibration"), own)
    table = _across(table[table["measure"] == "ece"])
    if _has(table, stem):
        before, after = (100 * _mean(table, one) for one in (CONTROL, stem))
        yield f"calibration error on the targets: {before:.1f}% -> {after:.1f}%"
    table = _own(found.tables.get("corruption_means"), own)
    if _has(table, stem):
        listed = []
        for name, words in (("clean", "as they are"), ("all", "over all corruptions")):
            rows = table[table["corruption"] == name]
            before, after = (100 * _mean(rows, one) for one in (CONTROL, stem))
            listed.append(f"{words} {before:.1f}% -> {after:.1f}%")
        yield f"accuracy on the source's test images: {', '.join(listed)}"


def _has(table: pd.DataFrame, stem: str) -> bool:
    """Whether the setting has both, the stem and what it is compared with."""
    return len(table) > 0 and {CONTROL, stem} <= set(table["stem"])


def _own(table: pd.DataFrame | None, own: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame() if table is None else of_setting(table, own)


def _across(table: pd.DataFrame) -> pd.DataFrame:
    return cross_domain(table) if len(table) else table


def _mean(table: pd.DataFrame, stem: str) -> float:
    return float(table.loc[table["stem"] == stem, "mean"].mean())


def _distances(table: pd.DataFrame, stem: str) -> str:
    told = []
    for measure, words in DISTANCES.items():
        rows = table[table["measure"] == measure]
        told.append(f"{words} {_mean(rows, CONTROL):.3g} -> {_mean(rows, stem):.3g}")
    return ", ".join(told)
