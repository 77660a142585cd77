"""How long a training of the protocol single-source-digits takes, beside the recipe of a user.

    python benchmarks/protocol.py [--out FILE.csv] [--quick]

The recipe: a torchvision dataset that gives PIL images, ``Resize``, ``ToTensor``, ``Normalize``, a
``DataLoader`` with two workers, the network as it is made, ``torch.optim.Adam`` and a plain loop
with PyTorch's own number of threads; with RandConv its formula is written in the loop. Ours is
``nasneurn bench --protocol single-source-digits`` with as many workers as there are cores, started
from the shell; what it needs once (imports, reading images, the tests on all targets) counts as
`start_s`. A pass over the images is 50 steps here, and the share of held-out images that are
measured after it is the protocol's. Ways take turns, and the least of each counts.

Ways: "nasneurn"; "nasneurn, bf16", the same with ``--precision bf16``; "steps alone", loss,
gradients and fused Adam on one batch, as many processes at once as there are cores; "recipe"; "two
recipes", as many of them at once as there are cores, each with one thread and no workers for the
images; "limit", what the arithmetic, and the weights that Adam reads and writes, would take at the
speed of the faster of a large matrix product and a large convolution, and of a copy.

Columns: `algorithm`, `way`, `at_once` (trainings), `threads` (of each), `steps` (measured, of
each), `ms` (of the machine for one step of one training: those at once share it), `start_s`
(beside the steps, of one command), `training_min` (minutes for 10,000 steps of one training, of
those at once, without the start), `ratio` (the `ms` of "recipe" over these), `cpu_ms` (processor
time for one step of one training, of all its threads, which other work on the machine changes
less; of ours it is what a longer study takes beyond a shorter one), `cpu_ratio` (the `cpu_ms` of
"two recipes" over these), `load` (the machine's load average when the run began, over its cores).
"""

import argparse
import csv
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter

import torch
from benchmark_rows import load, report
from PIL import Image
from side_by_side import measure, serve, times
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms
from torchvision.datasets import VisionDataset

from nasneurn.algorithms import create_algorithm
from nasneurn.domains import load_suite
from nasneurn.networks import create_network

COLUMNS = (
    "algorithm", "way", "at_once", "threads", "steps", "ms", "start_s", "training_min", "ratio",
    "cpu_ms", "cpu_ratio", "load",
)  # fmt: skip
BATCH = 32
#: Images to train on: a pass is 50 steps.
IMAGES = 1600
#: Steps of a training by the protocol.
WHOLE = 10_000
CORES = os.cpu_count() or 1
#: Suite and source; the images of the recipe have the size that their file has.
REAL, BUILT_IN = ("digits-resized", "mnist", 28), ("builtin", "optdigits", 32)

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


# ---------------------------------------------------------------- the recipe


class Digits(VisionDataset):
    """Images in memory, given as PIL images as torchvision's MNIST does."""

    def __init__(self, suite: str, source: str, size: int) -> None:
        steps = [
            transforms.Resize((32, 32)), transforms.ToTensor(),
            transforms.Normalize((0.5,) * 3, (0.5,) * 3),
        ]  # fmt: skip
        super().__init__(root="", transform=transforms.Compose(steps))
        split = load_suite(suite, size=size).images(source, "train")
        self.images, self.labels = split.images[:IMAGES], split.labels[:IMAGES]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def plain(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(network(images), labels)


def random_convolutions(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """RandConv of images from -1 to 1: three mixtures, and the divergence of the answers."""
    answers = []
    for _ in range(3):
        side, alpha = random.choice((1, 3, 5, 7)), random.random()
        kernel = torch.randn(3, 3, side, side) / (side * math.sqrt(3))
        convolved = F.conv2d(images, kernel, padding=side // 2)
        answers.append(network(alpha * images + (1 - alpha) * convolved))
    shares = [F.softmax(answer, dim=1) for answer in answers]
    mean = torch.clamp(sum(shares) / 3, 1e-7, 1).log()
    divergence = sum(F.kl_div(mean, share, reduction="batchmean") for share in shares) / 3
    return F.cross_entropy(answers[0], labels) + 10 * divergence


LOSSES: dict[str, Loss] = {"erm": plain, "randconv": random_convolutions}


def recipe(algorithm: str, suite: tuple[str, str, int], workers: int, seconds: float) -> dict:
    """Milliseconds of a step of the recipe, with what it takes until the first."""
    begun = perf_counter()
    torch.manual_seed(0)
    network, loss = create_network("digits_convnet"), LOSSES[algorithm]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    loader = DataLoader(
        Digits(*suite), BATCH, shuffle=True, drop_last=True, num_workers=workers,
        persistent_workers=workers > 0,
    )  # fmt: skip

    def endless() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from loader

    batches = endless()

    def step() -> None:
        images, labels = next(batches)
        optimizer.zero_grad()
        loss(network, images, labels).backward()
        optimizer.step()

    for _ in range(3):
        step()
    start = perf_counter() - begun
    found = times(step, seconds)
    # The processor time of the loader's own processes is not known here.
    return {**found, "cpu_ms": None if workers else found["cpu_ms"], "start_s": start}


# ---------------------------------------------------------------- this project's way


def steps_alone(algorithm: str, seconds: float) -> dict:
    """Milliseconds of a step of the algorithm on one batch that lies ready."""
    torch.manual_seed(0)
    network = create_network("digits_convnet").to(memory_format=torch.channels_last)
    made = create_algorithm(algorithm)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4, weight_decay=0.0, fused=True)
    images = torch.rand(BATCH, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % 10

    def step() -> None:
        optimizer.zero_grad()
        made.loss(network, images, labels, F.cross_entropy).backward()
        optimizer.step()

    step()
    return times(step, seconds)


def study(
    algorithm: str, suite: tuple[str, str, int], steps: int, precision: str
) -> tuple[dict, float]:
    """A step of the trainings of a study, one for each core, and all its processor time in ms."""
    begun, before = perf_counter(), processor_time()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "nasneurn", "bench", "--protocol", "single-source-digits",
             "--suite", suite[0], "--sources", suite[1], "--stems", "none",
             "--algorithms", algorithm, "--seeds", str(CORES), "--workers", str(CORES),
             "--set", f"train_images={min(IMAGES, steps * BATCH)}", "--set", f"steps={steps}",
             "--precision", precision, "--device", "cpu", "--out", folder],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        spent = perf_counter() - begun
        with (Path(folder) / "history.csv").open() as file:
            passes = list(csv.DictReader(file))
    # The first pass of each begins before the other's, and has what is made at the first step.
    later = [float(row["seconds"]) for row in passes if int(row["epoch"]) > 1]
    later = later or [float(row["seconds"]) for row in passes]
    ms = 1000 * sum(later) / len(later) / min(steps, IMAGES // BATCH)
    told = {"ms": ms / CORES, "cpu_ms": None, "steps": steps, "start_s": spent - ms * steps / 1000}
    return told, processor_time() - before


def processor_time() -> float:
    """Milliseconds of processor time of all processes that were started here and have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (spent.ru_utime + spent.ru_stime)


def our_way(
    algorithm: str, suite: tuple[str, str, int], steps: int, precision: str, short: int
) -> dict:
    """A study as it is measured: its processor time beyond that of a short one, if there is one."""
    told, whole = study(algorithm, suite, steps, precision)
    if short:
        _, start = study(algorithm, suite, short, precision)
        told["cpu_ms"] = (whole - start) / (steps - short) / CORES
    return told


# ---------------------------------------------------------------- the limit


def limit(algorithm: str, seconds: float) -> dict:
    """What a step would take by its arithmetic and by the weights that Adam moves."""
    network, made = create_network("digits_convnet"), create_algorithm(algorithm)
    with FlopCounterMode(display=False) as counter:
        images, labels = torch.rand(BATCH, 3, 32, 32), torch.arange(BATCH) % 10
        made.loss(network, images, labels, F.cross_entropy).backward()
    side = 2048
    left, right, product = (torch.rand(side, side) for _ in range(3))
    torch.mm(left, right, out=product)
    products = times(lambda: torch.mm(left, right, out=product), seconds)
    layer = nn.Conv2d(256, 256, 3, padding=1).to(memory_format=torch.channels_last)
    maps = torch.rand(BATCH, 256, 32, 32).to(memory_format=torch.channels_last)
    with torch.no_grad():
        convolutions = times(lambda: layer(maps), seconds)
    done = 2 * layer.weight.numel() * maps.numel() / 256
    source, copy = torch.rand(2, 2**25)
    copies = times(lambda: copy.copy_(source), seconds)
    # Weight, gradient and both moments are read; weight and both moments are written.
    state = 7 * 4 * sum(one.numel() for one in network.parameters())
    needed = counter.get_total_flops()
    limits = {}
    for name in ("ms", "cpu_ms"):
        operations = max(2 * side**3 / products[name], done / convolutions[name])
        moved = 2 * source.nbytes / copies[name]
        limits[name] = needed / operations + state / moved
        print(
            f"{algorithm}, {name}: {needed / 1e9:.2f} GFLOP a step at {operations / 1e6:.0f} "
            f"GFLOP/s, {state / 1e6:.0f} MB of Adam at {moved / 1e6:.1f} GB/s",
            file=sys.stderr,
        )
    return limits


# ---------------------------------------------------------------- all ways


def line(told: str) -> None:
    """A process of its own that is measured."""
    way, algorithm, suite, workers, seconds = json.loads(told)
    if way == "steps alone":
        serve([lambda: steps_alone(algorithm, seconds)])
    elif way == "limit":
        serve([lambda: limit(algorithm, seconds / 4)])
    else:
        serve([lambda: recipe(algorithm, tuple(suite), workers, seconds)])


def at_once(
    way: str, algorithm: str, suite: tuple, processes: int, workers: int, seconds: float
) -> dict:
    """The mean of processes that are measured at once, the clock's for the machine."""
    variables = {"OMP_NUM_THREADS": str(CORES // processes), "OMP_WAIT_POLICY": None}
    told = [way, algorithm, suite, workers, seconds]
    answers = next(measure(__file__, told, processes, variables))
    means = {
        name: sum(one[name] for one in answers) / processes
        for name in ("ms", "cpu_ms")
        if answers[0][name] is not None
    }
    return {**answers[0], **means, "ms": means["ms"] / processes}


def rows(suite: tuple[str, str, int], repeats: int, quick: bool) -> Iterator[dict]:
    seconds, short = (0.2, 0) if quick else (6.0, IMAGES // BATCH)
    for algorithm, steps in (("erm", 350), ("randconv", 150)):
        steps = 2 if quick else steps
        told = (algorithm, suite)
        ways: dict[str, tuple[int, Callable[[], dict]]] = {
            "nasneurn": (CORES, partial(our_way, *told, steps, "32", short)),
            "recipe": (1, partial(at_once, "recipe", *told, 1, 2, seconds)),
            "two recipes": (CORES, partial(at_once, "recipe", *told, CORES, 0, seconds)),
            "steps alone": (CORES, partial(at_once, "steps alone", *told, CORES, 0, seconds)),
            "limit": (CORES, partial(at_once, "limit", *told, CORES, 0, seconds)),
        }
        if algorithm == "erm":
            ways["nasneurn, bf16"] = (CORES, partial(our_way, *told, steps, "bf16", short))
        found: dict[str, list[dict]] = {way: [] for way in ways}
        for number in range(repeats):
            for way, (_, do) in ways.items():
                if number == 0 or way in ("nasneurn", "recipe", "two recipes"):
                    found[way].append(do())
                    print(f"{algorithm}, {way}: {found[way][-1]}", file=sys.stderr)
        ms, cpu = (
            {way: min((one[name] or math.inf) for one in all_of) for way, all_of in found.items()}
            for name in ("ms", "cpu_ms")
        )
        for way, (processes, _) in ways.items():
            one = found[way][0]
            start = min(told.get("start_s", math.inf) for told in found[way])
            yield {
                "algorithm": algorithm, "way": way, "at_once": processes,
                "threads": CORES // processes, "steps": one.get("steps", ""),
                "ms": round(ms[way], 2), "start_s": shown(start, 1),
                "training_min": round(ms[way] * WHOLE / 60_000, 2),
                "ratio": round(ms["recipe"] / ms[way], 2), "cpu_ms": shown(cpu[way], 2),
                "cpu_ratio": shown(cpu["two recipes"] / cpu[way] or math.inf, 2),
            }  # fmt: skip


def shown(value: float, digits: int) -> float | str:
    """Rounded; what is not known is left empty."""
    return round(value, digits) if math.isfinite(value) else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two steps on the built-in digits")
    parser.add_argument("--line", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.line:
        line(options.line)
        return
    before = load()
    suite, repeats = (BUILT_IN, 1) if options.quick else (REAL, options.repeats)
    found = [{**row, "load": before} for row in rows(suite, repeats, options.quick)]
    report(found, COLUMNS, "A step of single-source-digits", options.out)


if __name__ == "__main__":
    main()
