"""A grid that ends in seconds: ``python tiny_bench.py OUT [ENGINE [WORKERS [SEEDS]]]``.

No figures are drawn.
"""

import os
import sys
from pathlib import Path
from typing import Any

from nasneurn.studies.bench_config import BenchConfig, plan_bench

#: Of any study.
USUAL: dict[str, Any] = {
    "algorithms": ["erm"],
    "suite": "builtin",
    "image_size": None,
    "splits": None,
    "data_dir": None,
    "sources_named": ["optdigits"],
    "targets": ["all"],
    "seeds": ["1"],
    "budget": "quick",
    "precision": "32",
    "device": "cpu",
}
CHANGES = {"train_images": 400, "epochs": 3, "batch_size": 32, "patience": 2, "shift": 2}


def tiny_config(**options: Any) -> BenchConfig:
    """One small network, two stems, one source and one seed: two trainings."""
    usual: dict[str, Any] = {
        **USUAL,
        "models": ["lcnet_050"],
        "stems": ["none,neurn"],
        "adaptation": "as-published",  # which takes less long
    }
    changes = {**CHANGES, **options.pop("changes", {})}
    return plan_bench(**{**usual, **options}, changes=changes)


def run(out: str, engine: str = "here", workers: str = "1", seeds: str = "1") -> None:
    """Run it, with a checkpoint after every batch."""
    import torch

    from nasneurn.studies import train
    from nasneurn.studies.run import Execution, StudyRun

    torch.set_num_threads(1)
    train.CHECKPOINT_SECONDS = 0.0
    execution = Execution(engine=engine, workers=int(workers), device="cpu")
    StudyRun(tiny_config(seeds=[seeds]), Path(out), execution).run()


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # tests run beside each other
    run(*sys.argv[1:])
