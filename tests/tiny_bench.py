"""A grid that ends in seconds: ``python tiny_bench.py OUT [ENGINE] [WORKERS]``."""

import os
import sys
from pathlib import Path

from nasneurn.studies.config import BenchConfig, TrainingBudget, plan

BUDGET = TrainingBudget(train_images=400, max_epochs=3, batch_size=32, patience=2, shift=2)


def tiny_config(**changes: object) -> BenchConfig:
    """One small architecture, two stems, one source and one seed: two trainings."""
    config = plan(
        models=["lcnet_050"],
        stems=["none,neurn"],
        suite="builtin",
        image_size=None,
        sources=["optdigits"],
        seeds=1,
        budget="quick",
        changes={},
        precision="32",
        device="cpu",
        data_dir=None,
    )
    return config.model_copy(update={"budget": BUDGET, "budget_name": "tiny", **changes})


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # tests run beside each other
    import torch

    from nasneurn.studies import bench, training_job

    torch.set_num_threads(1)
    training_job.CHECKPOINT_SECONDS = 0.0
    out, engine, workers = Path(sys.argv[1]), sys.argv[2:3] or ["here"], sys.argv[3:4] or ["1"]
    bench(tiny_config(), out, engine=engine[0], workers=int(workers[0]), device="cpu")
