"""What a busy machine does to a training, by the way in which OpenMP's threads wait.

    python benchmarks/busy.py [--out FILE.csv] [--quick]

Steps of digits_convnet (batch of 32; loss, gradients, fused Adam), as one process with all cores or
as one process for each core with one thread each, beside 0, 1 and 2 processes that want a core all
the time. Whole commands are in ``busy_commands.py``.

Settings: what is put into the environment; "unset" is neither of OpenMP's variables, as PyTorch
comes. PyTorch is imported before nasneurn here, which sets OMP_WAIT_POLICY=PASSIVE itself.

Columns: `setting`, `threads` (of each process), `processes`, `busy` (processes beside), `seconds`
(of the machine for one step of one training, those at once share it), `ratio` (over those of
OMP_WAIT_POLICY=PASSIVE beside as many, with as many processes), `load` (the machine's load average
when the run began, over its cores).
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from benchmark_rows import load, report
from side_by_side import busy, measure, serve, times
from torch.nn import functional as F

from nasneurn.networks.convnet import digits_convnet

COLUMNS = ("setting", "threads", "processes", "busy", "seconds", "ratio", "load")
CORES = os.cpu_count() or 1
USUAL = "OMP_WAIT_POLICY=PASSIVE"
POLICIES = ("unset", "OMP_WAIT_POLICY=ACTIVE", USUAL)
#: Of other OpenMP libraries, or finer than a policy.
OTHERS = ("GOMP_SPINCOUNT=0", "GOMP_SPINCOUNT=1000", "KMP_BLOCKTIME=0")
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def variables(setting: str, threads: int) -> dict[str, str | None]:
    """What a setting changes in the environment."""
    changed: dict[str, str | None] = dict.fromkeys(VARIABLES)
    if setting != "unset":
        name, _, value = setting.partition("=")
        changed[name] = value
    return {**changed, "OMP_NUM_THREADS": str(threads)}


def steps(seconds: float) -> Callable[[], float]:
    """What measures the milliseconds of a step."""
    torch.manual_seed(0)
    network = digits_convnet().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, fused=True)
    images = torch.rand(32, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.arange(32) % 10

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()

    step()
    return lambda: times(step, seconds)["ms"]


def step(setting: str, processes: int, seconds: float) -> float:
    """Seconds of the machine for a step."""
    changed = variables(setting, CORES // processes)
    answers = next(measure(__file__, seconds, processes, changed))
    return sum(answers) / 1000 / processes**2


def rows(quick: bool) -> Iterator[dict]:
    cells: dict[tuple[str, int, int], float] = {}
    ways = [(setting, 1) for setting in (*POLICIES, *(() if quick else OTHERS))]
    ways += [(setting, CORES) for setting in POLICIES]
    for beside in (0, 1) if quick else (0, 1, 2):
        with busy(beside):
            for setting, processes in ways:
                cells[setting, processes, beside] = step(setting, processes, 0.1 if quick else 2.0)
                told = f"{cells[setting, processes, beside]:.4g} s"
                print(f"{setting}, {processes} processes, {beside} busy: {told}", file=sys.stderr)
    for (setting, processes, beside), seconds in cells.items():
        yield {
            "setting": setting, "threads": CORES // processes, "processes": processes,
            "busy": beside, "seconds": f"{seconds:.4g}",
            "ratio": round(seconds / cells[USUAL, processes, beside], 2),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file")
    parser.add_argument("--quick", action="store_true", help="some steps")
    parser.add_argument("--line", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.line:
        serve([steps(json.loads(options.line))])
        return
    before = load()
    found = [{**row, "load": before} for row in rows(options.quick)]
    report(found, COLUMNS, "Beside busy processes", options.out)


if __name__ == "__main__":
    main()
