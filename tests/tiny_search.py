"""A search of seconds, for tests: ``python tiny_search.py OUT plain|joint [SEEDS]``.

No figures are drawn.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
from tiny_bench import USUAL

from nasneurn.search.search_config import SearchConfig, plan_search
from nasneurn.studies.folder import Study

#: Of the protocol, and of the supernet.
CHANGES: dict[str, Any] = {
    "train_images": 1000,
    "epochs": 1,
    "batch_size": 32,
    "supernet.steps": 45,
    "supernet.batch_size": 32,
    "supernet.population": 8,
    "supernet.generations": 3,
    "supernet.parents": 4,
    "supernet.calibration_images": 128,
    "supernet.selection_images": 150,
}
#: So little that only the way is seen.
MINUTE: dict[str, Any] = {
    "train_images": 200, "supernet.steps": 4, "supernet.population": 3, "supernet.generations": 1,
}  # fmt: skip
TINY_SPOS = "spos:width=0.25,blocks=[1,1,1,1]"

#: The AutoFormer space with all that a search can be asked for besides.
JOINT: dict[str, Any] = {
    "space": "autoformer:size=micro,depths=[1,2],patch_size=8",
    "stems": ["search"],
    "select_under": "shifts",
    "objective": "flops",
    "changes": {
        "supernet.accumulate": 3,
        "supernet.sampling": "sandwich",
        "supernet.steps": 15,
        "supernet.ema": 0.8,
        "supernet.label_smoothing": 0.1,
    },
}


def tiny_fields(**options: Any) -> dict[str, Any]:
    """The fields of a search of one source, one stem and one seed."""
    usual = {**USUAL, "space": TINY_SPOS, "stems": ["neurn"]}
    changes = {**CHANGES, **options.pop("changes", {})}
    return plan_search(**{**usual, **options}, changes=changes)


def tiny_config(**options: Any) -> SearchConfig:
    """A search of seconds."""
    return SearchConfig.checked(**tiny_fields(**options))


def same_search(one: Study, other: Study) -> None:
    """Byte-equal files, but for how long trainings took."""
    for name in ("evolution.csv", "architecture.json"):
        assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes(), name
    pd.testing.assert_frame_equal(
        one.accuracy.drop(columns=["seconds", "commit"]),
        other.accuracy.drop(columns=["seconds", "commit"]),
        check_exact=True,
    )


def run(out: str, kind: str, seeds: str = "1") -> None:
    """Run it, with a checkpoint after every batch."""
    import torch

    from nasneurn.search import supernet_work
    from nasneurn.studies.run import Execution, StudyRun

    torch.set_num_threads(1)  # tests run beside each other
    supernet_work.CHECKPOINT_SECONDS = 0.0
    options: dict[str, Any] = {"plain": {}, "joint": JOINT}[kind]
    config = tiny_config(**options, seeds=[seeds])
    StudyRun(config, Path(out), Execution(device="cpu")).run()


if __name__ == "__main__":
    run(*sys.argv[1:])
