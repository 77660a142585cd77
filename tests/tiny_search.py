"""A search of seconds: ``python tiny_search.py OUT plain|joint``, for tests that kill it."""

import sys
from pathlib import Path

from nasneurn.search import BUDGETS, SearchConfig, StemChoice, search
from nasneurn.search.config import SEARCHED

TINY = BUDGETS["spos"]["quick"].model_copy(
    update={
        "settings": {"width": 0.25, "blocks": [1, 1, 1, 1]},
        "steps": 45,
        "batch_size": 32,
        "population": 8,
        "generations": 3,
        "parents": 4,
        "calibration_images": 128,
        "selection_images": 150,
        "retrain_steps": 10,
    }
)


#: The AutoFormer space with all that a search can be asked for besides.
JOINT = {
    "space": "autoformer",
    "stems": (SEARCHED,),
    "select_under": "shifts",
    "objective": "flops",
    "budget": TINY.model_copy(
        update={
            "settings": {"size": "micro", "depths": [1, 2], "patch_size": 8},
            "accumulate": 3,
            "sampling": "sandwich",
            "steps": 15,
            "ema": 0.8,
            "label_smoothing": 0.1,
        }
    ),
}


def tiny_config(**changes: object) -> SearchConfig:
    """A search of one source, one stem and one seed."""
    settings: dict[str, object] = {
        "space": "spos",
        "suite": "builtin",
        "image_size": 32,
        "sources": ("optdigits",),
        "stems": (StemChoice(name="neurn"),),
        "seeds": (0,),
        "budget_name": "tiny",
        "budget": TINY,
    }
    return SearchConfig.model_validate({**settings, **changes})


if __name__ == "__main__":
    import torch

    from nasneurn.search import run

    torch.set_num_threads(1)  # tests run beside each other
    run.CHECKPOINT_SECONDS = 0.0
    changes = {"plain": {}, "joint": JOINT}[sys.argv[2]]
    search(tiny_config(**changes), Path(sys.argv[1]), device="cpu")
