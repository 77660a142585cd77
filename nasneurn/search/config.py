"""All that decides the result of a search, and the named budgets."""

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from nasneurn.configuration import RunConfig
from nasneurn.errors import InputError


class StemChoice(BaseModel):
    """A stem by its name, with its options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    options: dict[str, Any] = {}

    @classmethod
    def parse(cls, text: str) -> "StemChoice":
        """Read ``NAME`` or ``NAME:option=value,option=value``.

        >>> str(StemChoice.parse("neurn:k=5,border=zero"))
        'neurn:k=5,border=zero'
        """
        name, _, listed = text.partition(":")
        options: dict[str, Any] = {}
        for item in filter(None, listed.split(",")):
            option, equals, value = item.partition("=")
            if not equals:
                raise InputError(f"stem {text!r}: {item!r} must be option=value")
            options[option.strip()] = yaml.safe_load(value)
        return cls(name=name.strip(), options=options)

    def __str__(self) -> str:
        if not self.options:
            return self.name
        return f"{self.name}:" + ",".join(f"{key}={value}" for key, value in self.options.items())


class Budget(BaseModel):
    """How much a search spends: the size of the supernet, its training, and the evolution.

    ``steps`` count optimizer steps, each on ``accumulate`` batches of ``batch_size`` images, and
    each batch on a path of its own. ``calibration_images`` set the batch-norm statistics of a
    candidate; at most ``selection_images`` held-out source images score it. ``retrain_steps`` are
    those of the winner trained from scratch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: float
    blocks: tuple[int, int, int, int]
    steps: int
    batch_size: int
    accumulate: int
    learning_rate: float
    weight_decay: float = 0.01
    shift: int
    population: int
    generations: int
    parents: int
    calibration_images: int
    selection_images: int
    retrain_steps: int


#: On two CPU cores ``quick`` takes two minutes for each supernet, and ``standard`` five;
#: ``paper`` has the published supernet and wants a GPU.
BUDGETS = {
    "quick": Budget(
        width=0.25,
        blocks=(2, 2, 4, 2),
        steps=1200,
        batch_size=96,
        accumulate=1,
        learning_rate=4e-3,
        shift=2,
        population=16,
        generations=4,
        parents=6,
        calibration_images=512,
        selection_images=1000,
        retrain_steps=400,
    ),
    "standard": Budget(
        width=0.25,
        blocks=(2, 2, 4, 2),
        steps=3000,
        batch_size=96,
        accumulate=1,
        learning_rate=4e-3,
        shift=2,
        population=20,
        generations=6,
        parents=8,
        calibration_images=768,
        selection_images=1500,
        retrain_steps=1000,
    ),
    "paper": Budget(
        width=1.0,
        blocks=(4, 4, 8, 4),
        steps=40_000,
        batch_size=256,
        accumulate=4,
        learning_rate=1e-3,
        shift=0,
        population=50,
        generations=20,
        parents=10,
        calibration_images=4000,
        selection_images=10_000,
        retrain_steps=20_000,
    ),
}


def budget_named(name: str) -> Budget:
    """The budget of that name."""
    if name not in BUDGETS:
        near = difflib.get_close_matches(name, BUDGETS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"budget is {name!r}, must be one of {', '.join(BUDGETS)}{hint}")
    return BUDGETS[name]


def choose_stems(*, neurn: bool, compare: bool, stem: str | None) -> tuple[StemChoice, ...]:
    """The stems of a search: one, or with ``compare`` none and that one."""
    if not neurn and (compare or stem is not None):
        raise InputError("--no-neurn means no stem: it cannot go with --compare or --stem")
    none = StemChoice(name="none")
    if not neurn:
        return (none,)
    chosen = StemChoice.parse(stem or "neurn")
    if compare and chosen == none:
        raise InputError("--compare compares a stem with none: --stem none leaves nothing")
    return (none, chosen) if compare else (chosen,)


class SearchConfig(RunConfig):
    """A search: each (source, stem, seed) is one supernet and one evolution.

    Every domain of the suite is a target. ``max_flops`` and ``max_params`` bound the candidates.
    """

    space: str
    suite: str
    image_size: int
    sources: tuple[str, ...]
    stems: tuple[StemChoice, ...]
    seeds: tuple[int, ...]
    budget_name: str
    budget: Budget
    retrain: bool = False
    max_flops: int | None = None
    max_params: int | None = None

    @property
    def folder_name(self) -> str:
        """A folder's name that tells searches apart."""
        stems = "-".join(stem.name for stem in self.stems)
        suite = Path(self.suite).name
        return f"search-{self.space}-{suite}-{self.budget_name}-{stems}"
