"""A search whose quality is measured, as a study of its own kind."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from nasneurn.choices import Choice
from nasneurn.domains import Suite
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.found import choices_name
from nasneurn.plain_values import Count
from nasneurn.search.quality_units import Paths, path_of
from nasneurn.search.search_config import SearchConfig
from nasneurn.search.supernet_unit import Supernet
from nasneurn.studies.config import training_of
from nasneurn.studies.store import Outcomes
from nasneurn.studies.training_unit import Training
from nasneurn.studies.units import Row, Unit


class QualityConfig(SearchConfig):
    """A search, so many architectures of each supernet trained alone, and the same as its paths."""

    kind: Literal["search-quality"] = "search-quality"
    architectures: Count = 12

    @property
    def trains(self) -> bool:
        """It does so to compare with."""
        return True

    def units(self, outcomes: Outcomes) -> list[Unit]:
        """The search's; after a supernet, its paths and the trainings of the sample."""
        units = super().units(outcomes)
        for supernet in self.supernets():
            if supernet.identity in outcomes.done:
                paths = Paths(supernet=supernet, architectures=self.architectures)
                units += [paths, *self.alone(paths)]
        return units

    def check(self, suite: Suite, left: Sequence[Unit]) -> None:
        """See :meth:`StudyConfig.check`; the space must have so many architectures to sample."""
        super().check(suite, left)
        for supernet in self.supernets():
            Paths(supernet=supernet, architectures=self.architectures).sample()

    def alone(self, paths: Paths) -> list[Training]:
        """The sampled architectures of a supernet, each trained from scratch."""
        supernet = paths.supernet
        return [
            training_of(
                self,
                Architecture(name=one.name, library="found", found=one),
                supernet.stem,
                Choice(name="erm"),
                supernet.source,
                supernet.seed,
            )
            for one in paths.sample()
        ]

    def derived(self, outcomes: Outcomes) -> dict[str, list[Row]]:
        """``quality``: paths beside trainings; ``control``: evolution beside random search."""
        quality: list[Row] = []
        control: list[Row] = []
        for supernet in self.supernets():
            paths = Paths(supernet=supernet, architectures=self.architectures)
            if paths.identity not in outcomes.done:
                continue
            alone = {
                choices_name(path_of(one)): outcomes.rows("accuracy", [training.identity])
                for training in self.alone(paths)
                if (one := training.architecture.found) is not None
            }
            quality += [
                {**row, "alone": alone[row["choices"]][0].get("held_out_accuracy")}
                for row in outcomes.rows("paths", [paths.identity])
                if alone.get(row.get("choices", ""))
            ]
            control += _evolution(supernet, outcomes)
            control += outcomes.rows("control", [paths.identity])
        return {"quality": quality, "control": control}


def _evolution(supernet: Supernet, outcomes: Outcomes) -> list[Row]:
    """The best score of the evolution after each evaluation."""
    rows = outcomes.rows("evolution", [supernet.identity])
    best = pd.Series([row.get("held_out_accuracy") for row in rows], dtype=float).cummax()
    return [
        {**supernet.group, "method": "evolution", "evaluations": count, "best": value}
        for count, value in enumerate(best.tolist(), start=1)
    ]
