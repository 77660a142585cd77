"""Evolutionary search on scores that are known in advance."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.coordinate_search import least
from search_spaces.costs import Cost, Costs, Limit, limit
from search_spaces.errors import SpaceError
from search_spaces.evolution import Candidate, EvolutionSettings, evolve
from search_spaces.pareto import hypervolume

CHOICES = {f"layer_{number}": ("a", "b", "c", "d") for number in range(8)}
VALUE = {"a": 0, "b": 1, "c": 2, "d": 3}


def total(architecture: Mapping[str, Any]) -> float:
    return float(sum(VALUE[value] for value in architecture.values()))


def totals(architectures: Sequence[dict[str, Any]]) -> list[float]:
    return [total(architecture) for architecture in architectures]


def cost(architecture: Mapping[str, Any]) -> Cost:
    return Cost(flops=int(total(architecture)), params=1)


def run(seed: int = 0, **changes: Any) -> list[Candidate]:
    options: dict[str, Any] = {
        "settings": EvolutionSettings(population=20, generations=8, parents=6),
        **changes,
    }
    return evolve(CHOICES, totals, cost, seed=seed, **options)


def test_it_finds_more_than_chance() -> None:
    found = run()
    best = max(candidate.score for candidate in found)
    first = max(candidate.score for candidate in found if candidate.generation == 0)
    assert best >= 22 > first  # of 24; a uniform draw has mean 12 and deviation 3.2


def test_no_architecture_twice_and_full_generations() -> None:
    found = run()
    assert len({tuple(c.architecture.values()) for c in found}) == len(found) == 160
    assert [c.generation for c in found] == [g for g in range(8) for _ in range(20)]


def test_the_seed_decides() -> None:
    assert run(seed=1) == run(seed=1)
    assert run(seed=1) != run(seed=2)


def test_remembered_scores_replay_the_search() -> None:
    asked: list[int] = []
    memory: dict[tuple[Any, ...], float] = {}

    def evaluate(architectures: Sequence[dict[str, Any]]) -> Iterator[float]:
        for architecture in architectures:
            key = tuple(architecture.values())
            if key not in memory:
                asked.append(1)
                memory[key] = total(architecture)
            yield memory[key]

    options = {"settings": EvolutionSettings(10, 4, 4), "seed": 3}
    whole = evolve(CHOICES, evaluate, cost, **options)  # type: ignore[arg-type]
    for key in list(memory)[25:]:
        del memory[key]  # as if killed at the 26th candidate
    asked.clear()
    assert evolve(CHOICES, evaluate, cost, **options) == whole  # type: ignore[arg-type]
    assert len(asked) == 15


class KnownCosts(Costs):
    """Costs that no network needs to be built for."""

    def __init__(self, choices: Mapping[str, Sequence[Any]], value: Mapping[str, int]) -> None:
        self.choices = dict(choices)
        self.value = value

    def __call__(self, architecture: Mapping[str, Any]) -> Cost:
        return Cost(flops=1 + sum(map(self.value.__getitem__, architecture.values())), params=1)


def at_most(flops: int) -> Limit:
    return Limit(KnownCosts(CHOICES, VALUE), {"flops": flops})


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(most=st.integers(1, 24), seed=st.integers(0, 99))
def test_the_limit_holds(most: int, seed: int) -> None:
    found = run(seed, within=at_most(1 + most))
    assert max(c.cost.flops for c in found) <= most
    assert best_score(found) >= min(most, 20)


def best_score(found: list[Candidate]) -> float:
    return max(candidate.score for candidate in found)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("seed", range(3))
def test_the_few_of_a_million_that_meet_a_limit_are_all_found(order: int, seed: int) -> None:
    choices = {f"layer_{number}": ("a", "b", "c", "d")[::order] for number in range(10)}
    costs = KnownCosts(choices, VALUE)
    # Of 4^10 architectures, the cheapest and the ten that are dearer by one.
    found = evolve(
        choices, totals, costs, seed=seed, within=limit(costs, max_flops=2),
        settings=EvolutionSettings(population=8, generations=5, parents=4),
    )  # fmt: skip
    assert len(found) == 11
    assert {candidate.cost.flops for candidate in found} == {1, 2}
    assert least(choices, costs_flops(costs)) == dict.fromkeys(choices, "a")


def costs_flops(costs: Costs) -> Any:
    return lambda architecture: costs(architecture).flops


def test_no_limit_asks_for_no_cost() -> None:
    class Unknown(KnownCosts):
        def __call__(self, architecture: Mapping[str, Any]) -> Cost:
            raise AssertionError

    assert run(within=limit(Unknown(CHOICES, VALUE))) == run()


def test_one_architecture_within_the_limit_is_found() -> None:
    (found,) = run(within=at_most(1))
    assert found.architecture == dict.fromkeys(CHOICES, "a")


def test_a_limit_that_nothing_meets() -> None:
    with pytest.raises(SpaceError, match="no architecture is within the limits"):
        run(within=at_most(0.5))  # type: ignore[arg-type]
    with pytest.raises(SpaceError, match="no architecture has at most 1 flops: the smallest"):
        limit(KnownCosts(CHOICES, dict.fromkeys("abcd", 1)), max_flops=1)


def test_two_aims_are_both_followed() -> None:
    def area(found: list[Candidate]) -> float:
        points = np.array([(1 - c.score / 24, c.cost.flops / 24) for c in found])
        return hypervolume(points, (1.0, 1.0))

    # Score and cost pull apart here: accuracy alone ends in the corner, both on the whole front.
    def dear(architecture: Mapping[str, Any]) -> Cost:
        return Cost(flops=sum(VALUE[v] ** 2 for v in architecture.values()) // 3, params=1)

    options: dict[str, Any] = {"settings": EvolutionSettings(20, 8, 8), "seed": 0}
    alone = evolve(CHOICES, totals, dear, **options)
    both = evolve(CHOICES, totals, dear, burden=lambda a: float(dear(a).flops), **options)
    assert area(both) > area(alone)
    assert min(c.cost.flops for c in both) < min(c.cost.flops for c in alone)


def test_architectures_of_one_network_are_scored_once() -> None:
    def canonical(architecture: dict[str, Any]) -> dict[str, Any]:
        return {**architecture, "layer_7": "a"}  # as if the last layer had no effect

    found = run(canonical=canonical)
    assert all(c.architecture["layer_7"] == "a" for c in found)
    assert len({tuple(c.architecture.values()) for c in found}) == len(found)


@pytest.mark.parametrize("choices", [{}, {"x": ("a",)}])
def test_nothing_to_choose(choices: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(SpaceError, match="a single architecture"):
        evolve(choices, totals, cost, settings=EvolutionSettings(), seed=0)


def test_a_small_space_is_searched_whole() -> None:
    found = evolve(
        {"x": ("a", "b"), "y": ("a", "c")}, totals, cost,
        settings=EvolutionSettings(population=10, generations=5), seed=0,
    )  # fmt: skip
    assert len(found) == 4


def test_ties_go_to_the_cheaper() -> None:
    cheap = Candidate(1, {"x": "a"}, Cost(1, 1), 0.5)
    dear = Candidate(0, {"x": "b"}, Cost(2, 1), 0.5)
    assert min([dear, cheap], key=lambda c: c.rank) is cheap
