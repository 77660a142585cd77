"""Milliseconds that a step of each algorithm takes, beside a step of plain training.

    python benchmarks/algorithms.py [--algorithms erm,randconv] [--batch 32] [--out FILE.csv]

A step is what a training does: loss, gradients, Adam, hooks; of the network of the literature on
digits, on 32 x 32 images. Processor time is measured, of all threads, and the algorithms take
turns, so that other work on the machine changes less; the least time of each counts. ``ada`` is
measured between its phases; the images that a phase makes are measured by themselves, as one ascent
of a batch.

Columns: `algorithm`, `batch`, `threads`, `repeats`, `ms` (least processor time), `ratio` (over
`erm`), `passes` (of a batch through the network, forward and back), `augment_ms` (the images alone,
where it makes some), `load` (the machine's load average when the run began, over its cores).
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from time import process_time

import numpy as np
import torch
from benchmark_rows import load, report
from torch.nn import functional as F

from nasneurn.algorithms import Task, create_algorithm, list_algorithms
from nasneurn.algorithms.interface import hook, takes_domains
from nasneurn.networks import create_network
from nasneurn.training.images import DeviceImages

COLUMNS = (
    "algorithm", "batch", "threads", "repeats", "ms", "ratio", "passes", "augment_ms", "load",
)  # fmt: skip
#: How often a batch passes through the network.
PASSES = {
    "randconv": 3, "pro_randconv": 2, "fourier": 2, "augmix": 3, "sam": 2,
    "dann:pseudo=randconv": 2, "coral:pseudo=randconv": 2,
}  # fmt: skip


def step_of(name: str, data: DeviceImages, batch: int) -> Callable[[], None]:
    """One step of a training by the algorithm."""
    torch.manual_seed(0)
    network = create_network("digits_convnet").to(memory_format=torch.channels_last)
    algorithm = create_algorithm(name)
    prepare, after = hook(algorithm, "prepare"), hook(algorithm, "after_step")
    own = prepare(network, Task(data, 10, steps=10_000)) if prepare else None
    weights = [*network.parameters(), *(own.parameters() if own is not None else ())]
    optimizer = torch.optim.Adam([one for one in weights if one.requires_grad], 1e-4, fused=True)
    images, labels = data.pixels(np.arange(batch)), data.labels[:batch]
    domains = {"domains": torch.zeros_like(labels)} if takes_domains(algorithm) else {}

    def step() -> None:
        optimizer.zero_grad()
        algorithm.loss(network, images, labels, F.cross_entropy, **domains).backward()
        optimizer.step()
        if after:
            after(network, 5_000)

    return step


def ascent_of(data: DeviceImages, batch: int) -> Callable[[], None]:
    """The ascent of a batch of ``ada``, of all its steps."""
    network = create_network("digits_convnet").to(memory_format=torch.channels_last)
    algorithm = create_algorithm("ada")
    algorithm.prepare(network, Task(data, 10))
    images, labels = data.pixels(np.arange(batch)), data.labels[:batch]
    return lambda: algorithm.ascended(network, images, labels)


def least(ways: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """The least milliseconds of processor time of each, taking turns."""
    for way in ways.values():
        way()
    times = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, way in ways.items():
            begun = process_time()
            way()
            times[name] = min(times[name], 1000 * (process_time() - begun))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usual = [f"{one}:pseudo=randconv" if one in ("dann", "coral") else one
             for one in list_algorithms() if one != "me_ada"]  # fmt: skip
    parser.add_argument("--algorithms", nargs="+", default=usual)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    busy = load()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (256, 3, 32, 32), generator=generator, dtype=torch.uint8)
    data = DeviceImages(pixels, torch.arange(256) % 10)
    batch = data.pixels(np.arange(options.batch))

    steps = {name: step_of(name, data, options.batch) for name in options.algorithms}
    steps["ada, 15 steps up"] = ascent_of(data, options.batch)
    made = {name: create_algorithm(name) for name in options.algorithms}
    augments = {
        name: (lambda one=one: one.augment(batch))
        for name, one in made.items()
        if hasattr(one, "augment")
    }
    times = least(steps, options.repeats)
    parts = least(augments, 5 * options.repeats)
    report(
        [
            {
                "algorithm": name,
                "batch": options.batch,
                "threads": torch.get_num_threads(),
                "repeats": options.repeats,
                "ms": round(time, 1),
                "ratio": round(time / times["erm"], 2) if "erm" in times else "",
                "passes": PASSES.get(name, 15 if "up" in name else 1),
                "augment_ms": round(parts[name], 2) if name in parts else "",
                "load": busy,
            }
            for name, time in times.items()
        ],
        COLUMNS,
        "a step of training",
        options.out,
    )


if __name__ == "__main__":
    main()
