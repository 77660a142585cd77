"""What NNI and Lightning cost a supernet's training step, and what a candidate costs to score.

    python benchmarks/supernet.py [--device cpu|cuda] [--out FILE.csv] [--quick]

`step`: a training step of `train_supernet` (NNI's experiment, Lightning's loop, one path a batch)
beside a bare PyTorch loop over plain modules on the same paths and batches, with the same
optimizer. The two take turns, step by step, in one process: the bare step is made in a callback
after each of Lightning's, and from there to the end of the next is what Lightning's step took.

`candidate`: activate a path, recalibrate its batch norms and measure it, in place, beside NNI's own
way: freeze the path into a network, then recalibrate and measure that. The two take turns as well.

Columns: `what` ("step" or "candidate"), `space`, `size`, `device`, `threads`, `batch`, `count`
(steps or candidates timed), `way`, `ms` (median), `per_minute`, `ratio` (ms over the other way's),
`load` (the machine's load average when the run began, over its cores).
"""

import argparse
import copy
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
import torch
from benchmark_rows import load, report
from torch import Tensor, nn
from torch.nn import functional as F

from nasneurn.algorithms import ERM
from nasneurn.search.supernet_budgets import space_budget
from nasneurn.search.supernet_work import SupernetModule
from nasneurn.training.evaluation import accuracy
from nasneurn.training.images import DeviceImages, ShuffledBatches, as_pixels
from nasneurn.training.protocol import Optimization
from search_spaces.autoformer import AutoFormer
from search_spaces.autoformer_sizes import transformer_sizes
from search_spaces.batch_norms import recalibrate
from search_spaces.interface import Architecture, ModelSpace, activate, draw_architecture
from search_spaces.spos import SPOS
from search_spaces.supernet import as_supernet, recalibrated, train_supernet
from search_spaces.transformer import Transformer

COLUMNS = (
    "what", "space", "size", "device", "threads", "batch", "count", "way", "ms", "per_minute",
    "ratio", "load",
)  # fmt: skip
OPTIMIZATION = Optimization(learning_rate=1e-3, weight_decay=0.01, schedule="constant")
SEED = 0
#: Steps at the beginning that are not timed.
WARM_UP = 5


# ---------------------------------------------------------------- plain modules


class PlainSPOS(nn.Module):
    """The SPOS network with all candidates of every block, and no NNI in it."""

    def __init__(self, space: SPOS) -> None:
        super().__init__()
        self.first = copy.deepcopy(space.first_conv)
        self.choices = nn.ModuleDict(
            {
                choice.label: nn.ModuleDict(
                    {name: copy.deepcopy(choice[name]) for name in choice.names}
                )
                for choice in space.features
            }
        )
        self.last = copy.deepcopy(space.conv_last)
        self.classifier = copy.deepcopy(space.classifier)

    def choose(self, path: Architecture) -> None:
        """Take this path from now on."""
        self.path = [self.choices[label][name] for label, name in path.items()]  # type: ignore[index]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits."""
        x = self.first(x)
        for block in self.path:
            x = block(x)
        x = F.dropout(self.last(x).mean((2, 3)), 0.1, self.training)
        return self.classifier(x)


class PlainTransformer(Transformer):
    """The largest transformer, computing as a smaller one, and no NNI in it."""

    def choose(self, path: Architecture) -> None:
        """Take this path from now on."""
        sizes = transformer_sizes(path)
        self.dim, self.depth = sizes["dim"], len(sizes["heads"])
        for layer, heads, hidden in zip(self.layers, sizes["heads"], sizes["hidden"], strict=False):
            layer.heads, layer.hidden = heads, hidden


def plain(space: ModelSpace) -> nn.Module:
    if isinstance(space, SPOS):
        return PlainSPOS(space)
    largest = space.transformer
    sizes = {
        "dim": largest.dim,
        "heads": [layer.heads for layer in largest.layers],
        "hidden": [layer.hidden for layer in largest.layers],
    }
    network = PlainTransformer(**sizes, **largest.settings)
    network.load_state_dict(largest.state_dict())
    return network


# ---------------------------------------------------------------- a step


def images(count: int, size: int, device: torch.device) -> DeviceImages:
    generator = torch.Generator().manual_seed(SEED)
    pixels = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    return DeviceImages(pixels.to(device), (torch.arange(count) % 10).to(device))


def bare_steps(
    network: nn.Module, data: DeviceImages, batch: int, path_of: Callable[[int], Architecture]
) -> Iterator[float]:
    """Seconds of one step after the other of the bare loop."""
    device = data.labels.device
    network = network.to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=OPTIMIZATION.learning_rate,
        weight_decay=OPTIMIZATION.weight_decay,
        fused=True,
    )
    number = 0
    while True:
        begun = perf_counter()
        rows = torch.randint(len(data), (batch,), device=device)
        network.choose(path_of(number))
        optimizer.zero_grad()
        F.cross_entropy(network(as_pixels(data.images[rows])), data.labels[rows]).backward()
        optimizer.step()
        _finish(device)
        yield perf_counter() - begun
        number += 1


class TakeTurns(pl.Callback):
    """Makes a bare step after every step of Lightning's, and times both."""

    def __init__(self, bare: Iterator[float], device: torch.device) -> None:
        self._bare = bare
        self._device = device
        self.ours: list[float] = []
        self.theirs: list[float] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the clock."""
        self._mark = perf_counter()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        """Take a turn."""
        _finish(self._device)
        self.ours.append(perf_counter() - self._mark)
        self.theirs.append(next(self._bare))
        self._mark = perf_counter()


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def step_rows(
    name: str, build: Callable[[], ModelSpace], size: int, batch: int, steps: int, device: str
) -> Iterator[dict]:
    where = torch.device(device)
    data = images(4 * batch, size, where)
    space = build()

    def path_of(number: int) -> Architecture:
        return draw_architecture(space, SEED, number)

    turns = TakeTurns(bare_steps(plain(space), data, batch, path_of), where)
    with tempfile.TemporaryDirectory() as folder:
        train_supernet(
            space.to(memory_format=torch.channels_last),
            SupernetModule(OPTIMIZATION, ERM(), steps, SEED),
            ShuffledBatches(data, batch, steps + WARM_UP, SEED),
            path_of=path_of,
            folder=Path(folder),
            callbacks=[turns],
            accelerator=where.type,
            devices=1,
        )
    ours, theirs = (median(one[WARM_UP:]) for one in (turns.ours, turns.theirs))
    common = {"what": "step", "space": name, "size": size, "batch": batch, "count": steps}
    yield {**common, "way": "NNI and Lightning", "ms": ours, "ratio": ours / theirs}
    yield {**common, "way": "bare loop", "ms": theirs, "ratio": 1.0}


# ---------------------------------------------------------------- a candidate


def candidate_rows(
    name: str, build: Callable[[], ModelSpace], size: int, count: int, device: str
) -> Iterator[dict]:
    where = torch.device(device)
    supernet = as_supernet(build()).to(where, memory_format=torch.channels_last).eval()
    held_out = images(500, size, where)
    calibration = [as_pixels(one) for one in images(512, size, where).images.split(256)]

    def in_place(path: Architecture) -> float:
        with recalibrated(supernet, path, calibration) as network:
            return accuracy(network, held_out)

    def frozen(path: Architecture) -> float:
        # NNI's frozen networks share tensors with the supernet: statistics need a copy.
        network = copy.deepcopy(supernet.freeze(path))
        recalibrate(network, calibration)
        return accuracy(network, held_out)

    seconds: dict[str, list[float]] = {"in place": [], "freeze and run": []}
    for number in range(count + 1):
        path = draw_architecture(supernet, SEED, number)
        activate(supernet, path)
        scores = []
        for way, score in zip(seconds, (in_place, frozen), strict=True):
            begun = perf_counter()
            scores.append(score(path))
            seconds[way].append(perf_counter() - begun)
        assert scores[0] == scores[1], "the two ways measure different networks"
    medians = {way: median(each[1:]) for way, each in seconds.items()}
    for way, value in medians.items():
        yield {
            "what": "candidate", "space": name, "size": size, "batch": 500, "count": count,
            "way": way, "ms": value, "ratio": value / medians["freeze and run"],
        }  # fmt: skip


def rows(device: str, quick: bool) -> Iterator[dict]:
    spaces = {"spos": SPOS, "autoformer": AutoFormer}
    for name, made in spaces.items():
        settings = space_budget(name, "quick").settings

        def build(made: type[ModelSpace] = made, settings: dict = settings) -> ModelSpace:
            torch.manual_seed(SEED)
            return made(**settings)

        yield from step_rows(name, build, 32, 96, 6 if quick else 100, device)
        yield from candidate_rows(name, build, 32, 2 if quick else 20, device)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file")
    parser.add_argument("--quick", action="store_true", help="a few steps")
    options = parser.parse_args()
    busy = load()
    found = []
    for row in rows(options.device, options.quick):
        seconds = row["ms"]
        row |= {"ms": round(1000 * seconds, 2), "per_minute": round(60 / seconds)}
        row |= {"ratio": round(row["ratio"], 3), "device": options.device, "load": busy}
        found.append({**row, "threads": torch.get_num_threads()})
    report(found, COLUMNS, f"Supernets, torch {torch.__version__}", options.out)


if __name__ == "__main__":
    main()
