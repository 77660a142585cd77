"""The short table that a search prints, and its result for programs."""

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from nasneurn.analysis.transfer import transfer_table
from nasneurn.search.outputs import Outputs

#: Characters of a line where there is no terminal to fit.
WIDTH = 160


def print_search(outputs: Outputs) -> None:
    """Print accuracy on every target, for each stem, and what each adds to the first."""
    means = transfer_table(outputs.accuracy())
    stems = list(dict.fromkeys(means["stem"]))
    seeds = int(means["seeds"].max())
    over = "one seed, so no interval" if seeds == 1 else f"means of {seeds} seeds"
    table = Table(title=f"Test accuracy of the architectures found (%), {over}")
    for heading in ("weights", "source", "target"):
        table.add_column(heading, no_wrap=True)
    for stem in stems:
        table.add_column(stem, justify="right")
    for stem in stems[1:]:
        table.add_column(f"{stem} - {stems[0]}", justify="right")
    for case, rows in means.groupby(["weights", "source", "target"], sort=False):
        assert isinstance(case, tuple)
        by_stem = rows.set_index("stem").reindex(stems)
        cells = [str(part) for part in case]
        cells += [f"{100 * value:.1f}" for value in by_stem["accuracy"]]
        differences = by_stem[["difference", "low", "high"]].to_numpy(float)
        cells += [_shown(*difference) for difference in differences[1:]]
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


def _shown(mean: float, low: float, high: float) -> str:
    if np.isnan(low):
        return f"{100 * mean:+.1f}"
    return f"{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def search_json(outputs: Outputs) -> dict[str, Any]:
    """The result of a search as plain data."""
    return {
        "folder": str(outputs.folder),
        "architectures": outputs.architectures(),
        "accuracy": outputs.accuracy().to_dict(orient="records"),
    }
