"""What a measurement of a search's quality prints."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from nasneurn.search.quality import QualityOutputs


def print_quality(outputs: QualityOutputs) -> None:
    """Print rank correlations, and how evolution and random search compare."""
    console = Console()
    correlation = outputs.correlation()
    table = Table(title="Supernet accuracy against stand-alone training [95% bootstrap interval]")
    for heading in ("source", "stem", "seed", "supernet", "networks", "Kendall tau", "Spearman"):
        table.add_column(heading, no_wrap=True)
    for row in correlation.to_dict(orient="records"):
        cells = [row[name] for name in ("source", "stem", "seed", "measure", "architectures")]
        table.add_row(*map(str, cells), _shown(row, "kendall"), _shown(row, "spearman"))
    console.print(table)
    control = outputs.control()
    last = control.groupby(["source", "stem", "seed", "method"], sort=False)["best"].last()
    for group, best in last.unstack("method").iterrows():
        source, stem, seed = group if isinstance(group, tuple) else (group, "", "")
        console.print(
            f"{source}, {stem}, seed {seed}: best candidate {100 * best['evolution']:.1f}% by "
            f"evolution, {100 * best['random']:.1f}% by random search at equal cost",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"written to {outputs.folder}", highlight=False, soft_wrap=True)


def _shown(row: Mapping[Hashable, Any], name: str) -> str:
    if pd.isna(row[name]):
        return "no spread"
    value = f"{row[name]:+.2f}"
    if pd.isna(row[f"{name}_low"]):
        return value
    return f"{value} [{row[f'{name}_low']:+.2f}, {row[f'{name}_high']:+.2f}]"
