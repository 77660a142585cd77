"""How long commands of the shell take that should feel like none, beside `import torch`.

    python benchmarks/quick_commands.py [--out FILE.csv] [--repeats 5]

Each command is a new process. `status` and `report` are of the small study in
results/bench-digits, into a folder of its own. "first line" is the time until a study of 40
trainings (`bench --suite builtin --seeds 5`) says something: on a terminal that it has begun, into
a pipe what it will do.

Columns: `way` (the command), `repeats`, `seconds` (median), `seconds_max`, `ratio` (the median over
that of `import torch`), `load` (the machine's load average, when the run began, over its cores).
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmark_rows import load, report

COLUMNS = ("way", "repeats", "seconds", "seconds_max", "ratio", "load")
STUDY = Path(__file__).parents[1] / "results/bench-digits"
NASNEURN = (sys.executable, "-m", "nasneurn")


def whole(*command: str) -> float:
    """Seconds of a command, from its start to its end."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def first_line(*command: str, ends: Callable[[], tuple[int, int]]) -> float:
    """Seconds until a command has said something to one of two ends; it is stopped then."""
    begun = time.perf_counter()
    read, write = ends()
    process = subprocess.Popen(command, stdout=write, stderr=write)
    os.close(write)
    try:
        if not os.read(read, 1):
            raise SystemExit(f"{' '.join(command)} said nothing")
        return time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait()
        os.close(read)


def ways(folder: Path) -> dict[str, Callable[[], float]]:
    """What is measured, by name; studies lie in ``folder``."""
    study = str(folder / "study")
    shutil.copytree(STUDY, study)
    grid = ("bench", "--suite", "builtin", "--seeds", "5", "--out", str(folder / "new"))
    return {
        "import torch": partial(whole, sys.executable, "-c", "import torch"),
        "nasneurn --help": partial(whole, *NASNEURN, "--help"),
        "nasneurn --version": partial(whole, *NASNEURN, "--version"),
        "nasneurn status": partial(whole, *NASNEURN, "status", study),
        "nasneurn report": partial(
            whole, *NASNEURN, "report", study, "--out", str(folder / "report.html")
        ),
        "nasneurn bench, first line on a terminal": partial(
            first_line, *NASNEURN, *grid, ends=os.openpty
        ),
        "nasneurn bench, first line into a pipe": partial(
            first_line, *NASNEURN, *grid, ends=os.pipe
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    busy = load()
    with tempfile.TemporaryDirectory() as name:
        chosen = ways(Path(name))
        for way in chosen.values():  # files are read once before, and caches are there
            way()
        spent: dict[str, list[float]] = {name: [] for name in chosen}
        for _ in range(given.repeats):
            for name, way in chosen.items():
                spent[name].append(way())
    median = {name: statistics.median(seconds) for name, seconds in spent.items()}
    rows = [
        {
            "way": name, "repeats": given.repeats, "seconds": round(median[name], 2),
            "seconds_max": round(max(seconds), 2),
            "ratio": round(median[name] / median["import torch"], 2), "load": busy,
        }
        for name, seconds in spent.items()
    ]  # fmt: skip
    report(rows, COLUMNS, "commands beside import torch", given.out)


if __name__ == "__main__":
    main()
