"""A suite of many image files: how long until it trains, in how much memory, and how fast.

    python benchmarks/folders.py [--files 600000] [--folder DIR] [--out FILE.csv] [--quick]
                                 [--lines NAME,NAME]

A tree of small JPEG files, each another picture, is made once in the folder (which may stay there
for a second run); that takes minutes and is not counted. Then each line of the table is a process
of its own, so that its peak of resident memory is that of one way alone. A training is a plain loop
over ``ShuffledBatches`` with a network so small that the reading of images counts, on one thread of
PyTorch. ``--lines`` does some lines again in a folder that was kept; the file keeps the others.

Columns: `what`, `files` (in the tree), `size` (of a decoded image), `images` (that this line went
through), `seconds` (wall clock, from the start of the process to the end of its work),
`work_seconds` (without imports and whatever went before), `images_per_s` (over `work_seconds`),
`peak_mib` (of resident memory), `load` (the machine's load average when the line began, over its
cores; above 1, others wanted the cores too).

Lines: `scan` (names, sizes and times of all files); `first command` (scan, decode and hash all
files, nothing in the cache); `plan` (labels of all parts, with the cache filled); `first step`
(digests of all parts and one training step, with the cache filled); `open in a worker` (a suite by
its handle); `epoch` of one source's training images, `in memory`, `streamed` from the cache, and
`decoded` from the files while training; `decode in threads` and `decode in processes` (files alone,
without a training, to choose between the two). Files are read from the disk's cache in memory.
"""

import argparse
import csv
import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from benchmark_rows import load, report
from PIL import Image

from nasneurn.domains import Suite, load_suite
from nasneurn.domains.decoding import decode
from nasneurn.domains.pixels import mapped, threads

COLUMNS = (
    "what", "files", "size", "images", "seconds", "work_seconds", "images_per_s", "peak_mib",
    "load",
)  # fmt: skip
SIZE = 64
DOMAINS = ("clipart", "painting", "photo", "sketch")
CLASSES = 150
BATCH = 256
#: Images of the lines that decode, which are slower.
DECODED = 20_000


# ---------------------------------------------------------------- the tree


def make_class(root: Path, each: int, number: int) -> None:
    """Write the files of one class of one domain."""
    domain, label = divmod(number, CLASSES)
    folder = root / DOMAINS[domain] / f"class{label:03}"
    folder.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng([domain, label]).integers(0, 256, (each, 6, 6, 3), np.uint8)
    for row in range(each):
        picture = Image.fromarray(coarse[row]).resize((96, 72), Image.Resampling.BILINEAR)
        picture.save(folder / f"{row:05}.jpg", quality=60)


def make_tree(root: Path, files: int) -> None:
    """Write about so many files, unless they are there."""
    done = root / ".made"
    each = max(2, files // (len(DOMAINS) * CLASSES))
    if done.is_file() and done.read_text() == str(each):
        return
    shutil.rmtree(root, ignore_errors=True)
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(partial(make_class, root, each), range(len(DOMAINS) * CLASSES)):
            pass
    done.write_text(str(each))


# ---------------------------------------------------------------- lines, each in a process


def scan(root: Path) -> int:
    suite = load_suite(root, size=SIZE)
    return sum(len(suite.labels(domain, "all")) for domain in suite.domains)


def first_command(root: Path) -> int:
    list(_digests(load_suite(root, size=SIZE)))
    return scan(root)


def plan(root: Path) -> int:
    suite = load_suite(root, size=SIZE)
    parts = ("train", "test", "all")
    return sum(len(suite.labels(domain, part)) for domain in suite.domains for part in parts)


def _digests(suite: Suite) -> Iterator[str]:
    yield suite.digest(DOMAINS[0], "train")
    for domain in suite.domains:
        yield suite.digest(domain, suite.tested(domain, DOMAINS[:1]))


def first_step(root: Path) -> int:
    suite = load_suite(root, size=SIZE)
    list(_digests(suite))
    return _train(suite, BATCH, timed=False)


def open_in_a_worker(root: Path) -> int:
    """Timed from the opening on; the parent's scan goes before."""
    handle = pickle.dumps(load_suite(root, size=SIZE).handle)
    code = (
        "import pickle, sys, time; import nasneurn.domains as domains; begun = time.perf_counter();"
        f"suite = pickle.loads({handle!r}).open();"
        f"print(len(suite.labels({DOMAINS[0]!r}, 'train')), time.perf_counter() - begun)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    images, seconds = done.stdout.split()
    _begin(time.perf_counter() - float(seconds))
    return int(images)


def _train(
    suite: Suite, most: int | None = None, memory: int | None = None, timed: bool = True
) -> int:
    import torch
    from torch import nn
    from torch.nn import functional as F

    from nasneurn.training.images import MEMORY_LIMIT, ShuffledBatches, open_images

    split = suite.images(DOMAINS[0], "train")
    rows = None if most is None else np.arange(len(split))[:: max(1, len(split) // most)][:most]
    data = open_images(split, rows, torch.device("cpu"), memory=memory or MEMORY_LIMIT)
    torch.set_num_threads(1)  # the other cores are for the reading
    network = nn.Sequential(
        nn.Conv2d(3, 8, 4, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.Linear(128, CLASSES),
    )  # fmt: skip
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    loader = ShuffledBatches(data, BATCH, len(data) // BATCH, seed=0)
    if timed:
        _begin()
    for images, labels in loader:
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()
    return len(loader) * BATCH


def epoch_in_memory(root: Path) -> int:
    return _train(load_suite(root, size=SIZE), memory=2**40)


def epoch_streamed(root: Path) -> int:
    return _train(load_suite(root, size=SIZE), memory=1)


def epoch_decoded(root: Path) -> int:
    suite = load_suite(root, size=SIZE)
    images = suite.images(DOMAINS[0], "train").images
    assert images.decoding, "the cache holds the images"
    return _train(suite, DECODED, memory=1)


def _some_paths(root: Path) -> list[str]:
    paths = sorted((root / DOMAINS[0]).glob("*/*.jpg"))
    return [str(path) for path in paths[:: max(1, len(paths) // DECODED)][:DECODED]]


def decode_in_threads(root: Path) -> int:
    paths = _some_paths(root)
    list(mapped(partial(decode, size=SIZE), paths[:64]))
    _begin()
    return sum(1 for _ in mapped(partial(decode, size=SIZE), paths))


def decode_in_processes(root: Path) -> int:
    paths = _some_paths(root)
    with ProcessPoolExecutor(threads()) as pool:
        list(pool.map(partial(decode, size=SIZE), paths[:64], chunksize=8))
        _begin()
        return sum(1 for _ in pool.map(partial(decode, size=SIZE), paths, chunksize=32))


LINES: dict[str, Callable[[Path], int]] = {
    "scan": scan,
    "first command": first_command,
    "plan": plan,
    "first step": first_step,
    "open in a worker": open_in_a_worker,
    "epoch in memory": epoch_in_memory,
    "epoch streamed": epoch_streamed,
    "epoch decoded": epoch_decoded,
    "decode in threads": decode_in_threads,
    "decode in processes": decode_in_processes,
}

_begun = 0.0


def _begin(moment: float | None = None) -> None:
    """What counts as the work of this line begins now, or began at a moment."""
    global _begun
    _begun = time.perf_counter() if moment is None else moment


def run_line(what: str, root: Path) -> None:
    """Do one line, and print what it took: called in a process of its own."""
    _begin()
    images = LINES[what](root)
    worked = time.perf_counter() - _begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"images": images, "work_seconds": worked, "peak_mib": peak / 1024}))


# ---------------------------------------------------------------- all lines


def rows(folder: Path, files: int, lines: Sequence[str]) -> Iterator[dict]:
    root, cache = folder / "tree", folder / "cache"
    make_tree(root, files)
    if "first command" in lines:
        shutil.rmtree(cache, ignore_errors=True)
    for what in lines:
        places = {"NASNEURN_CACHE": str(cache)}
        if what == "scan":
            places["NASNEURN_CACHE"] = str(folder / "no-cache")
        if what == "epoch decoded":
            places = {"NASNEURN_CACHE": str(folder / "no-cache"), "NASNEURN_CACHE_LIMIT": "0"}
        busy, begun = load(), time.perf_counter()
        done = subprocess.run(
            [sys.executable, __file__, "--line", what, "--folder", str(root)],
            check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **places},
        )  # fmt: skip
        seconds = time.perf_counter() - begun
        line = json.loads(done.stdout.splitlines()[-1])
        worked = line["work_seconds"]
        yield {
            "what": what, "files": files, "size": SIZE, "images": line["images"],
            "seconds": round(seconds, 2), "work_seconds": round(worked, 2),
            "images_per_s": round(line["images"] / worked), "peak_mib": round(line["peak_mib"]),
            "load": busy,
        }  # fmt: skip
        print(what, round(seconds, 1), "s", file=sys.stderr, flush=True)
    shutil.rmtree(folder / "no-cache", ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--files", type=int, default=600_000, help="files of the tree")
    parser.add_argument("--folder", type=Path, help="where the tree is made; by default removed")
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file")
    parser.add_argument("--quick", action="store_true", help="a tree of 6,000 files")
    parser.add_argument("--lines", help="only these lines, with commas between them")
    parser.add_argument("--line", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.line:
        run_line(options.line, options.folder)
        return
    files = 6_000 if options.quick else options.files
    with tempfile.TemporaryDirectory() as temporary:
        lines = options.lines.split(",") if options.lines else list(LINES)
        found = {row["what"]: row for row in rows(options.folder or Path(temporary), files, lines)}
    if options.lines and options.out and options.out.is_file():
        with options.out.open() as file:
            found = {row["what"]: row for row in csv.DictReader(file)} | found
    report(
        [found[what] for what in LINES if what in found],
        COLUMNS,
        f"A suite of {files:,} image files",
        options.out,
    )


if __name__ == "__main__":
    main()
