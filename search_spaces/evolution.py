"""Evolutionary search over the paths of a trained supernet, under a cost limit."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from search_spaces.costs import Cost, Limit
from search_spaces.errors import SpaceError
from search_spaces.interface import Architecture, Choices
from search_spaces.pareto import selection_order

T = TypeVar("T")

#: Draws for one new candidate by the rules of the algorithm, and then draws near architectures
#: that are known to be within the limit, before the search takes all of them as seen.
PATIENCE = 500
NEARBY = 5_000


@dataclass(frozen=True)
class EvolutionSettings:
    """Sizes of the search; the defaults are those of Guo et al. (ECCV 2020), section 3.4."""

    population: int = 50
    generations: int = 20
    parents: int = 10
    mutation_probability: float = 0.1


@dataclass(frozen=True)
class Candidate:
    """One evaluated architecture; ``burden`` is what a search lowers beside the error."""

    generation: int
    architecture: dict[str, Any]
    cost: Cost
    score: float
    burden: float = 0.0

    @property
    def rank(self) -> tuple[float, float, int, str]:
        """Sort key, best first: the score, then the lower burden and cost, then a fixed order."""
        return (-self.score, self.burden, self.cost.flops, str(self.architecture))


def evolve(
    choices: Choices,
    evaluate: Callable[[Sequence[Architecture]], Iterable[float]],
    cost: Callable[[Mapping[str, Any]], Cost],
    *,
    settings: EvolutionSettings,
    seed: int,
    burden: Callable[[Architecture], float] = lambda architecture: 0.0,
    within: Limit | None = None,
    canonical: Callable[[Architecture], Architecture] = lambda architecture: architecture,
    seen: Callable[[Candidate], None] = lambda candidate: None,
) -> list[Candidate]:
    """Search for the architectures with the highest score and, where it counts, a low burden.

    The first generation is drawn uniformly. Each later one holds as many new architectures, half
    by crossover of two parents and half by mutation of one, the parents being the best of all so
    far (Guo et al., ECCV 2020, algorithm 1). Where burdens differ, the best are those of NSGA-II:
    front by front, and in a front the less crowded first (Deb et al., 2002, section III). No
    architecture is evaluated twice. Each generation draws from its own stream of ``seed``, so a
    search whose scores are remembered (by ``evaluate``) replays to the point where it was cut off.

    Where the limit is such that uniform draws do not meet it, architectures are drawn near the
    lightest one, and from there on near those that are known to be within.

    Args:
        choices: the options of each choice.
        evaluate: scores of a generation, which it is given at once, so that it may score its
            members in parallel; it gives each score as soon as it is known.
        cost: of an architecture.
        settings: sizes of the search.
        seed: of all draws.
        burden: what to lower beside the error.
        within: the limit that all architectures keep.
        canonical: the one name of a network that several architectures describe.
        seen: is told each candidate.

    Returns:
        All candidates in the order of evaluation. A small space may be exhausted early.

    Raises:
        SpaceError: the space holds nothing to choose, or not even the lightest architecture is
            within the limit.
    """
    size = math.prod(len(values) for values in choices.values())
    if size < 2:
        raise SpaceError("the space holds a single architecture: there is nothing to search")
    if within is not None and not within(within.lightest):
        raise SpaceError("no architecture is within the limits; raise them")
    candidates: list[Candidate] = []
    visited: dict[str, Architecture] = {}

    for generation in range(settings.generations):
        draws = _Draws(
            choices,
            best_of(candidates, settings.parents),
            settings.mutation_probability,
            np.random.default_rng([seed, generation]),
        )
        children: list[Architecture] = []
        for position in range(settings.population):
            if len(visited) >= size:
                break
            crossing = position < settings.population // 2
            child = _new_child(draws, crossing, visited, within, canonical)
            if child is None:
                break
            children.append(child)
        if not children:
            break  # all have been seen
        for child, score in zip(children, evaluate(children), strict=True):
            candidate = Candidate(generation, child, cost(child), score, burden(child))
            candidates.append(candidate)
            seen(candidate)
    return candidates


def best_of(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """The best ``count`` candidates by score and burden, best first."""
    ranked = sorted(candidates, key=lambda candidate: candidate.rank)
    if len({candidate.burden for candidate in candidates}) < 2:
        return ranked[:count]
    points = np.array([(1 - candidate.score, candidate.burden) for candidate in ranked])
    return [ranked[place] for place in selection_order(points)[:count]]


def nearby(
    within: Limit,
    known: Sequence[Architecture],
    count: int,
    seed: Sequence[int],
    canonical: Callable[[Architecture], Architecture] = lambda architecture: architecture,
) -> list[Architecture]:
    """Architectures within a limit that uniform draws hardly meet: ``known``, and more near them.

    The lightest one is among them.

    Args:
        within: the limit, which the ``known`` keep.
        known: those to begin with.
        count: how many are wanted; fewer come where no more are found.
        seed: of the draws.
        canonical: the one name of a network that several architectures describe.
    """
    draws = _Draws(within.costs.choices, (), 0.0, np.random.default_rng(seed))
    visited = {_key(draws.choices, one): one for one in map(canonical, known)}
    lightest = canonical(within.lightest)
    visited.setdefault(_key(draws.choices, lightest), lightest)
    draws.patience = 0
    while len(visited) < count:
        if _new_child(draws, False, visited, within, canonical) is None:
            break
    return list(visited.values())


class _Draws:
    """Draws of one generation."""

    def __init__(
        self,
        choices: Choices,
        parents: Sequence[Candidate],
        mutation_probability: float,
        rng: np.random.Generator,
    ) -> None:
        self.choices = choices
        self._parents = [parent.architecture for parent in parents]
        self._probability = mutation_probability
        self._rng = rng
        self.patience = PATIENCE

    def by_the_algorithm(self, crossing: bool) -> Architecture:
        """A crossing of two parents, or a mutation of one; a uniform draw if there is none."""
        if not self._parents:
            return self.uniform()
        if crossing:
            pair = [self._pick(self._parents), self._pick(self._parents)]
            return {label: self._pick(pair)[label] for label in self.choices}
        parent = self._pick(self._parents)
        return self._mutated(parent, self._probability)

    def uniform(self) -> Architecture:
        """A uniform draw."""
        return {label: self._pick(values) for label, values in self.choices.items()}

    def near(self, known: Sequence[Architecture]) -> Architecture:
        """One of ``known`` with about one choice drawn anew."""
        return self._mutated(self._pick(known), 1 / len(self.choices))

    def _mutated(self, parent: Architecture, probability: float) -> Architecture:
        return {
            label: self._pick(values) if self._rng.random() < probability else parent[label]
            for label, values in self.choices.items()
        }

    def _pick(self, values: Sequence[T]) -> T:
        return values[int(self._rng.integers(len(values)))]


def _new_child(
    draws: _Draws,
    crossing: bool,
    visited: dict[str, Architecture],
    within: Limit | None,
    canonical: Callable[[Architecture], Architecture],
) -> Architecture | None:
    """An architecture that was not visited and is within the limit; None if none is found."""

    def proposals() -> Iterator[Architecture]:
        for _ in range(draws.patience):
            yield draws.by_the_algorithm(crossing)
        draws.patience //= 4  # the others of this generation will hardly fare better
        if within is not None and not visited:
            yield within.lightest
        known = list(visited.values())
        for attempt in range(NEARBY):
            yield draws.near(known) if known and attempt % 2 else draws.uniform()

    for proposal in proposals():
        child = canonical(proposal)
        key = _key(draws.choices, child)
        if key not in visited and (within is None or within(child)):
            visited[key] = child
            return child
    return None


def _key(choices: Choices, architecture: Architecture) -> str:
    return str([architecture[label] for label in choices])
