"""How long a step of training takes on a GPU: as a CUDA graph, without, and in a bare loop.

    python benchmarks/graphs.py [--out FILE.csv] [--quick]

The bare loop has what a user would write for speed: all images on the GPU, `torch.autocast` to
bf16, fused AdamW, one operation after the other. Ours is what a study does, with Lightning, its
callbacks and its batches. With a stem, NeuRN stands in front of the network in all of them. The
ways take turns; the least of each counts.

Columns: `gpu`, `architecture`, `stem`, `batch`, `way` ("nasneurn", "without graphs", "bare loop"),
`steps` (of a turn), `repeats`, `ms` (of a step), `images_per_s`, `ratio` (the `ms` of the bare loop
over these), `load` (the machine's load average when the run began, over its cores).
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from benchmark_rows import least_seconds, load, report
from torch import nn
from torch.nn import functional as F

from nasneurn.algorithms import ERM
from nasneurn.networks import create_network
from nasneurn.progress import meter
from nasneurn.stems import create_stem
from nasneurn.training.fit import fit
from nasneurn.training.images import DeviceImages, ShuffledBatches
from nasneurn.training.protocol import Optimization

COLUMNS = (
    "gpu", "architecture", "stem", "batch", "way", "steps", "repeats", "ms", "images_per_s",
    "ratio", "load",
)  # fmt: skip
ARCHITECTURES = ("digits_convnet", "lcnet_050", "mobilenetv3_small_100", "resnet18")
SIZE, IMAGES, STEPS, RATE = 32, 10_000, 150, 1e-3

Turn = Callable[[], object]


def network_of(architecture: str, stem: str) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(create_stem(stem), create_network(architecture, 10, SIZE, "fit"))
    return network.cuda().to(memory_format=torch.channels_last).train()


def bare(data: DeviceImages, architecture: str, stem: str, batch: int) -> Turn:
    network = network_of(architecture, stem)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.0, fused=True)

    def turn() -> None:
        rows = torch.randperm(len(data), device="cuda")
        for number in range(STEPS):
            chosen = rows[number * batch % (len(data) - batch) :][:batch]
            images = data.images[chosen].float().div_(255)
            optimizer.zero_grad()
            with torch.autocast("cuda", torch.bfloat16):
                loss = F.cross_entropy(network(images), data.labels[chosen])
            loss.backward()
            optimizer.step()
        torch.cuda.synchronize()

    return turn


def ours(data: DeviceImages, architecture: str, stem: str, batch: int, capture: bool) -> Turn:
    network = network_of(architecture, stem)
    optimization = Optimization(RATE, weight_decay=0.0, schedule="constant")

    def turn() -> None:
        loader = ShuffledBatches(data, batch, STEPS, seed=0)
        with meter("steps", STEPS, shown=False) as progress:
            fit(
                network, loader, optimization, ERM(), 0, torch.device("cuda"), progress,
                capture=capture, precision="bf16-mixed",
            )  # fmt: skip
        torch.cuda.synchronize()

    return turn


def compare(
    data: DeviceImages, architecture: str, stem: str, batch: int, repeats: int
) -> Iterator[dict]:
    """Rows of one case."""
    turns = {
        "nasneurn": ours(data, architecture, stem, batch, True),
        "without graphs": ours(data, architecture, stem, batch, False),
        "bare loop": bare(data, architecture, stem, batch),
    }
    least = least_seconds(turns, repeats)
    for way, seconds in least.items():
        yield {
            "gpu": torch.cuda.get_device_name(), "architecture": architecture, "stem": stem,
            "batch": batch, "way": way, "steps": STEPS, "repeats": repeats,
            "ms": round(1000 * seconds / STEPS, 3),
            "images_per_s": round(batch * STEPS / seconds),
            "ratio": round(least["bare loop"] / seconds, 2),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file")
    parser.add_argument("--quick", action="store_true", help="two cases, each once")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("graphs.py measures a GPU, and PyTorch finds none here")
    busy = load()
    images = torch.randint(256, (IMAGES, 3, SIZE, SIZE), dtype=torch.uint8, device="cuda")
    data = DeviceImages(images, torch.arange(IMAGES, device="cuda") % 10)
    cases = [(one, stem, 64) for one in ARCHITECTURES for stem in ("none", "neurn")]
    cases += [("resnet18", "neurn", 512)]
    chosen = cases[1:4:2] if options.quick else cases
    rows = [
        {**row, "load": busy}
        for case in chosen
        for row in compare(data, *case, 1 if options.quick else 3)
    ]
    report(rows, COLUMNS, f"A step of training, torch {torch.__version__}", options.out)


if __name__ == "__main__":
    main()
