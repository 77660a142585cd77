"""How long NeuRN takes, beside other ways to compute it and beside a plain copy.

    python benchmarks/stem.py [--out FILE.csv] [--quick]

All ways are timed in one run, one call of each in turn, so that a slow moment of the machine
strikes them all. What counts is `ratio`: a way's median over the median of `x.clone()`. The copy
itself varies tenfold with where the allocator finds its memory; `ms` says which it was.

Columns: `what` ("forward", "forward+backward", "resnet50 step", "first call"), `way`, `device`,
`threads`, `batch`, `channels`, `size` (pixels), `k`, `repeats`, `ms` (median), `ms_min`, `ratio`
(to the copy; for "resnet50 step" the stem's share of the step; empty for "first call").
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from benchmark_rows import report
from torch import Tensor

from nasneurn import stems
from nasneurn.stems.moments import deviations, respond

COLUMNS = (
    "what", "way", "device", "threads", "batch", "channels", "size", "k", "repeats",
    "ms", "ms_min", "ratio",
)  # fmt: skip
#: Values in one batch beyond which a slow rival is left out.
SLOW_LIMIT = 1_000_000

Way = Callable[[Tensor, int], Tensor]


# ---------------------------------------------------------------- the ways


def copy(x: Tensor, k: int) -> Tensor:
    return x.clone()


def kernel(x: Tensor, k: int) -> Tensor:
    return stems.neurn(x, k)


def plain(x: Tensor, k: int) -> Tensor:
    return respond(*deviations(x, k, "reflect"), "image", "contrast", 1e-3)


def scaled(sigma: Tensor) -> Tensor:
    return sigma / sigma.amax((1, 2, 3), keepdim=True)


def unfold_std(x: Tensor, k: int) -> Tensor:
    padded = F.pad(x, (k // 2,) * 4, mode="reflect")
    patches = padded.unfold(2, k, 1).unfold(3, k, 1)
    return scaled(patches.std((-2, -1), correction=0))


def avg_pool(x: Tensor, k: int) -> Tensor:
    padded = F.pad(x, (k // 2,) * 4, mode="reflect")
    variance = F.avg_pool2d(padded**2, k, 1) - F.avg_pool2d(padded, k, 1) ** 2
    return scaled(variance.clamp_min(1e-12).sqrt())


def scipy_filter(x: Tensor, k: int) -> Tensor:
    from scipy.ndimage import uniform_filter

    a, size = x.numpy(), (1, 1, k, k)
    mean = uniform_filter(a, size, mode="mirror")
    squares = uniform_filter(a * a, size, mode="mirror")
    return scaled(torch.from_numpy(np.sqrt(np.maximum(squares - mean * mean, 0))))


def opencv_filter(x: Tensor, k: int) -> Tensor:
    import cv2

    out = torch.empty_like(x)
    height, width = x.shape[2:]
    sources = x.reshape(-1, height, width).numpy()
    for source, target in zip(sources, out.view(-1, height, width).numpy(), strict=True):
        mean = cv2.boxFilter(source, -1, (k, k), borderType=cv2.BORDER_REFLECT_101)
        squares = cv2.sqrBoxFilter(source, -1, (k, k), borderType=cv2.BORDER_REFLECT_101)
        np.sqrt(np.maximum(squares - mean * mean, 0), out=target)
    return scaled(out)


def ways(device: str, backward: bool, values: int, quick: bool) -> dict[str, Way]:
    chosen: dict[str, Way] = {"copy": copy}
    if device == "cpu":
        chosen["neurn kernel"] = kernel
    chosen["neurn plain"] = plain
    if not quick:
        chosen["neurn compiled"] = torch.compile(plain, dynamic=False)
    chosen["avg_pool"] = avg_pool
    if device != "cpu" or values <= SLOW_LIMIT:
        chosen["unfold + std"] = unfold_std
    if device == "cpu" and not backward and values <= 10 * SLOW_LIMIT:
        chosen["scipy"] = scipy_filter
        if find_spec("cv2"):
            chosen["opencv"] = opencv_filter
    return chosen


# ---------------------------------------------------------------- timing


def wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def interleaved(calls: dict[str, Callable[[], object]], device: str, seconds: float) -> dict:
    """Times of each call in ms; the slow ones are called less often."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():  # compile, warm up
        call()
        call()
    begun = time.perf_counter()
    round_ = 0
    while round_ < 5 or (time.perf_counter() - begun < seconds and round_ < 200):
        for name, call in calls.items():
            rare = times[name] and times[name][0] > 200
            if rare and len(times[name]) >= 3:
                continue
            wait(device)
            start = time.perf_counter()
            call()
            wait(device)
            times[name].append(1000 * (time.perf_counter() - start))
        round_ += 1
    return times


def row(what: str, way: str, x: Tensor, k: int | str, times: list[float], ratio: object) -> dict:
    n, c, h, _ = x.shape
    return {
        "what": what, "way": way, "device": x.device.type, "threads": torch.get_num_threads(),
        "batch": n, "channels": c, "size": h, "k": k, "repeats": len(times),
        "ms": round(statistics.median(times), 4), "ms_min": round(min(times), 4), "ratio": ratio,
    }  # fmt: skip


def compare(x: Tensor, k: int, backward: bool, seconds: float, quick: bool) -> list[dict]:
    device = x.device.type
    chosen = ways(device, backward, x.numel(), quick)
    leaf = x.clone().requires_grad_(backward)
    weights = torch.rand_like(x)

    def once(way: Way) -> Callable[[], object]:
        if backward:
            return lambda: torch.autograd.grad(way(leaf, k), leaf, weights)
        return lambda: way(x, k)

    with torch.set_grad_enabled(backward):
        times = interleaved({name: once(way) for name, way in chosen.items()}, device, seconds)
    base = statistics.median(times["copy"])
    what = "forward+backward" if backward else "forward"
    return [
        row(what, name, x, k, t, round(statistics.median(t) / base, 3)) for name, t in times.items()
    ]


def resnet_share(device: str, batch: int, seconds: float) -> list[dict]:
    """The stem's share of a training step of ResNet-50 at 32 x 32."""
    import timm

    net = timm.create_model("resnet50", num_classes=10).to(device).train()
    optimizer = torch.optim.Adam(net.parameters())
    x = torch.rand(batch, 3, 32, 32, device=device)
    labels = torch.zeros(batch, dtype=torch.long, device=device)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(x), labels).backward()
        optimizer.step()

    times = interleaved({"step": step, "neurn": lambda: stems.neurn(x)}, device, seconds)
    whole = statistics.median(times["step"]) + statistics.median(times["neurn"])
    return [
        row("resnet50 step", name, x, 3 if name == "neurn" else "", t,
            round(statistics.median(t) / whole, 5))
        for name, t in times.items()
    ]  # fmt: skip


FIRST = """
import time, torch
from nasneurn.stems import neurn
x = torch.rand(8, 3, 32, 32)
start = time.perf_counter()
neurn(x)
print(1000 * (time.perf_counter() - start))
"""


def first_call() -> list[dict]:
    """In a fresh process: with nothing in numba's cache, and with what that left there."""
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        for way in ("cold cache", "warm cache"):
            done = subprocess.run(
                [sys.executable, "-c", FIRST],
                env={**os.environ, "NUMBA_CACHE_DIR": cache},
                capture_output=True,
                text=True,
                check=True,
            )
            x = torch.empty(8, 3, 32, 32)
            rows.append(row("first call", way, x, 3, [float(done.stdout)], ""))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file")
    parser.add_argument("--quick", action="store_true", help="a few sizes, a few seconds")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    seconds = 0.3 if options.quick else 3.0

    cases = [(256, 32, 3), (16, 224, 3)]
    if not options.quick:
        cases = [(n, s, k) for n, s in [(1, 32), (256, 32), (64, 96)] for k in (3, 5, 9, 15)]
        cases += [(64, 224, k) for k in (3, 9, 15)]
    rows: list[dict] = []
    for n, size, k in cases:
        x = torch.rand(n, 3, size, size, device=device)
        for backward in (False, True):
            rows += compare(x, k, backward, seconds, options.quick)
            torch._dynamo.reset()
    rows += resnet_share(device, 32 if options.quick else 128, seconds)
    if device == "cpu":
        rows += first_call()

    report(rows, COLUMNS, f"NeuRN, torch {torch.__version__}", options.out)


if __name__ == "__main__":
    main()
