"""Evolutionary search over the paths of a trained supernet, under a cost limit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from search_spaces.costs import Cost
from search_spaces.errors import SpaceError
from search_spaces.pareto import selection_order

T = TypeVar("T")

#: Draws for one new candidate before the search gives up.
PATIENCE = 10_000


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
    choices: Mapping[str, Sequence[Any]],
    evaluate: Callable[[Sequence[dict[str, Any]]], Iterable[float]],
    cost: Callable[[Mapping[str, Any]], Cost],
    *,
    settings: EvolutionSettings,
    seed: int,
    burden: Callable[[dict[str, Any]], float] = lambda architecture: 0.0,
    within: Callable[[Mapping[str, Any]], bool] = lambda architecture: True,
    canonical: Callable[[dict[str, Any]], dict[str, Any]] = lambda architecture: architecture,
    seen: Callable[[Candidate], None] = lambda candidate: None,
) -> list[Candidate]:
    """Search for the architectures with the highest score and, where it counts, a low burden.

    The first generation is drawn uniformly. Each later one holds as many new architectures, half
    by crossover of two parents and half by mutation of one, the parents being the best of all so
    far (Guo et al., ECCV 2020, algorithm 1). Where burdens differ, the best are those of NSGA-II:
    front by front, and in a front the less crowded first (Deb et al., 2002, section III). No
    architecture is evaluated twice. Each generation draws from its own stream of ``seed``, so a
    search whose scores are remembered (by ``evaluate``) replays to the point where it was cut off.

    ``evaluate`` is given a generation at once, so that it may score its members in parallel; it
    gives each score as soon as it is known. ``burden`` is what to lower beside the error.
    ``canonical`` gives the one name of a network that several architectures describe.

    Returns all candidates in the order of evaluation. A small space may be exhausted early.

    Raises
    ------
    SpaceError
        If the space holds nothing to choose, or no architecture within the limit is found in many
        draws.
    """
    size = int(np.prod([float(len(values)) for values in choices.values()]))
    if size < 2:
        raise SpaceError("the space holds a single architecture: there is nothing to search")
    candidates: list[Candidate] = []
    visited: set[tuple[Any, ...]] = set()

    for generation in range(settings.generations):
        rng = np.random.default_rng([seed, generation])
        parents = best_of(candidates, settings.parents)
        children: list[dict[str, Any]] = []
        for position in range(settings.population):
            if len(visited) >= size:
                break
            crossing = position < settings.population // 2
            child = _new_child(
                choices, parents, crossing, settings, visited, within, canonical, rng
            )
            if child is not None:
                children.append(child)
            elif not candidates and not children:
                raise SpaceError(
                    f"no architecture within the limits in {PATIENCE:,} draws; raise the limits"
                )
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


def _new_child(
    choices: Mapping[str, Sequence[Any]],
    parents: Sequence[Candidate],
    crossing: bool,
    settings: EvolutionSettings,
    visited: set[tuple[Any, ...]],
    within: Callable[[Mapping[str, Any]], bool],
    canonical: Callable[[dict[str, Any]], dict[str, Any]],
    rng: np.random.Generator,
) -> dict[str, Any] | None:
    """An architecture that was not visited and is within the limit, or None after many draws."""
    for attempt in range(PATIENCE):
        # Parents that have no unvisited child left give way to uniform draws.
        if not parents or attempt > PATIENCE // 10:
            child = {label: _pick(values, rng) for label, values in choices.items()}
        elif crossing:
            pair = [_pick(parents, rng).architecture, _pick(parents, rng).architecture]
            child = {label: _pick(pair, rng)[label] for label in choices}
        else:
            parent = _pick(parents, rng).architecture
            child = {
                label: _pick(values, rng)
                if rng.random() < settings.mutation_probability
                else parent[label]
                for label, values in choices.items()
            }
        child = canonical(child)
        key = tuple(child.values())
        if key not in visited and within(child):
            visited.add(key)
            return child
    return None


def _pick(values: Sequence[T], rng: np.random.Generator) -> T:
    return values[int(rng.integers(len(values)))]
