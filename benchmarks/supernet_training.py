"""What each way of training a supernet does to its paths.

    python benchmarks/supernet_training.py [--seeds 2] [--workers 2] [--out FOLDER]

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
from nasneurn.files import written_atomically
from nasneurn.networks.spaces import architecture_name
from nasneurn.progress import meter
from nasneurn.report.style import DPI, STYLE
from nasneurn.search import Outputs, SearchConfig, StemChoice, budget_named
from nasneurn.search.candidates import Scorer
from nasneurn.search.jobs import JobWork
from nasneurn.search.run import JobRunner, all_work
from nasneurn.training.evaluation import accuracy
from search_spaces.interface import activate, draw_architecture

PATHS = 32
BATCHES = 400
USUAL = "usual"
_FOUR_PATHS = {"accumulate": 4, "steps": BATCHES // 4}
#: Fields of the quick budget that each way changes.
VARIANTS: dict[str, dict[str, Any]] = {
    USUAL: {},
    "published initialization": {
        "settings": {"width": 0.25, "blocks": [2, 2, 4, 2], "initialization": "published"}
    },
    "constant learning rate": {"schedule": "constant"},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "EMA 0.99": {"ema": 0.99},
    "fair": {"sampling": "fair"},
    "4 uniform paths a step": _FOUR_PATHS,
    "4 fair paths a step": {"sampling": "fair", **_FOUR_PATHS},
    "sandwich of 4 a step": {"sampling": "sandwich", **_FOUR_PATHS},
}
#: Images that set the statistics of a path of the usual supernet; none are its own.
CALIBRATIONS = (0, 32, 128, 1024)


@dataclass(frozen=True)
class Task:
    """A way and a seed; ``path`` is where the result goes."""

    way: str
    seed: int
    path: Path


def measure(task: Task) -> None:
    """Train one supernet and measure random paths of it."""
    torch.set_num_threads(1)
    budget = budget_named("quick", "spos").model_copy(
        update={"steps": BATCHES, **VARIANTS[task.way]}
    )
    config = SearchConfig(
        space="spos", suite="builtin", image_size=32, sources=("optdigits",),
        stems=(StemChoice(name="none"),), seeds=(task.seed,), budget_name="quick", budget=budget,
    )  # fmt: skip
    outputs = Outputs(task.path.with_suffix(""))
    (work,) = all_work(config, outputs, torch.device("cpu"), None)
    JobRunner(work, shown=False).train()
    rows = list(_rows(task, work))
    with written_atomically(task.path) as draft:
        draft.write_text(json.dumps(rows))


def _rows(task: Task, work: JobWork) -> Iterator[dict[str, Any]]:
    supernet = work.load_supernet()
    ways = {task.way: work.config.budget.calibration_images}
    if task.way == USUAL:
        ways |= {_calibrated(count): count for count in CALIBRATIONS}
    for way, count in ways.items():
        budget = work.config.budget.model_copy(update={"calibration_images": count})
        changed = JobWork(
            **{**vars(work), "config": work.config.model_copy(update={"budget": budget})}
        )
        scorer = Scorer(changed, supernet)
        for number in range(PATHS):
            path = draw_architecture(supernet, 10_000, task.seed, number)
            activate(supernet, path)
            score = scorer(path) if count else accuracy(supernet, work.images().held_out)
            yield {
                "way": way,
                "seed": task.seed,
                "batches": BATCHES,
                "path": architecture_name(path),
                "accuracy": score,
            }


def _calibrated(count: int) -> str:
    return f"recalibrated on {count}" if count else "not recalibrated"


def ways_of(paths: pd.DataFrame) -> pd.DataFrame:
    """One row a way: mean accuracy over paths and seeds, and the difference to the usual way."""
    means = paths.groupby(["way", "seed"], sort=False)["accuracy"].mean().unstack("seed")
    rows = []
    for way, own in means.iterrows():
        difference = own - means.loc[USUAL]
        ends = t_interval(difference)[1:3] if len(own) > 1 else (None, None)
        row = {"way": way, "seeds": len(own), "accuracy": own.mean()}
        rows.append(row | {"difference": difference.mean(), "low": ends[0], "high": ends[1]})
    return pd.DataFrame(rows)


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
        axis.set_title(f"SPOS supernets after {BATCHES} batches of optdigits; chance is dashed")
        figure.savefig(path, dpi=DPI)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/supernet-training"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    state = options.out / "state"
    state.mkdir(parents=True, exist_ok=True)
    tasks = [
        Task(way, seed, state.resolve() / f"{way.replace(' ', '-')}-{seed}.json")
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
    paths.to_csv(options.out / "paths.csv", index=False)
    ways.to_csv(options.out / "ways.csv", index=False)
    draw(paths, options.out / "ways.png")
    print(ways.to_string(index=False))


if __name__ == "__main__":
    main()
