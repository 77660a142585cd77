"""What it is worth that a process keeps the memory it frees, and measures in small parts on a CPU.

    python benchmarks/freed_memory.py [--out FILE.csv] [--quick]

Steps (batch of 32; loss, gradients, fused Adam) and measuring (512 images at once, or in parts of
128) of three networks on images of 32 pixels, in processes of one thread: one as glibc has it, one
after ``keep_freed_memory()``.

Columns: `network`, `what` ("step" or "measure"), `images` (at once), `way` ("given back", "kept"),
`ms` (processor time of a step, or of 512 images), `page_faults` (of the same), `ratio` (the ms of
"given back", of measuring that of 512 at once, over these), `load` (the machine's load average when
the run began, over its cores).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time

import torch
from benchmark_rows import load, report
from torch.nn import functional as F

from nasneurn.freed_memory import keep_freed_memory
from nasneurn.networks import create_network

COLUMNS = ("network", "what", "images", "way", "ms", "page_faults", "ratio", "load")
NETWORKS = ("digits_convnet", "lcnet_050", "mobilenetv3_small_050")
WAYS = ("given back", "kept")
BATCH, MEASURED, PART = 32, 512, 128


def timed(what: Callable[[], object], repeats: int) -> dict[str, float]:
    """Milliseconds of processor time and page faults of one call, after three that warm up."""
    for _ in range(min(3, repeats)):
        what()
    begun, faults = process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(repeats):
        what()
    return {
        "ms": 1000 * (process_time() - begun) / repeats,
        "page_faults": (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults) / repeats,
    }


def measured(name: str, quick: bool) -> list[dict]:
    """All rows of a network in this process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = create_network(name).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, fused=True)
    images = torch.rand(MEASURED, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % 10

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(network(images[:BATCH]), labels).backward()
        optimizer.step()

    def measure(part: int) -> None:
        with torch.inference_mode():
            for some in images.split(part):
                network(some)

    steps, passes = (2, 1) if quick else (30, 5)
    found = [{"what": "step", "images": BATCH, **timed(step, steps)}]
    network.eval()
    found += [
        {"what": "measure", "images": part, **timed(partial(measure, part), passes)}
        for part in (MEASURED, PART)
    ]
    return found


def rows(quick: bool) -> list[dict]:
    found = []
    for name in NETWORKS[1:2] if quick else NETWORKS:
        told: dict[str, list[dict]] = {}
        for way in WAYS:
            line = json.dumps([name, way == "kept", quick])
            command = [sys.executable, __file__, "--line", line]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            told[way] = json.loads(done.stdout)
        before = {row["what"]: row["ms"] for row in reversed(told["given back"])}
        found += [
            {
                "network": name, "what": row["what"], "images": row["images"], "way": way,
                "ms": round(row["ms"], 1), "page_faults": round(row["page_faults"]),
                "ratio": round(before[row["what"]] / row["ms"], 2),
            }
            for way in WAYS
            for row in told[way]
        ]  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file")
    parser.add_argument("--quick", action="store_true", help="one network, some steps")
    parser.add_argument("--line", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.line:
        name, kept, quick = json.loads(given.line)
        if kept and not keep_freed_memory():
            raise SystemExit(f"memory cannot be kept here: {os.environ}")
        print(json.dumps(measured(name, quick)))
        return
    before = load()
    report([{**row, "load": before} for row in rows(given.quick)], COLUMNS, "Memory", given.out)


if __name__ == "__main__":
    main()
