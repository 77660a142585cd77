"""Whether a supernet's ranking can be trusted: its accuracies beside those of stand-alone training.

A stratified sample of architectures is measured twice: as paths of the trained supernet, and each
trained from scratch. Rank correlation between the two says what a search over the supernet is
worth. Random search at the cost of the evolution is the control of the evolution.
"""

from functools import cached_property
from typing import Any

import numpy as np

from nasneurn.choices import Choice
from nasneurn.configuration import Settings
from nasneurn.errors import InputError
from nasneurn.networks.found import FoundArchitecture, choices_name
from nasneurn.plain_values import Count
from nasneurn.search.supernet_unit import Supernet
from nasneurn.seeds import stream
from nasneurn.studies.training_unit import SEARCHED, identity_of
from nasneurn.studies.units import Place, Result

#: Uniform draws for one architecture of the sample; and where the limits allow hardly any, so many
#: near those that they allow.
DRAWS, NEARBY = 40, 4


class Paths(Settings):
    """The sampled architectures of one supernet as paths of it, and random search over it.

    Attributes:
        supernet: the supernet, which is trained by then.
        architectures: how many are sampled.
    """

    supernet: Supernet
    architectures: Count

    @cached_property
    def identity(self) -> str:
        """16 hexadecimal digits."""
        unit = self.supernet
        content = [unit.identity, self.architectures]
        # Folders of before may hold such paths that were measured and sampled otherwise.
        limited = unit.max_flops is not None or unit.max_params is not None
        if unit.select_under != "clean" or unit.stem == SEARCHED or limited:
            content.append("measured as trainings")
        return identity_of("paths", content)

    @property
    def title(self) -> str:
        """In words."""
        return self.supernet.title.replace(" supernet, ", " paths, ", 1)

    @property
    def columns(self) -> dict[str, Any]:
        """What a row of a failure says of it."""
        name = f"{self.supernet.space.space} paths"
        return {**self.supernet.columns, "training": self.identity, "architecture": name}

    @property
    def shares_out(self) -> bool:
        """It is done by one worker."""
        return False

    def sample(self) -> list[FoundArchitecture]:
        """Architectures of the space, one from each stratum of multiply-adds.

        Uniform draws are sorted by cost and cut into strata; the middle of each is taken. The
        draws are a function of the seed alone, so that two stems get the same architectures. All
        keep the limit of the search; where few of the draws do, more are drawn near these. Where
        the stem is searched, each has the stem that was drawn.

        Raises:
            InputError: the space has fewer.
        """
        from nasneurn.search.supernet_spaces import bare_space, costs
        from search_spaces.costs import limit
        from search_spaces.evolution import nearby
        from search_spaces.interface import canonical_form, draw_architecture
        from search_spaces.stem_choice import STEM_LABEL, without_stem

        unit, count = self.supernet, self.architectures
        counted, space = costs(unit), bare_space(unit)
        within = limit(counted, unit.max_flops, unit.max_params)
        canonical = canonical_form(space)
        seed = stream(unit.seed, "sample")
        drawn = [canonical(draw_architecture(space, seed, n)) for n in range(DRAWS * count)]
        unique = {choices_name(one): one for one in drawn if within(one)}
        if len(unique) < count:  # the limits leave little of the space
            wanted = NEARBY * count
            more = nearby(within, list(unique.values()), wanted, (seed, len(drawn)), canonical)
            unique = {choices_name(one): one for one in more}
        ranked = sorted(unique.values(), key=lambda one: (counted(one).flops, choices_name(one)))
        if len(ranked) < count:
            raise InputError(
                f"the space has {len(ranked)} architectures within the limits; {count} are to be "
                "sampled"
                if within.most
                else f"the space has {len(ranked)} architectures; {count} are to be sampled"
            )
        chosen = [ranked[int((place + 0.5) * len(ranked) / count)] for place in range(count)]
        return [
            FoundArchitecture(
                name=f"{unit.space.space}/sample-{number}",
                space=unit.space.space,
                settings=unit.space.settings,
                choices=without_stem(one),
                **stems_of(one.get(STEM_LABEL) if unit.stem == SEARCHED else None),
                flops=counted(one).flops,
                params=counted(one).params,
            )
            for number, one in enumerate(chosen, start=1)
        ]

    def work(self, place: Place) -> Result:
        """Measure the paths, and search at random."""
        from nasneurn.search.candidates import Scorer, scorer_of
        from nasneurn.search.supernet_spaces import costs
        from nasneurn.training.evaluation import accuracy
        from search_spaces.costs import limit
        from search_spaces.evolution import EvolutionSettings, evolve
        from search_spaces.interface import activate, canonical_form, choices

        unit = self.supernet
        scorer = scorer_of(unit, place)
        # As trainings are measured, also where shifted images select.
        clean = Scorer(unit.model_copy(update={"select_under": "clean"}), place, scorer.supernet)
        rows = []
        for one in self.sample():
            path = path_of(one)
            activate(scorer.supernet, path)
            rows.append(
                {
                    **unit.group,
                    "choices": choices_name(path),
                    "flops": one.flops,
                    "raw": accuracy(scorer.supernet, clean.held_out),
                    "recalibrated": clean(path),
                    "n": len(clean.held_out),
                }
            )
        budget = unit.supernet
        drawn = evolve(
            choices(scorer.supernet),
            lambda architectures: map(scorer, architectures),
            costs(unit),
            within=limit(costs(unit), unit.max_flops, unit.max_params),
            settings=EvolutionSettings(budget.population * budget.generations, generations=1),
            seed=stream(unit.seed, "random search"),
            canonical=canonical_form(scorer.supernet),
        )
        best = np.maximum.accumulate([candidate.score for candidate in drawn]).tolist()
        control = [
            {**unit.group, "method": "random", "evaluations": count, "best": value}
            for count, value in enumerate(best, start=1)
        ]
        return Result({"paths": rows, "control": control})


def stems_of(drawn: object) -> dict[str, Any]:
    """The stem of an architecture of a space that chooses it, as fields of what was found."""
    if drawn is None:
        return {}
    return {"stem": Choice.parse(str(drawn)), "searched_stem": SEARCHED.name}


def path_of(one: FoundArchitecture) -> dict[str, Any]:
    """An architecture as a path of its supernet: its choices, with that of the stem if there is."""
    if one.searched_stem != SEARCHED.name:
        return dict(one.choices)
    return {**one.choices, "stem": str(one.stem)}
