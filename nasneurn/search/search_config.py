"""A search as a study: supernets first, then the trainings of what they found."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from nasneurn.choices import Choice, split_list
from nasneurn.domains import Suite
from nasneurn.errors import InputError
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.found import FoundArchitecture
from nasneurn.networks.spaces import SpaceChoice, list_spaces
from nasneurn.plain_values import Limit, Name, Options, Some
from nasneurn.rows import sources
from nasneurn.search.stem_choices import candidates_of, parse_search_stems
from nasneurn.search.supernet_budgets import SupernetBudget, space_budget
from nasneurn.search.supernet_unit import Supernet
from nasneurn.studies.config import StudyConfig, study_fields, training_of
from nasneurn.studies.store import Outcomes
from nasneurn.studies.training_unit import SEARCHED, Training, Weights
from nasneurn.studies.units import Unit


class SearchConfig(StudyConfig):
    """A search: each (seed, source, stem) is one supernet, and its winner becomes trainings.

    Attributes:
        space: a name, or an import path.
        settings: the arguments of the space's constructor.
        supernet: how much a supernet and its evolution spend.
        weights: what the winners start from: ``inherited``, ``scratch`` or both.
        max_flops, max_params: bounds on the candidates.
        select_under: what held-out source images score a candidate: ``clean``, or ``shifts``,
            under those of :mod:`nasneurn.search.shifts`.
        objective: what the evolution lowers beside the error: nothing, ``flops``, ``params`` or
            ``latency``.
    """

    AXES: ClassVar[tuple[str, ...]] = (*StudyConfig.AXES, "weights")

    kind: Literal["search", "search-quality"] = "search"
    space: Name
    settings: Options
    supernet: SupernetBudget
    weights: Some[Weights] = ("inherited",)
    max_flops: Limit | None = None
    max_params: Limit | None = None
    select_under: Literal["clean", "shifts"] = "clean"
    objective: Literal["accuracy", "flops", "params", "latency"] = "accuracy"

    @property
    def named(self) -> list[str]:
        """See :attr:`StudyConfig.named`."""
        return [*super().named, self.space]

    @property
    def trains(self) -> bool:
        """Whether it trains found architectures, beside its supernets."""
        return any(one != "inherited" for one in self.weights)

    @property
    def space_choice(self) -> SpaceChoice:
        """The space, sized."""
        return SpaceChoice(space=self.space, settings=self.settings)

    @property
    def folder_name(self) -> str:
        """A folder's name that tells searches apart."""
        stems = "-".join(stem.name.rpartition(":")[2] for stem in self.stems)
        space = self.space.rpartition(":")[2].lower()
        return f"{self.kind}-{space}-{self.suite_name}-{self.budget}-{stems}"

    def supernets(self) -> list[Supernet]:
        """One for each (seed, source, stem), seeds outermost, so that a table fills evenly."""
        return [
            Supernet(
                suite=self.suite_name,
                image_size=self.image_size,
                space=self.space_choice,
                stem=stem,
                sources=sources(source),
                content=self.content_of(sources(source), {}),
                seed=seed,
                protocol=self.protocol,
                supernet=self.supernet,
                max_flops=self.max_flops,
                max_params=self.max_params,
                select_under=self.select_under,
                objective=self.objective,
                precision=self.precision,
            )
            for seed in self.seeds
            for source in self.sources
            for stem in self.stems
        ]

    def units(self, outcomes: Outcomes) -> list[Unit]:
        """All supernets, and the trainings of what those that are done have found."""
        supernets = self.supernets()
        return [*supernets, *self.trainings(supernets, outcomes)]

    def trainings(self, supernets: Sequence[Supernet], outcomes: Outcomes) -> list[Training]:
        """The trainings of the found architectures that ``outcomes`` hold."""
        trainings = []
        for supernet in supernets:
            for row in outcomes.rows("found", [supernet.identity]):
                found = FoundArchitecture.checked(**row)
                if foreign := [path for path in found.code if path not in self.code]:
                    raise InputError(
                        f"{found.name} among the results names code that the search does not "
                        f"({', '.join(foreign)}); remove it from the store"
                    )
                architecture = Architecture(name=found.name, library="found", found=found)
                for weights in self.weights:
                    # What is inherited was trained with its supernet, by no other algorithm.
                    ways = (Choice(name="erm"),) if weights == "inherited" else self.algorithms
                    trainings += [
                        training_of(
                            self,
                            architecture,
                            supernet.stem,
                            way,
                            supernet.source,
                            supernet.seed,
                            weights=weights,
                        )
                        for way in ways
                    ]
        return trainings

    def check(self, suite: Suite, left: Sequence[Unit]) -> None:
        """See :meth:`StudyConfig.check`."""
        from nasneurn.algorithms.conformance import check_algorithm
        from nasneurn.search.search_checks import check_batches, check_supernet, check_trained
        from nasneurn.stems import check_stem
        from nasneurn.studies.checks import check_images, few_steps

        check_images(self, suite)
        check_batches(self, suite)
        if told := few_steps(self, suite):
            print(f"nasneurn: {told}", file=sys.stderr)
        candidates = (one for stem in self.stems for one in candidates_of(stem))
        for candidate in dict.fromkeys(candidates):
            check_stem(candidate, (3, self.image_size, self.image_size))
        for algorithm in self.algorithms:
            check_algorithm(algorithm, len(suite.classes), self.image_size)
        seen = set()
        for supernet in self.supernets():
            if supernet.stem not in seen:
                seen.add(supernet.stem)
                check_supernet(supernet, len(suite.classes))
        if "scratch" in self.weights:
            check_trained(self.supernets()[0], self.algorithms, len(suite.classes))


def plan_search(
    *,
    space: str,
    stems: Sequence[str],
    changes: Mapping[str, Any],
    suite: str,
    budget: str,
    weights: Sequence[str] = ("inherited",),
    select_under: str | None = None,
    objective: str = "accuracy",
    max_flops: int | None = None,
    max_params: int | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The fields of the search that a command's options describe; see :func:`study_fields`.

    Args:
        space: ``NAME``, ``NAME:setting=value,...``, or ``package.module:Class``.
        changes: fields of the protocol, and as ``supernet.FIELD`` those of the supernet's budget.

    Raises:
        InputError: an option that cannot be used.
    """
    choice = Choice.parse(space)
    if ":" not in choice.name and choice.name not in list_spaces():
        SpaceChoice.checked(space=choice.name).build()  # tells what there is
    chosen = space_budget(choice.name, budget)
    parts: dict[bool, dict[str, Any]] = {True: {}, False: {}}
    for field, value in changes.items():
        of_supernet = field.startswith("supernet.")
        parts[of_supernet][field.removeprefix("supernet.")] = value
    for field in parts[False]:
        if field in SupernetBudget.model_fields and not _of_protocol(field):
            raise InputError(
                f"{field!r} is a field of the supernet: say --set supernet.{field}=..."
            )
    supernet = chosen.supernet.changed(parts[True], "supernet")
    stem_choices = parse_search_stems(stems)
    fields = study_fields(
        suite=suite, budget=budget, changes=parts[False], stems=stem_choices, **options
    )
    if fields["protocol"].selection == "oracle":
        raise InputError(
            "selection=oracle looks at target images, and no search does; leave it out, and "
            "`nasneurn bench` what was found with it"
        )
    sized = SpaceChoice.sized(
        choice.name,
        {**chosen.settings, **choice.options},
        classes=_classes(suite, options),
        image_size=fields["image_size"],
    )
    return {
        **fields,
        "space": choice.name,
        "settings": sized.settings,
        "supernet": supernet,
        "weights": tuple(dict.fromkeys(one for word in weights for one in split_list(word))),
        "select_under": select_under or ("shifts" if SEARCHED in stem_choices else "clean"),
        "objective": objective,
        "max_flops": max_flops,
        "max_params": max_params,
    }


def _of_protocol(field: str) -> bool:
    from nasneurn.training.protocol import Protocol

    return field in Protocol.model_fields


def _classes(suite: str, options: Mapping[str, Any]) -> int:
    from nasneurn.domains import load_suite

    found = load_suite(
        suite,
        data_dir=options.get("data_dir"),
        size=options.get("image_size"),
        splits=options.get("splits"),
    )
    return len(found.classes)
