"""The budget ``quick`` made tiny, so that what pages tell a reader to run ends in seconds."""

from dataclasses import replace

import pytest

from nasneurn.search.supernet_budgets import SUPERNET_BUDGETS
from nasneurn.training.protocol import BUDGETS

SUPERNET = {
    "steps": 3,
    "batch_size": 16,
    "population": 3,
    "generations": 1,
    "parents": 2,
    "calibration_images": 32,
    "selection_images": 50,
}


def make_tiny(patch: pytest.MonkeyPatch) -> None:
    """Make ``quick`` tiny for trainings and for supernets of SPOS."""
    small = {"train_images": 120, "epochs": 1, "batch_size": 32}
    patch.setitem(BUDGETS, "quick", BUDGETS["quick"].model_copy(update=small))
    usual = SUPERNET_BUDGETS["spos"]["quick"]
    supernet = replace(
        usual,
        supernet=usual.supernet.model_copy(update=SUPERNET),
        settings={"width": 0.25, "blocks": [1, 1, 1, 1]},
    )
    patch.setitem(SUPERNET_BUDGETS["spos"], "quick", supernet)
