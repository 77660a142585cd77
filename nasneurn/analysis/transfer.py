"""What a search's networks get right on each target, and what each stem adds."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from nasneurn.analysis.paired import paired_difference

#: In place of a source and a target: the mean over all pairs of two domains.
PAIRS = ("all", "others")


def transfer_table(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy over seeds, and the paired difference to the first stem.

    ``accuracy`` has the columns of ``accuracy.csv``. One row for each kind of weights, source,
    target and stem; the last of each kind, with source "all" and target "others", are means over
    the pairs of two domains. ``low`` and ``high`` are Student's 95% interval of the difference
    over seeds, missing where there is one seed.
    """
    stems = list(dict.fromkeys(accuracy["stem"]))
    rows: list[dict[str, Any]] = []
    for weights, own in accuracy.groupby("weights", sort=False):
        for source, target, cases in _cases(own):
            by_seed = cases.pivot_table(index="seed", columns="stem", values="accuracy")
            for stem in stems:
                if stem not in by_seed:
                    continue  # a search that is still running has gaps
                row = {"weights": weights, "source": source, "target": target, "stem": stem}
                row |= {"accuracy": by_seed[stem].mean(), "seeds": by_seed[stem].count()}
                pairs = by_seed[[stem, stems[0]]].dropna() if stem != stems[0] else by_seed[:0]
                if len(pairs):
                    found = paired_difference(pairs[stem].tolist(), pairs[stems[0]].tolist())
                    row |= {"difference": found.mean, "low": found.low, "high": found.high}
                rows.append(row)
    columns = ["weights", "source", "target", "stem", "accuracy", "seeds"]
    return pd.DataFrame(rows, columns=[*columns, "difference", "low", "high"])


def _cases(own: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for (source, target), cases in own.groupby(["source", "target"], sort=False):
        yield str(source), str(target), cases
    across = own[own["source"] != own["target"]]
    # The pairs of one seed share networks: their mean is one observation.
    if len(across):
        means = across.groupby(["stem", "seed"])[["accuracy"]].mean()
        yield *PAIRS, means.reset_index()
