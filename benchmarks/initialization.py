"""What aligned candidates do for a supernet that is trained for few steps.

    python benchmarks/initialization.py [--out results/initialization] [--seeds 2]

For each initialization and seed, a SPOS supernet is trained on optdigits as `nasneurn search
--budget quick` trains it, and 32 random paths are measured on held-out images, each with
batch-norm statistics of its own. Writes `paths.csv`, a row for each path (`initialization`, `seed`,
`steps`, `path`, `accuracy`), and `paths.png`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure

# Beside this script lies another of the name of a package that it imports.
sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).parent]

from nasneurn.domains import hold_out, load_suite  # noqa: E402
from nasneurn.evaluation import accuracy  # noqa: E402
from nasneurn.progress import meter  # noqa: E402
from nasneurn.report.search_figures import DPI, STYLE  # noqa: E402
from nasneurn.search import BUDGETS  # noqa: E402
from nasneurn.search.run import SupernetModule  # noqa: E402
from nasneurn.search.spaces import architecture_name  # noqa: E402
from nasneurn.training import DeviceImages, MeterCallback, Recipe, ShuffledBatches, as_pixels  # noqa: E402
from search_spaces.nni_fixes import draw_architecture  # noqa: E402
from search_spaces.spos import SPOS  # noqa: E402
from search_spaces.supernet import recalibrated, train_supernet  # noqa: E402

PATHS = 32
BUDGET = BUDGETS["spos"]["quick"]


def measure(initialization: str, seed: int) -> list[dict[str, object]]:
    """Train one supernet and measure random paths of it."""
    cpu = torch.device("cpu")
    fit, held_out = (
        DeviceImages.of(split, cpu)
        for split in hold_out(load_suite("builtin").load("optdigits").train)
    )
    torch.manual_seed(seed)
    space = SPOS(**BUDGET.settings, initialization=initialization)
    recipe = Recipe(BUDGET.learning_rate, BUDGET.weight_decay, shift=BUDGET.shift)
    title = f"{initialization}, seed {seed}"
    with tempfile.TemporaryDirectory() as folder, meter(title, BUDGET.steps) as progress:
        supernet = train_supernet(
            space.to(memory_format=torch.channels_last),
            SupernetModule(recipe, BUDGET.steps, seed),
            ShuffledBatches(fit, BUDGET.batch_size, BUDGET.steps, seed),
            path_of=lambda batch: draw_architecture(space, seed, batch),
            folder=Path(folder),
            callbacks=[MeterCallback(progress)],
            accelerator="cpu",
            devices=1,
        )
    calibration = [as_pixels(fit.images[:512])]
    rows: list[dict[str, object]] = []
    for number in range(PATHS):
        path = draw_architecture(supernet, 10_000, seed, number)
        with recalibrated(supernet, path, calibration) as network:
            rows.append(
                {
                    "initialization": initialization,
                    "seed": seed,
                    "steps": BUDGET.steps,
                    "path": architecture_name(path),
                    "accuracy": accuracy(network, held_out),
                }
            )
    return rows


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Accuracy of every path, by initialization and seed."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 3.4), layout="constrained")
        axis = figure.subplots()
        shown = rows.assign(percent=rows["accuracy"] * 100)
        sns.stripplot(
            shown, x="initialization", y="percent", hue="seed", dodge=True, size=4, ax=axis,
            palette="crest",
        )  # fmt: skip
        axis.axhline(10, color="0.6", linewidth=1, linestyle="--")
        axis.text(1, 11, "chance", ha="right", color="0.45", transform=axis.get_yaxis_transform())
        axis.set(ylabel="held-out accuracy of random paths (%)", xlabel="", ylim=(0, 100))
        axis.set_title(f"SPOS supernets after {rows['steps'].iloc[0]} steps on optdigits")
        figure.savefig(path, dpi=DPI)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/initialization"))
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for seed in range(options.seeds):
        for initialization in ("aligned", "published"):
            rows += measure(initialization, seed)
    table = pd.DataFrame(rows)
    table.to_csv(options.out / "paths.csv", index=False)
    draw(table, options.out / "paths.png")
    print(table.groupby(["initialization", "seed"])["accuracy"].describe()[["mean", "min", "max"]])


if __name__ == "__main__":
    main()
