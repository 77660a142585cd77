"""All that decides the result of a search, and the named budgets."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

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

    ``settings`` are arguments of the space. ``steps`` count optimizer steps, each on
    ``accumulate`` batches of ``batch_size`` images, and each batch on a path of its own, by the
    rule ``sampling`` (:mod:`search_spaces.sampling`). ``ema`` is the decay of a running average
    of the weights that takes the place of the last ones, 0 for none. ``calibration_images`` set
    the batch-norm statistics of a candidate; at most ``selection_images`` held-out source images
    score it. ``retrain_steps`` are those of the winner trained from scratch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, Any]
    steps: PositiveInt
    batch_size: PositiveInt
    accumulate: PositiveInt = 1
    sampling: str = "uniform"
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat = 0.01
    schedule: Literal["cosine", "constant"] = "cosine"
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    ema: float = Field(0.0, ge=0, lt=1)
    shift: NonNegativeInt
    population: PositiveInt
    generations: PositiveInt
    parents: PositiveInt
    calibration_images: PositiveInt
    selection_images: PositiveInt
    retrain_steps: PositiveInt

    def changed(self, changes: Sequence[str]) -> "Budget":
        """The budget with some fields changed, each as ``field=value``.

        >>> BUDGETS["spos"]["quick"].changed(["steps=50", "ema=0.99"]).ema
        0.99
        """
        fields = self.model_dump()
        for change in changes:
            name, equals, value = change.partition("=")
            if not equals or name not in fields:
                near = difflib.get_close_matches(name, fields, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise InputError(
                    f"{change!r} changes no field of a budget, must be field=value with one of "
                    f"{', '.join(fields)}{hint}"
                )
            fields[name] = yaml.safe_load(value)
        try:
            return Budget.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(
                f"budget: {first['loc'][0]} is {first['input']!r}: {first['msg']}"
            ) from None


_QUICK: dict[str, Any] = {
    "batch_size": 96,
    "shift": 2,
    "population": 16,
    "generations": 4,
    "parents": 6,
    "calibration_images": 512,
    "selection_images": 1000,
}
_STANDARD: dict[str, Any] = {
    "batch_size": 96,
    "shift": 2,
    "population": 20,
    "generations": 6,
    "parents": 8,
    "calibration_images": 768,
    "selection_images": 1500,
}
_PAPER: dict[str, Any] = {
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

#: By space and name. On two CPU cores ``quick`` takes two minutes for each supernet, and
#: ``standard`` five; ``paper`` has the published supernets and wants a GPU. A space of the user's
#: own is trained as ``other`` says.
BUDGETS: dict[str, dict[str, Budget]] = {
    "spos": {
        "quick": Budget(
            settings=_SMALL_SPOS, steps=1200, learning_rate=4e-3, retrain_steps=400, **_QUICK
        ),
        "standard": Budget(
            settings=_SMALL_SPOS, steps=3000, learning_rate=4e-3, retrain_steps=1000, **_STANDARD
        ),
        "paper": Budget(settings={}, steps=40_000, retrain_steps=20_000, **_PAPER),
    },
    "autoformer": {
        "quick": Budget(
            settings={"size": "micro"},
            steps=1200,
            learning_rate=3e-3,
            weight_decay=0.05,
            retrain_steps=600,
            **_QUICK,
        ),
        "standard": Budget(
            settings={"size": "micro"},
            steps=3000,
            learning_rate=3e-3,
            weight_decay=0.05,
            retrain_steps=1500,
            **_STANDARD,
        ),
        "paper": Budget(
            settings={"size": "tiny"},
            steps=40_000,
            weight_decay=0.05,
            label_smoothing=0.1,
            retrain_steps=20_000,
            **_PAPER,
        ),
    },
    "other": {
        "quick": Budget(settings={}, steps=1200, learning_rate=1e-3, retrain_steps=400, **_QUICK),
        "standard": Budget(
            settings={}, steps=3000, learning_rate=1e-3, retrain_steps=1000, **_STANDARD
        ),
        "paper": Budget(settings={}, steps=40_000, retrain_steps=20_000, **_PAPER),
    },
}


def budget_named(name: str, space: str = "spos") -> Budget:
    """The budget of that name for a space."""
    named = BUDGETS[space if space in BUDGETS else "other"]
    if name not in named:
        near = difflib.get_close_matches(name, named, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"budget is {name!r}, must be one of {', '.join(named)}{hint}")
    return named[name]


#: The stem of a search that looks for the stem too.
SEARCHED = StemChoice(name="search")

#: The stems among which such a search chooses.
STEM_CANDIDATES = (
    "none",
    "neurn:k=3",
    "neurn:k=5",
    "neurn:k=7",
    "neurn:k=9",
    "instance_norm",
    "local_contrast_norm",
)


def choose_stems(
    *, neurn: bool, compare: bool, stem: str | None, search_stem: bool = False
) -> tuple[StemChoice, ...]:
    """The stems of a search: one; with ``compare`` none as well; with ``search_stem`` the choice.

    Both together are all three: none, the stem, and the choice among stems.
    """
    if not neurn and (compare or search_stem or stem is not None):
        raise InputError(
            "--no-neurn means no stem: it cannot go with --compare, --stem or --search-stem"
        )
    if search_stem and stem is not None and not compare:
        raise InputError(f"--search-stem chooses the stem: it cannot go with --stem {stem}")
    none = StemChoice(name="none")
    if not neurn:
        return (none,)
    if search_stem and not compare:
        return (SEARCHED,)
    chosen = StemChoice.parse(stem or "neurn")
    if compare and chosen == none:
        raise InputError("--compare compares a stem with none: --stem none leaves nothing")
    searched = (SEARCHED,) if search_stem else ()
    return (none, chosen, *searched) if compare else (chosen,)


class SearchConfig(RunConfig):
    """A search: each (source, stem, seed) is one supernet and one evolution.

    Every domain of the suite is a target. ``max_flops`` and ``max_params`` bound the candidates.
    ``select_under`` says what held-out source images score a candidate: ``clean``, or ``shifts``,
    under those of :mod:`nasneurn.search.shifts`. ``objective`` is what the evolution lowers beside the
    error: nothing, ``flops``, ``params`` or ``latency``. ``precision`` is that of the supernet's
    training; candidates are measured in float32.
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
    select_under: Literal["clean", "shifts"] = "clean"
    objective: Literal["accuracy", "flops", "params", "latency"] = "accuracy"
    precision: Literal["32", "bf16"] = "32"

    @property
    def folder_name(self) -> str:
        """A folder's name that tells searches apart."""
        stems = "-".join(stem.name for stem in self.stems)
        space = self.space.rpartition(":")[2].lower()
        return f"search-{space}-{self.suite_name}-{self.budget_name}-{stems}"

    @property
    def suite_name(self) -> str:
        """The suite's name; of a folder, that of the folder."""
        return Path(self.suite).name
