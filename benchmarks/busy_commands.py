"""Whole commands of the shell beside 0, 1 and 2 processes that want a core all the time.

    python benchmarks/busy_commands.py [--out FILE.csv] [--repeats 2] [--quick]

A search of two supernets (`search --compare`) and a study of four trainings (`bench`), both shorter
than usual, and an alignment of the 44 with empty caches (`align --models all`): with the number of
threads and the way of waiting that `nasneurn` chooses. `busy.py` compares ways of waiting.

Columns: `way` (the command, and what is shorter than usual), `busy` (processes beside), `repeats`,
`seconds` (median), `seconds_max`, `ratio` (the median over that beside none), `load` (the machine's
load average when the run began, over its cores).
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from benchmark_rows import load, report
from side_by_side import busy

COLUMNS = ("way", "busy", "repeats", "seconds", "seconds_max", "ratio", "load")
WAYS = {
    "search --compare, supernets of 60 steps": [
        "search", "--space", "spos", "--compare", "--sources", "optdigits", "--seeds", "1",
        "--set", "supernet.steps=60", "--set", "supernet.population=4",
        "--set", "supernet.generations=1", "--set", "supernet.parents=2", "--device", "cpu",
    ],
    "bench, four trainings of 5 epochs": [
        "bench", "--sources", "optdigits", "--seeds", "2", "--set", "epochs=5", "--device", "cpu",
    ],
    "align --models all": ["align", "--models", "all"],
}  # fmt: skip


def seconds_of(command: list[str]) -> float:
    """Seconds of a command, into an empty folder and with empty caches."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NASNEURN_CACHE": f"{folder}/cache"}
        whole = [sys.executable, "-m", "nasneurn", *command, "--out", f"{folder}/results"]
        begun = perf_counter()
        subprocess.run(whole, check=True, capture_output=True, env=environment)
        return perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="the alignment alone, once")
    given = parser.parse_args()
    before = load()
    ways = {"align --models all": ["align", "--models", "vgg11,vgg16"]} if given.quick else WAYS
    repeats = 1 if given.quick else given.repeats
    rows = []
    for way, command in ways.items():
        alone = None
        for beside in (0, 1, 2):
            with busy(beside):
                spent = [seconds_of(command) for _ in range(repeats)]
            median = statistics.median(spent)
            alone = alone or median
            rows.append({
                "way": way, "busy": beside, "repeats": repeats, "seconds": round(median, 1),
                "seconds_max": round(max(spent), 1), "ratio": round(median / alone, 2),
                "load": before,
            })  # fmt: skip
            print(f"{way}, {beside} busy: {median:.1f} s", file=sys.stderr)
    report(rows, COLUMNS, "Commands beside busy processes", given.out)


if __name__ == "__main__":
    main()
