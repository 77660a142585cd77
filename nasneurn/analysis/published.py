"""Accuracies that others published for pairs of digit domains, to stand beside measured ones."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from nasneurn.analysis.cells import CASE, designs, mean_over, settings, split


@dataclass(frozen=True)
class Published:
    """Accuracies in percent of one architecture on one pair; None was not reported."""

    source: str
    target: str
    architecture: str
    none: float | None
    neurn: float | None
    reported_by: str


PAPER = "arXiv 2505.06881"
OTHERS = "source-only baselines of adaptation papers"

PUBLISHED = (
    Published("mnist", "mnistm", "VGG-19", 40.0, 59.6, PAPER),
    Published("mnist", "mnist", "VGG-19", 70.9, 74.2, PAPER),
    Published("mnistm", "svhn", "SPOS", 18.3, 50.4, PAPER),
    Published("mnist", "mnistm", "various", 45.8, None, OTHERS),
    Published("mnistm", "mnist", "various", 96.7, None, OTHERS),
    Published("mnist", "svhn", "various", 20.1, None, OTHERS),
    Published("svhn", "mnist", "various", 64.9, None, OTHERS),
    Published("mnist", "usps", "various", 40.4, None, OTHERS),
    Published("usps", "mnist", "various", 62.3, None, OTHERS),
)


def beside_published(rows: pd.DataFrame) -> pd.DataFrame:
    """Measured means of the same pairs, in percent, beside the published figures.

    Means are over the architectures and seeds of ``rows`` that have both stems, for each setting.
    """
    rows = designs(rows)
    keys = [*settings(rows), *CASE]
    both = rows[rows["stem"].isin(["none", "neurn"])]
    measured = both.pivot_table(index=keys, columns="stem", values="accuracy").dropna()
    if set(measured) != {"none", "neurn"}:
        return pd.DataFrame()
    found = []
    for own, ours in split(measured.reset_index()):
        found += [{**own, **line} for line in _lines(ours)]
    return pd.DataFrame(found)


def _lines(measured: pd.DataFrame) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for figure in PUBLISHED:
        ours = measured[
            (measured["source"] == figure.source) & (measured["target"] == figure.target)
        ]
        if len(ours):
            lines.append(
                {
                    "source": figure.source,
                    "target": figure.target,
                    "reported_by": figure.reported_by,
                    "their_architecture": figure.architecture,
                    "their_none": figure.none,
                    "their_neurn": figure.neurn,
                    "our_architectures": " ".join(dict.fromkeys(ours["architecture"])),
                    "our_none": round(100 * float(mean_over(ours, ["target"], "none").iloc[0]), 1),
                    "our_neurn": round(
                        100 * float(mean_over(ours, ["target"], "neurn").iloc[0]), 1
                    ),
                }
            )
    return lines
