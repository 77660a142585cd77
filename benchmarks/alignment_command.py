"""How long `nasneurn align` takes from the shell, with empty caches and with filled ones.

    python benchmarks/alignment_command.py [--out FILE.csv] [--catalogue] [--repeats 3]

"empty" is the first call on a new machine: nothing traced, no kernel compiled, no list of fonts.
"filled" is a later call into another folder, "unchanged" the same call again, whose figures are
there. With --catalogue also all that timm knows, once.

Columns: `models`, `caches`, `figures`, `repeats`, `seconds` (median), `seconds_max`, `load` (the
machine's load average, when the run began, over its cores).
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmark_rows import load, report

#: What is measured, one after the other: the caches, whether figures are drawn, and where to.
CALLS = (
    ("empty", True, "first"),
    ("filled", True, "second"),
    ("unchanged", True, "second"),
    ("filled", False, "third"),
)

COLUMNS = ("models", "caches", "figures", "repeats", "seconds", "seconds_max", "load")


def align(models: str, figures: bool, folder: Path, out: str) -> float:
    """Seconds of one call whose caches lie in ``folder``."""
    caches = {"XDG_CACHE_HOME": "own", "NUMBA_CACHE_DIR": "numba", "MPLCONFIGDIR": "matplotlib"}
    drawn = "--figures" if figures else "--no-figures"
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "nasneurn", "align", "--models", models, drawn,
         "--out", str(folder / out)],
        env={**os.environ, **{name: str(folder / place) for name, place in caches.items()}},
        capture_output=True,
        check=True,
    )  # fmt: skip
    return time.perf_counter() - begun


def rows(models: str, repeats: int, busy: float) -> Iterator[dict]:
    times: dict[tuple[str, bool], list[float]] = {}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            for caches, figures, out in CALLS:
                spent = align(models, figures, Path(name), out)
                times.setdefault((caches, figures), []).append(spent)
    for (caches, figures), spent in times.items():
        yield {
            "models": models, "caches": caches, "figures": figures, "repeats": repeats,
            "seconds": round(statistics.median(spent), 2), "seconds_max": round(max(spent), 2),
            "load": busy,
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file")
    parser.add_argument("--catalogue", action="store_true", help="also all that timm knows")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    busy = load()
    found = list(rows("all", options.repeats, busy))
    if options.catalogue:
        found += rows("timm", 1, busy)
    report(found, COLUMNS, "nasneurn align, from the shell", options.out)


if __name__ == "__main__":
    main()
