"""Accuracies that others published for pairs of digit domains, to stand beside measured ones."""

from dataclasses import dataclass

import pandas as pd

from nasneurn.analysis.comparisons import TRAINING


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


def beside_published(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Measured means of the same pairs, in percent, beside the published figures.

    Means are over the architectures and seeds of ``accuracy`` that have both stems.
    """
    both = accuracy[accuracy["stem"].isin(["none", "neurn"])]
    cases = both.pivot_table(index=[*TRAINING, "target"], columns="stem", values="accuracy")
    measured = cases.dropna().reset_index()
    records = []
    for figure in PUBLISHED:
        ours = measured[
            (measured["source"] == figure.source) & (measured["target"] == figure.target)
        ]
        if ours.empty:
            continue
        records.append(
            {
                "source": figure.source,
                "target": figure.target,
                "reported_by": figure.reported_by,
                "their_architecture": figure.architecture,
                "their_none": figure.none,
                "their_neurn": figure.neurn,
                "our_architectures": " ".join(dict.fromkeys(ours["architecture"])),
                "our_none": round(100 * float(ours["none"].mean()), 1),
                "our_neurn": round(100 * float(ours["neurn"].mean()), 1),
            }
        )
    return pd.DataFrame(records)
