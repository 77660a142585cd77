"""All that decides the result of a benchmark grid, and the named budgets of its trainings."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

from pydantic import BaseModel, ConfigDict

from nasneurn.configuration import RunConfig
from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.networks import Backbone, resolve_backbones
from nasneurn.search.config import StemChoice

Precision = Literal["32", "bf16"]


class TrainingBudget(BaseModel):
    """How one network is trained: Adam, and early stopping on held-out source images.

    At most ``train_images`` of the source's (``None``: all) are drawn, and ``hold_out`` of them
    are held out. Training ends after ``max_epochs``, or once the held-out accuracy has not risen
    for ``patience`` epochs; the best epoch's weights are measured. ``shift`` moves each training
    image by up to so many pixels. Batch and learning rate of ``paper`` are those of the paper.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train_images: int | None
    max_epochs: int
    batch_size: int
    patience: int = 5
    learning_rate: float = 1e-3
    shift: int = 0
    hold_out: float = 0.15


TRAINING_BUDGETS = {
    "quick": TrainingBudget(train_images=1000, max_epochs=8, batch_size=64),
    "standard": TrainingBudget(train_images=7000, max_epochs=20, batch_size=128),
    "paper": TrainingBudget(train_images=None, max_epochs=100, batch_size=256),
}


def training_budget(name: str) -> TrainingBudget:
    """The budget of that name."""
    if name not in TRAINING_BUDGETS:
        near = difflib.get_close_matches(name, TRAINING_BUDGETS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"budget is {name!r}, must be one of {', '.join(TRAINING_BUDGETS)}{hint}")
    return TRAINING_BUDGETS[name]


def parse_stems(words: Sequence[str]) -> tuple[StemChoice, ...]:
    """Read stems, each ``NAME`` or ``NAME:option=value,...``; commas also part stems.

    >>> [str(stem) for stem in parse_stems(["none,neurn:k=5,border=zero", "sobel"])]
    ['none', 'neurn:k=5,border=zero', 'sobel']
    """
    texts: list[str] = []
    for word in words:
        for item in filter(None, (part.strip() for part in word.split(","))):
            if "=" in item and ":" not in item and texts and ":" in texts[-1]:
                texts[-1] += f",{item}"  # a further option of the stem before
            else:
                texts.append(item)
    stems = tuple(dict.fromkeys(map(str, map(StemChoice.parse, texts))))
    if not stems:
        raise InputError("no stems; name some: none,neurn")
    return tuple(map(StemChoice.parse, stems))


class BenchConfig(RunConfig):
    """A grid: each (seed, architecture, stem, source) is one training, measured on every domain."""

    backbones: tuple[Backbone, ...]
    stems: tuple[StemChoice, ...]
    suite: str
    image_size: int
    sources: tuple[str, ...]
    seeds: tuple[int, ...]
    budget_name: str
    budget: TrainingBudget
    precision: Precision = "32"

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """What the grid runs over; no training depends on which others there are."""
        return {
            "backbones": self.backbones,
            "stems": self.stems,
            "sources": self.sources,
            "seeds": self.seeds,
        }

    def added_to(self, before: Self) -> Self:
        """Both grids as one: the axes of ``before``, each with what this grid adds to it."""
        return self.model_copy(
            update={
                axis: (*old, *(value for value in self.axes[axis] if value not in old))
                for axis, old in before.axes.items()
            }
        )


def plan(
    *,
    models: Sequence[str],
    stems: Sequence[str],
    suite: str,
    image_size: int | None,
    sources: Sequence[str],
    seeds: int,
    budget: str,
    changes: Mapping[str, int | None],
    precision: str,
    device: str,
    data_dir: Path | None,
) -> BenchConfig:
    """The grid that a command's options describe; ``changes`` replace fields of the budget.

    Raises:
        InputError: an option that cannot be used.
    """
    chosen = training_budget(budget)
    wanted = {field: value for field, value in changes.items() if value is not None}
    stem_choices = parse_stems(stems)
    domains = load_suite(suite, data_dir=data_dir, size=image_size)
    return BenchConfig(
        backbones=resolve_backbones(models),
        stems=stem_choices,
        suite=suite,
        image_size=domains.size,
        sources=domains.domains if list(sources) == ["all"] else tuple(sources),
        seeds=tuple(range(seeds)),
        budget_name=budget,
        budget=chosen.model_copy(update=wanted),
        precision=choose_precision(precision, device),
    )


def choose_precision(name: str, device: str) -> Precision:
    """The arithmetic of that name; ``auto`` is bf16 on a GPU and 32 bits elsewhere."""
    from nasneurn.training import choose_device

    if name == "auto":
        return "bf16" if choose_device(device).type == "cuda" else "32"
    if name not in get_args(Precision):
        raise InputError(f"precision is {name!r}, must be auto, {', '.join(get_args(Precision))}")
    return cast(Precision, name)
