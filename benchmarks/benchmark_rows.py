"""What every benchmark does: find the packages that it measures, print its rows, write them.

To be imported before those packages.
"""

import csv
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

# A script's folder comes first on the path, and alignment.py there hides the package of that name.
sys.path.sort(key=lambda path: Path(path or ".").resolve() == Path(__file__).parent)


def load() -> float:
    """The machine's load average over its cores: below 0.2, nothing else runs."""
    return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)


def least_seconds(turns: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The least seconds of each, which take turns; a first round is not timed."""
    least = dict.fromkeys(turns, float("inf"))
    for number in range(repeats + 1):
        for way, turn in turns.items():
            begun = perf_counter()
            turn()
            if number:
                least[way] = min(least[way], perf_counter() - begun)
    return least


def report(rows: Iterable[dict], columns: Sequence[str], title: str, out: Path | None) -> None:
    """Print the rows as a table, and write them to the CSV file ``out``, if there is one."""
    rows = list(rows)
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    Console(width=150).print(table)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
