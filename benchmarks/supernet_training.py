"""What each way of training a supernet does to its paths.

    python benchmarks/supernet_training.py [--seeds 2] [--workers 2] [--out FOLDER] [--quick]

SPOS supernets of the quick budget are trained on optdigits on 400 batches each, in each way of
`VARIANTS`; then random paths, the same for all, are measured on held-out images. Where a step takes
several batches there are fewer steps, so that every way sees the same images as often. The usual
one is also measured with batch-norm statistics from fewer images, and with the supernet's own.

Writes `paths.csv`, a row for each way, seed and path; `ways.csv`, the mean over the paths of each
seed, and its difference to the usual way with Student's interval over the seeds; and `ways.png`.
Run again, it continues where it stopped.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import benchmark_rows  # noqa: F401 - puts this folder last on the path
import matplotlib as mpl
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure

from nasneurn import engines
from nasneurn.analysis.intervals import t_interval
from nasneurn.choices import Choice
from nasneurn.domains import load_suite
from nasneurn.files import written_atomically
from nasneurn.networks.found import choices_name
from nasneurn.progress import meter
from nasneurn.report.style import DPI, STYLE
from nasneurn.search.candidates import Scorer, held_out_images, trained_supernet
from nasneurn.search.search_config import SearchConfig, plan_search
from nasneurn.search.supernet_unit import Supernet
from nasneurn.search.supernet_work import SupernetWork
from nasneurn.studies.units import Place
from nasneurn.training.evaluation import accuracy
from search_spaces.interface import activate, draw_architecture

PATHS_COLUMNS = ("way", "seed", "batches", "path", "accuracy")
WAYS_COLUMNS = ("way", "seeds", "accuracy", "difference", "low", "high")
PATHS = 32
BATCHES = 400
USUAL = "usual"
#: What each way changes: arguments of the space as they are, and fields of the quick budget.
VARIANTS: dict[str, dict[str, Any]] = {
    USUAL: {},
    "published initialization": {"space": {"initialization": "published"}},
    "constant learning rate": {"schedule": "constant"},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "EMA 0.99": {"ema": 0.99},
    "fair": {"sampling": "fair"},
    "4 uniform paths a step": {"accumulate": 4},
    "4 fair paths a step": {"accumulate": 4, "sampling": "fair"},
    "sandwich of 4 a step": {"accumulate": 4, "sampling": "sandwich"},
}
#: Images that set the statistics of a path of the usual supernet; none are its own.
CALIBRATIONS = (0, 32, 128, 1024)


@dataclass(frozen=True)
class Task:
    """A way and a seed; ``path`` is where the result goes."""

    way: str
    seed: int
    batches: int
    paths: int
    path: Path


def measure(task: Task) -> None:
    """Train one supernet and measure random paths of it."""
    torch.set_num_threads(1)
    place = Place(load_suite("builtin").handle, task.path.with_suffix(""), shown=False)
    unit = supernet_of(task)
    SupernetWork(unit, place).train()
    rows = list(_rows(task, unit, place))
    with written_atomically(task.path) as draft:
        draft.write_text(json.dumps(rows))


def supernet_of(task: Task) -> Supernet:
    """The supernet of a way and a seed."""
    changes = dict(VARIANTS[task.way])
    space = Choice(name="spos", options=changes.pop("space", {}))
    changes["steps"] = task.batches // changes.get("accumulate", 1)
    fields = plan_search(
        space=str(space),
        stems=["none"],
        algorithms=["erm"],
        suite="builtin",
        image_size=None,
        splits=None,
        data_dir=None,
        sources_named=["optdigits"],
        targets=["all"],
        seeds=[f"{task.seed},"],
        budget="quick",
        changes={f"supernet.{field}": value for field, value in changes.items()},
        precision="32",
        device="cpu",
    )
    (unit,) = SearchConfig.checked(**fields).supernets()
    return unit


def _rows(task: Task, unit: Supernet, place: Place) -> Iterator[dict[str, Any]]:
    supernet = trained_supernet(unit, place)
    ways = {task.way: unit.supernet.calibration_images}
    if task.way == USUAL:
        ways |= {_calibrated(count): count for count in CALIBRATIONS}
    for way, count in ways.items():
        budget = unit.supernet.model_copy(update={"calibration_images": count})
        scorer = Scorer(unit.model_copy(update={"supernet": budget}), place, supernet)
        for number in range(task.paths):
            path = draw_architecture(supernet, 10_000, task.seed, number)
            activate(supernet, path)
            score = scorer(path) if count else accuracy(supernet, held_out_images(unit, place))
            row = (way, task.seed, task.batches, choices_name(path), score)
            yield dict(zip(PATHS_COLUMNS, row, strict=True))


def _calibrated(count: int) -> str:
    return f"recalibrated on {count}" if count else "not recalibrated"


def ways_of(paths: pd.DataFrame) -> pd.DataFrame:
    """One row a way: mean accuracy over paths and seeds, and the difference to the usual way."""
    means = paths.groupby(["way", "seed"], sort=False)["accuracy"].mean().unstack("seed")
    rows = []
    for way, own in means.iterrows():
        difference = own - means.loc[USUAL]
        low, high = t_interval(difference)[1:3] if len(own) > 1 else (None, None)
        rows.append((way, len(own), own.mean(), difference.mean(), low, high))
    return pd.DataFrame(rows, columns=list(WAYS_COLUMNS))


def draw(paths: pd.DataFrame, path: Path) -> None:
    """Accuracy of every path, by way and seed."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 5.2), layout="constrained")
        axis = figure.subplots()
        shown = paths.assign(percent=paths["accuracy"] * 100)
        sns.stripplot(
            shown, y="way", x="percent", hue="seed", dodge=True, size=3, ax=axis, palette="crest"
        )
        axis.axvline(10, color="0.6", linewidth=1, linestyle="--")
        axis.set(xlabel="held-out accuracy of random paths (%)", ylabel="", xlim=(0, 100))
        batches = paths["batches"].iloc[0]
        axis.set_title(f"SPOS supernets after {batches} batches of optdigits; chance is dashed")
        figure.savefig(path, dpi=DPI)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="results/supernet-training by default")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="8 batches and 3 paths of each way")
    options = parser.parse_args()
    # What is quick takes no measured result's place.
    usual = "results/supernet-training" + ("-quick" if options.quick else "")
    out = options.out or Path(usual)
    state = out / "state"
    state.mkdir(parents=True, exist_ok=True)
    size = (8, 3) if options.quick else (BATCHES, PATHS)
    tasks = [
        Task(way, seed, *size, state.resolve() / f"{way.replace(' ', '-')}-{seed}-{size[0]}.json")
        for seed in range(options.seeds)
        for way in VARIANTS
    ]
    left = [task for task in tasks if not task.path.exists()]
    engine = "local" if options.workers > 1 else "here"
    with meter("supernets", len(left)) as progress:
        for task, answer in engines.run(engine, measure, iter(left), options.workers):
            if isinstance(answer, engines.Failure):
                raise SystemExit(answer.details)
            progress.advance(1, task.way)
    paths = pd.DataFrame([row for task in tasks for row in json.loads(task.path.read_text())])
    ways = ways_of(paths)
    paths.to_csv(out / "paths.csv", index=False)
    ways.to_csv(out / "ways.csv", index=False)
    draw(paths, out / "ways.png")
    print(ways.to_string(index=False))


if __name__ == "__main__":
    main()
