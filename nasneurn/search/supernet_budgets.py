"""How much a search spends on its supernet and its evolution, by named budgets."""

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from nasneurn.choices import check_known
from nasneurn.configuration import Settings
from nasneurn.plain_values import Count, Name
from nasneurn.training.protocol import BUDGETS, Optimization


class SupernetBudget(Settings):
    """The training of a supernet, and the evolution over it.

    Attributes:
        steps: optimizer steps, each on ``accumulate`` batches of ``batch_size`` images.
        batch_size: images of a batch, which has a path of its own.
        accumulate: batches that make one step.
        sampling: the rule by which a batch gets its path (:mod:`search_spaces.sampling`).
        learning_rate, weight_decay, schedule, label_smoothing, shift: as in a protocol.
        ema: the decay of a running average of the weights that takes the place of the last ones,
            0 for none.
        population, generations, parents: of the evolution.
        calibration_images: set the batch-norm statistics of a candidate.
        selection_images: at most so many held-out source images score it.
    """

    steps: Count
    batch_size: int = Field(ge=2, lt=2**31)
    accumulate: Count = 1
    sampling: Name = "uniform"
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat = 0.01
    schedule: Literal["cosine", "constant"] = "cosine"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    ema: float = Field(default=0.0, ge=0, lt=1)
    shift: int = Field(ge=0, le=1024)
    population: Count
    generations: Count
    parents: Count
    calibration_images: Count
    selection_images: Count

    @property
    def optimization(self) -> Optimization:
        """Those of its fields that steer the steps."""
        return Optimization(
            self.learning_rate, self.weight_decay, self.schedule, self.label_smoothing, self.shift
        )


@dataclass(frozen=True)
class SpaceBudget:
    """A budget for one space: the size of the supernet, by arguments of the space, and the rest."""

    supernet: SupernetBudget
    settings: dict[str, Any] = field(default_factory=dict)


_QUICK: dict[str, Any] = {
    "steps": 1200,
    "batch_size": 96,
    "shift": 2,
    "population": 16,
    "generations": 4,
    "parents": 6,
    "calibration_images": 512,
    "selection_images": 1000,
}
_STANDARD: dict[str, Any] = {
    "steps": 3000,
    "batch_size": 96,
    "shift": 2,
    "population": 20,
    "generations": 6,
    "parents": 8,
    "calibration_images": 768,
    "selection_images": 1500,
}
_PAPER: dict[str, Any] = {
    "steps": 40_000,
    "batch_size": 256,
    "accumulate": 4,
    "learning_rate": 1e-3,
    "shift": 0,
    "population": 50,
    "generations": 20,
    "parents": 10,
    "calibration_images": 4000,
    "selection_images": 10_000,
}
_SMALL_SPOS = {"width": 0.25, "blocks": [2, 2, 4, 2]}
_MICRO = {"size": "micro"}


def _budget(settings: dict[str, Any], *parts: dict[str, Any]) -> SpaceBudget:
    fields = {name: value for part in parts for name, value in part.items()}
    return SpaceBudget(SupernetBudget(**fields), settings)


_VIT: dict[str, Any] = {"learning_rate": 3e-3, "weight_decay": 0.05}

#: By space and name. On two CPU cores ``quick`` takes two minutes for each supernet, and
#: ``standard`` five; ``paper`` has the published supernets and wants a GPU. That of
#: ``single-source-digits``, a budget of trainings, is ``standard``. A space of the user's own is
#: trained as ``other`` says.
SUPERNET_BUDGETS: dict[str, dict[str, SpaceBudget]] = {
    "spos": {
        "quick": _budget(_SMALL_SPOS, _QUICK, {"learning_rate": 4e-3}),
        "standard": _budget(_SMALL_SPOS, _STANDARD, {"learning_rate": 4e-3}),
        "paper": _budget({}, _PAPER),
    },
    "autoformer": {
        "quick": _budget(_MICRO, _QUICK, _VIT),
        "standard": _budget(_MICRO, _STANDARD, _VIT),
        "paper": _budget({"size": "tiny"}, _PAPER, {"weight_decay": 0.05, "label_smoothing": 0.1}),
    },
    "other": {
        "quick": _budget({}, _QUICK, {"learning_rate": 1e-3}),
        "standard": _budget({}, _STANDARD, {"learning_rate": 1e-3}),
        "paper": _budget({}, _PAPER),
    },
}


def space_budget(space: str, name: str) -> SpaceBudget:
    """The budget of that name for a space.

    Raises:
        InputError: there is no such budget.
    """
    named = SUPERNET_BUDGETS[space if space in SUPERNET_BUDGETS else "other"]
    check_known("budget", name, BUDGETS)
    return named.get(name, named["standard"])
