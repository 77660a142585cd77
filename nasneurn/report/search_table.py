"""The short table that a search prints, and its result for programs."""

from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from nasneurn.analysis.paired import PairedDifference, paired_difference
from nasneurn.search.outputs import Outputs

#: Characters of a line where there is no terminal to fit.
WIDTH = 160


def print_search(outputs: Outputs) -> None:
    """Print accuracy on every target, for each stem, and the paired difference of two."""
    accuracy = outputs.accuracy()
    stems = list(dict.fromkeys(accuracy["stem"]))
    seeds = accuracy["seed"].nunique()
    over = "one seed, so no interval" if seeds == 1 else f"means of {seeds} seeds"
    table = Table(title=f"Test accuracy of the architectures found (%), {over}")
    for heading in ("weights", "source", "target"):
        table.add_column(heading, no_wrap=True)
    for stem in stems:
        table.add_column(stem, justify="right")
    for stem in stems[1:]:
        table.add_column(f"{stem} - {stems[0]}", justify="right")
    for (weights, source, target), rows in accuracy.groupby(
        ["weights", "source", "target"], sort=False
    ):
        cells = [str(weights), str(source), str(target)]
        cells += [f"{100 * rows[rows['stem'] == stem]['accuracy'].mean():.1f}" for stem in stems]
        cells += [_shown(_difference(rows, stem, stems[0])) for stem in stems[1:]]
        table.add_row(*cells)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print(table)
    for found in outputs.architectures():
        console.print(
            f"{found['run']}: {'-'.join(map(str, found['architecture'].values()))}, "
            f"{found['flops'] / 1e6:.1f} M multiply-adds, {found['params'] / 1e3:.0f} k "
            f"parameters, held-out source accuracy {100 * found['source_accuracy']:.1f}%",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"written to {outputs.folder}", highlight=False, soft_wrap=True)


def _difference(rows: pd.DataFrame, stem: str, against: str) -> PairedDifference:
    by_seed = rows.pivot_table(index="seed", columns="stem", values="accuracy")
    pairs = by_seed[[stem, against]].dropna()
    return paired_difference(pairs[stem].tolist(), pairs[against].tolist())


def _shown(difference: PairedDifference) -> str:
    mean = f"{100 * difference.mean:+.1f}"
    if difference.low is None or difference.high is None:
        return mean
    return f"{mean} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"


def search_json(outputs: Outputs) -> dict[str, Any]:
    """The result of a search as plain data."""
    return {
        "folder": str(outputs.folder),
        "architectures": outputs.architectures(),
        "accuracy": outputs.accuracy().to_dict(orient="records"),
    }
