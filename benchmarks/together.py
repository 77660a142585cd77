"""Several trainings of one network as one computation, beside one training for each core.

    python benchmarks/together.py [--out FILE.csv] [--quick]

All have weights and batches of their own and take the same number of steps; a step is loss,
gradients and fused Adam. Ways:

- "one": a training by itself, as a study does it.
- "vmap": weights stacked by ``torch.func.stack_module_state``, the forward pass by ``vmap``.
- "grouped": networks side by side in the channels of one: convolutions in groups, batch norms of
  as many channels as all have, linear layers as a batch of products.

Each is measured as one process with all cores and as one process for each core, at the same time.

Columns: `network`, `way`, `together` (trainings in one computation), `processes`, `threads` (of
each), `ms` (of the machine, for one step of one training), `gain` (the `ms` of "one" with a process
for each core, which is what a study with as many workers does, over these), `cpu_ms` and `cpu_gain`
(the same of the least processor time of all threads, for one step of one training, which other work
on the machine changes less), `load` (the machine's load average when the run began, over its
cores).
"""

import argparse
import copy
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from benchmark_rows import load, report
from side_by_side import measure, serve, times
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.nn import functional as F

from nasneurn.networks import create_network
from nasneurn.networks.convnet import digits_convnet

COLUMNS = (
    "network", "way", "together", "processes", "threads", "ms", "gain", "cpu_ms", "cpu_gain",
    "load",
)  # fmt: skip
BATCH, CLASSES, SIZE = 32, 10, 32
MEASURED = ("ms", "least_cpu_ms")
CORES = os.cpu_count() or 1
#: As a study trains them, and as published, where images of 32 pixels are one position after
#: few layers, so that operations cost more beside their arithmetic than by it.
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "digits_convnet": digits_convnet,
    "lcnet_035": partial(create_network, "lcnet_035"),
    "mobilenetv3_small_050": partial(create_network, "mobilenetv3_small_050"),
    "mobilenetv3_small_050, as published": partial(
        create_network, "mobilenetv3_small_050", adaptation="as-published"
    ),
}

#: Weights, and the losses (trainings,) of images (trainings, N, C, H, W) with labels.
Trainings = tuple[list[nn.Parameter], Callable[[Tensor, Tensor], Tensor]]


def losses_of(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean losses (trainings,) of logits (trainings, N, classes)."""
    each = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape).mean(1)


# ---------------------------------------------------------------- the ways


def one(networks: Sequence[nn.Module]) -> Trainings:
    (network,) = networks
    network.to(memory_format=torch.channels_last)

    def losses(images: Tensor, labels: Tensor) -> Tensor:
        return losses_of(network(images[0])[None], labels)

    return list(network.parameters()), losses


def vmapped(networks: Sequence[nn.Module]) -> Trainings:
    weights, buffers = stack_module_state(list(networks))
    base = copy.deepcopy(networks[0]).to("meta")

    def answer(weights: dict, buffers: dict, images: Tensor) -> Tensor:
        logits: Tensor = functional_call(base, (weights, buffers), (images,))
        return logits

    every = torch.vmap(answer)

    def losses(images: Tensor, labels: Tensor) -> Tensor:
        return losses_of(every(weights, buffers, images), labels)

    return list(weights.values()), losses


def grouped(networks: Sequence[nn.Module]) -> Trainings:
    wide = side_by_side(networks).to(memory_format=torch.channels_last)

    def losses(images: Tensor, labels: Tensor) -> Tensor:
        channels = images.transpose(0, 1).flatten(1, 2)
        channels = channels.contiguous(memory_format=torch.channels_last)
        return losses_of(wide(channels).unflatten(1, (len(networks), -1)).transpose(0, 1), labels)

    return list(wide.parameters()), losses


def side_by_side(networks: Sequence[nn.Module]) -> nn.Module:
    """Networks as one, from (N, networks x C, H, W) to (N, networks x classes).

    Right where channels meet in convolutions, batch norms and linear layers alone.
    """
    wide = copy.deepcopy(networks[0])
    for name, module in networks[0].named_modules():
        parts = [network.get_submodule(name) for network in networks]
        if isinstance(module, nn.Conv2d):
            made = wide.get_submodule(name)
            made.groups, made.in_channels = (
                number * len(parts) for number in (module.groups, module.in_channels)
            )
        elif isinstance(module, nn.BatchNorm2d):
            made = wide.get_submodule(name)
            made.num_features = module.num_features * len(parts)
            for statistic in ("running_mean", "running_var"):
                setattr(made, statistic, torch.cat([getattr(part, statistic) for part in parts]))
        elif isinstance(module, nn.Linear):
            wide.set_submodule(name, Linears(parts))
            continue
        else:
            assert not list(module.parameters(recurse=False)), f"{name}: {type(module)}"
            continue
        for weight, value in module.named_parameters(recurse=False):
            if value is not None:
                joined = torch.cat([getattr(part, weight).detach() for part in parts])
                setattr(made, weight, nn.Parameter(joined))
    return wide


class Linears(nn.Module):
    """Linear layers side by side: (N, layers x inputs) to (N, layers x outputs)."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers])[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """All layers at once."""
        parts = x.unflatten(1, (len(self.weight), -1)).transpose(0, 1)
        return torch.baddbmm(self.bias, parts, self.weight.mT).transpose(0, 1).flatten(1)


WAYS: dict[str, Callable[[Sequence[nn.Module]], Trainings]] = {
    "one": one, "vmap": vmapped, "grouped": grouped,
}  # fmt: skip


# ---------------------------------------------------------------- timing


def made(network: str, count: int) -> list[nn.Module]:
    """Networks with weights of their own."""
    networks = []
    for seed in range(count):
        torch.manual_seed(seed)
        networks.append(NETWORKS[network]().train())
    return networks


def batches(count: int, batch: int) -> tuple[Tensor, Tensor]:
    """A batch for each training."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, batch, 3, SIZE, SIZE, generator=generator)
    return images, torch.randint(CLASSES, (count, batch), generator=generator)


def timed(network: str, way: str, count: int, seconds: float) -> Callable[[], dict]:
    """What measures the milliseconds of a step of all."""
    weights, losses = WAYS[way](made(network, count))
    optimizer = torch.optim.Adam(weights, 1e-4, fused=True)
    images, labels = batches(count, BATCH)

    def step() -> None:
        optimizer.zero_grad()
        losses(images, labels).sum().backward()
        optimizer.step()

    step()
    return lambda: times(step, seconds)


def cells(quick: bool) -> list[tuple[str, str, int]]:
    counts = (2,) if quick else (2, 4, 8)
    return [
        (network, way, count)
        for network in NETWORKS
        for way in WAYS
        for count in ((1,) if way == "one" else counts)
    ]


def rows(quick: bool) -> Iterator[dict]:
    seconds = 0.1 if quick else 2.5
    found: dict[tuple, tuple[float, float]] = {}
    for processes in {1, CORES}:
        threads = CORES // processes
        variables = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
        answers = measure(__file__, [cells(quick), seconds], processes, variables)
        for cell, each in zip(cells(quick), answers, strict=True):
            ms, cpu = (sum(one[name] for one in each) / processes / cell[2] for name in MEASURED)
            found[(*cell, processes, threads)] = ms / processes, cpu
            print(*cell, processes, ms / processes, cpu, file=sys.stderr)
    for (network, way, count, processes, threads), (ms, cpu) in sorted(found.items()):
        usual = found[network, "one", 1, CORES, 1]
        yield {
            "network": network, "way": way, "together": count, "processes": processes,
            "threads": threads, "ms": round(ms, 2),
            "gain": round(usual[0] / ms, 2), "cpu_ms": round(cpu, 2),
            "cpu_gain": round(usual[1] / cpu, 2),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file")
    parser.add_argument("--quick", action="store_true", help="two trainings together, some steps")
    parser.add_argument("--line", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.line:
        turns, seconds = json.loads(options.line)
        serve(timed(*cell, seconds) for cell in turns)
        return
    before = load()
    found = [{**row, "load": before} for row in rows(options.quick)]
    report(found, COLUMNS, "A step of one training, of several together", options.out)


if __name__ == "__main__":
    main()
