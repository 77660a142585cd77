"""Networks after stems on sources, by algorithms and seeds: the plainest study."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from nasneurn.choices import Choice
from nasneurn.domains import Suite
from nasneurn.errors import InputError
from nasneurn.networks.architectures import Architecture, as_older_files_mean
from nasneurn.networks.names import resolve_with_tags
from nasneurn.networks.places import FRONT, Placement, parse_placements
from nasneurn.networks.weights import PRETRAINED, WeightsChoice, parse_weights, pretrained_label
from nasneurn.plain_values import Some
from nasneurn.progress import meter
from nasneurn.stems import STEMS
from nasneurn.studies.config import StudyConfig, study_fields, training_of
from nasneurn.studies.grids import GRID_AXES, Grid, grown
from nasneurn.studies.store import Outcomes
from nasneurn.studies.training_unit import Training
from nasneurn.studies.units import Unit
from nasneurn.training.protocol import protocol_named

#: Of more networks it is shown how far their check is.
MANY = 1


class BenchConfig(StudyConfig):
    """A grid: each (seed, architecture, weights, source, stem, placement, algorithm) is a training.

    Attributes:
        architectures: an axis.
        weights: an axis: what each of these starts from.
        placements: an axis: where stems stand; no stem stands in front alone.
        further: other grids that it was extended by, where they make no one product with it.
        tags: by the architecture's name, those of its pretrained weights; each is one training.
    """

    AXES: ClassVar[tuple[str, ...]] = (*GRID_AXES, "further")

    kind: Literal["bench"] = "bench"
    architectures: Some[Architecture]
    weights: Some[WeightsChoice] = (WeightsChoice(),)
    placements: Some[Placement] = (FRONT,)
    further: tuple[Grid, ...] = ()
    tags: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    _older = model_validator(mode="before")(as_older_files_mean)

    @property
    def grids(self) -> tuple[Grid, ...]:
        """All grids of the study."""
        return (Grid.of(self), *self.further)

    def all_of(self, axis: str) -> list[Any]:
        """What the grids have on an axis, each once."""
        return list(dict.fromkeys(value for grid in self.grids for value in getattr(grid, axis)))

    @property
    def named(self) -> list[str]:
        """See :attr:`StudyConfig.named`."""
        chosen = [one.name for axis in ("stems", "algorithms") for one in self.all_of(axis)]
        return chosen + [name for one in self.all_of("architectures") for name in one.named]

    def units(self, outcomes: Outcomes) -> list[Unit]:
        """All trainings, seeds outermost, so that a table fills evenly."""
        trainings = [
            training_of(
                self, architecture, stem, algorithm, source, seed, placement=placement, **start
            )
            for seed in self.all_of("seeds")
            for grid in self.grids
            if seed in grid.seeds
            for architecture in grid.architectures
            for start in self.starts(architecture, grid.weights)
            for source in grid.sources
            for stem in grid.stems
            for placement in places(stem, grid.placements)
            for algorithm in grid.algorithms
        ]
        return list({training.identity: training for training in trainings}.values())

    def starts(
        self, architecture: Architecture, weights: Sequence[WeightsChoice]
    ) -> list[dict[str, Any]]:
        """What the trainings of an architecture start from, as fields of :class:`Training`."""
        found: list[dict[str, Any]] = []
        for one in weights:
            labels = [one.word]
            if one.word == PRETRAINED:
                labels = [pretrained_label(tag) for tag in self.tags.get(architecture.name, [""])]
            found += [{"weights": label, "weights_file": one.file} for label in labels]
        return found

    def added_to(self, before: Self) -> Self:
        """Both studies as one, with the trainings of either and no others.

        Of a file of weights that was moved, this study knows the path.

        Raises:
            InputError: a network of this study is another one in ``before``, by the same name.
        """
        self._refuse_namesakes(before)
        now = {one: one for one in self.all_of("weights")}
        whole = [
            grid.model_copy(update={"weights": tuple(now.get(one, one) for one in grid.weights)})
            for grid in grown(before.grids, self.grids)
        ]
        tags = {
            name: tuple(dict.fromkeys((*before.tags.get(name, ()), *self.tags.get(name, ()))))
            for name in {**before.tags, **self.tags}
        }
        content = {**self.content, **before.content}
        fields = {"further": tuple(whole[1:]), "tags": tags, "content": content}
        return before.model_copy(update={**whole[0].axes, **fields}).tagged()

    def _refuse_namesakes(self, before: Self) -> None:
        known: dict[str, Architecture] = {one.name: one for one in before.all_of("architectures")}
        for one in self.all_of("architectures"):
            old = known.get(one.name, one)
            if old != one:
                versions = f" (version {old.version} -> {one.version})"
                raise InputError(
                    f"{one.name} is another network than in the study"
                    f"{versions if old.version != one.version else ''}; leave it out, or choose "
                    "another --out"
                )

    def on_axes_of(self, before: Self) -> Self:
        """See :meth:`StudyConfig.on_axes_of`."""
        return super().on_axes_of(before).model_copy(update={"tags": before.tags})

    def tagged(self) -> Self:
        """This study with a tag for each architecture that pretrained weights are asked for.

        Raises:
            InputError: there are none of one.
        """
        from nasneurn.networks.pretrained import known_tags

        asked = [
            architecture
            for grid in self.grids
            if any(one.word == PRETRAINED for one in grid.weights)
            for architecture in grid.architectures
        ]
        tags = known_tags(tuple(dict.fromkeys(asked)), self.tags) if asked else {}
        return self.model_copy(update={"tags": tags})

    def check(self, suite: Suite, left: Sequence[Unit]) -> None:
        """See :meth:`StudyConfig.check`."""
        from nasneurn.algorithms.conformance import check_algorithm
        from nasneurn.networks.placement import describe_placed
        from nasneurn.stems import check_stem
        from nasneurn.studies.checks import (
            check_algorithms_of,
            check_architecture,
            check_images,
            few_steps,
        )
        from nasneurn.studies.starting_weights import check_start, stems_told

        told: dict[str, None] = {}
        for grid in self.grids:
            part = self.model_copy(update=grid.axes)
            check_images(part, suite)
            told[few_steps(part, suite)] = None
        for stem in self.all_of("stems"):
            check_stem(stem, (3, self.image_size, self.image_size))
        for algorithm in self.all_of("algorithms"):
            check_algorithm(algorithm, len(suite.classes), self.image_size)
        needed: dict[Architecture, list[Training]] = {}
        for unit in left:
            if isinstance(unit, Training):
                needed.setdefault(unit.architecture, []).append(unit)
        networks = [one for one in self.all_of("architectures") if one in needed]
        with meter("checking networks", len(networks), shown=len(networks) > MANY) as progress:
            for architecture in networks:
                check_architecture(architecture, suite, self.adaptation)
                own, classes = needed[architecture], len(suite.classes)
                ways = dict.fromkeys(one.algorithm for one in own)
                check_algorithms_of(architecture, ways, suite, self.adaptation)
                for stem, place in dict.fromkeys((one.stem, one.placement) for one in own):
                    size, adaptation = suite.size, self.adaptation
                    describe_placed(place, stem, architecture, classes, size, adaptation)
                for training in {(one.weights, one.weights_file): one for one in own}.values():
                    check_start(training, classes)
                progress.advance()
        told |= dict.fromkeys(stems_told([one for own in needed.values() for one in own]))
        for line in filter(None, told):
            print(f"nasneurn: {line}", file=sys.stderr)


def places(stem: Choice, placements: Sequence[Placement]) -> tuple[Placement, ...]:
    """Where a stem is to stand; no stem is the same everywhere, and counts once."""
    return (FRONT,) if stem.name == "none" else tuple(placements)


def plan_bench(
    *,
    models: Sequence[str],
    stems: Sequence[str],
    budget: str,
    changes: Mapping[str, Any],
    weights: str | Sequence[str] = "scratch",
    placements: str | list[str] = FRONT,
    adaptation: str = "fit",
    trust_code: bool = False,
    **options: Any,
) -> BenchConfig:
    """The grid that a command's options describe; see :func:`study_fields`.

    Raises:
        InputError: an option that cannot be used.
    """
    chosen = parse_weights(weights)
    named = resolve_with_tags(models, trust_code=trust_code)
    pretrained = any(one.word == PRETRAINED for one in chosen)
    if pretrained and protocol_named(budget).scaling == "source":
        changes = {"scaling": "weights", **changes}
    return BenchConfig.checked(
        architectures=tuple(named),
        weights=chosen,
        placements=parse_placements(placements),
        adaptation=adaptation,
        tags={one.name: tags for one, tags in named.items()},
        **study_fields(stems=STEMS.choose_all(stems), budget=budget, changes=changes, **options),
    ).tagged()
