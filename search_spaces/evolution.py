"""Evolutionary search over the paths of a trained supernet, under a cost limit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from search_spaces.costs import Cost
from search_spaces.errors import SpaceError

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
    """One evaluated architecture."""

    generation: int
    architecture: dict[str, Any]
    cost: Cost
    score: float

    @property
    def rank(self) -> tuple[float, int, str]:
        """Sort key, best first: the score, then the lower cost, then a fixed order."""
        return (-self.score, self.cost.flops, str(self.architecture))


def evolve(
    choices: Mapping[str, Sequence[Any]],
    evaluate: Callable[[dict[str, Any]], float],
    cost: Callable[[Mapping[str, Any]], Cost],
    *,
    settings: EvolutionSettings,
    seed: int,
    within: Callable[[Mapping[str, Any]], bool] = lambda architecture: True,
    seen: Callable[[Candidate], None] = lambda candidate: None,
) -> list[Candidate]:
    """Search for the architecture with the highest score.

    The first generation is drawn uniformly. Each later one holds as many new architectures, half
    by crossover of two parents and half by mutation of one, the parents being the best of all so
    far (Guo et al., ECCV 2020, algorithm 1). No architecture is evaluated twice. Each generation
    draws from its own stream of ``seed``, so a search whose scores are remembered (by
    ``evaluate``) replays to the point where it was cut off.

    Returns all candidates in the order of evaluation. A small space may be exhausted early.

    Raises
    ------
    SpaceError
        If no architecture within the limit is found in many draws.
    """
    size = int(np.prod([float(len(values)) for values in choices.values()]))
    candidates: list[Candidate] = []
    visited: set[tuple[Any, ...]] = set()

    for generation in range(settings.generations):
        rng = np.random.default_rng([seed, generation])
        parents = sorted(candidates, key=lambda c: c.rank)[: settings.parents]
        for position in range(settings.population):
            if len(visited) >= size:
                return candidates
            crossing = position < settings.population // 2
            child = _new_child(choices, parents, crossing, settings, visited, within, rng)
            if child is None:
                if not candidates:
                    raise SpaceError(
                        f"no architecture within the limits in {PATIENCE:,} draws; raise the limits"
                    )
                continue
            candidate = Candidate(generation, child, cost(child), evaluate(child))
            candidates.append(candidate)
            seen(candidate)
    return candidates


def _new_child(
    choices: Mapping[str, Sequence[Any]],
    parents: Sequence[Candidate],
    crossing: bool,
    settings: EvolutionSettings,
    visited: set[tuple[Any, ...]],
    within: Callable[[Mapping[str, Any]], bool],
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
        key = tuple(child.values())
        if key not in visited and within(child):
            visited.add(key)
            return child
    return None


def _pick(values: Sequence[T], rng: np.random.Generator) -> T:
    return values[int(rng.integers(len(values)))]
