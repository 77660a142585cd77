"""Which paths a supernet trains on: uniform, strictly fair, sandwich."""

from collections import Counter
from itertools import product

import pytest

from search_spaces.autoformer import AutoFormer
from search_spaces.costs import Costs, costs_of
from search_spaces.errors import SpaceError
from search_spaces.interface import ModelSpace, choices
from search_spaces.sampling import RULES, path_rule
from search_spaces.shufflenet import CANDIDATES
from search_spaces.spos import SPOS

BUILD = {
    "spos": lambda: SPOS(width=0.25, blocks=(1, 1, 1, 1)),
    "autoformer": lambda: AutoFormer(),
}


@pytest.fixture(scope="module", params=sorted(BUILD))
def space(request: pytest.FixtureRequest) -> tuple[ModelSpace, Costs]:
    build = BUILD[request.param]
    return build(), costs_of(build, (3, 32, 32))


@pytest.mark.parametrize("name", sorted(RULES))
def test_paths_are_a_function_of_seed_and_batch(name: str, space: tuple[ModelSpace, Costs]) -> None:
    def paths(seed: int) -> list[dict[str, object]]:
        rule = path_rule(name, space[0], seed=seed, costs=space[1], accumulate=4)
        backwards = [rule(batch) for batch in reversed(range(12))]
        return backwards[::-1]

    assert paths(0) == paths(0)
    assert paths(0) != paths(1)
    values = choices(space[0])
    for path in paths(0):
        assert list(path) == list(values)
        assert all(value in values[label] for label, value in path.items())


def test_fair_trains_every_value_equally_often(space: tuple[ModelSpace, Costs]) -> None:
    rule = path_rule("fair", space[0], seed=3, costs=space[1], accumulate=1)
    for label, values in choices(space[0]).items():
        for start in (0, 5 * len(values)):  # in any round, not in the long run alone
            drawn = [rule(batch)[label] for batch in range(start, start + len(values))]
            assert sorted(map(str, drawn)) == sorted(map(str, values))


def test_fair_draws_each_choice_alone(space: tuple[ModelSpace, Costs]) -> None:
    rule = path_rule("fair", space[0], seed=0, costs=space[1], accumulate=1)
    pairs = Counter(
        tuple(str(value) for value in list(rule(batch).values())[:2]) for batch in range(300)
    )
    first, second = list(choices(space[0]).values())[:2]
    assert len(pairs) == len(first) * len(second)


def test_a_sandwich_has_the_costliest_and_the_cheapest(space: tuple[ModelSpace, Costs]) -> None:
    made, costs = space
    rule = path_rule("sandwich", made, seed=0, costs=costs, accumulate=3)
    for step in range(4):
        most, least, drawn = (costs(rule(3 * step + place)).flops for place in range(3))
        assert least == costs.smallest.flops
        assert least <= drawn <= most
    uniform = path_rule("uniform", made, seed=0, costs=costs, accumulate=1)
    assert most >= max(costs(uniform(batch)).flops for batch in range(100))


def test_a_sandwich_is_by_cost_where_options_fall_and_layers_have_no_effect() -> None:
    def build() -> AutoFormer:
        return AutoFormer(
            embed_dims=(80, 48), depths=(1, 3, 2), heads=(2, 4), mlp_ratios=(3.0, 1.5)
        )

    space, costs = build(), costs_of(build, (3, 32, 32))
    rule = path_rule("sandwich", space, seed=0, costs=costs, accumulate=3)
    values = choices(space)
    every = [dict(zip(values, path, strict=True)) for path in product(*values.values())]
    flops = [costs(architecture).flops for architecture in every]
    assert costs(rule(0)).flops == max(flops)
    assert costs(rule(1)).flops == min(flops)


@pytest.mark.slow
def test_extremes_of_spos_are_by_cost_not_by_name() -> None:
    build = BUILD["spos"]
    cheapest, costliest = costs_of(build, (3, 32, 32)).extremes
    costs = costs_of(build, (3, 32, 32))
    for label in cheapest:
        flops = {
            name: costs({**dict.fromkeys(cheapest, "k3"), label: name}).flops for name in CANDIDATES
        }
        assert flops[cheapest[label]] == min(flops.values())
        assert flops[costliest[label]] == max(flops.values())


def test_rules_that_cannot_be() -> None:
    build = BUILD["spos"]
    costs = costs_of(build, (3, 32, 32))
    with pytest.raises(SpaceError, match="accumulate is 2"):
        path_rule("sandwich", build(), seed=0, costs=costs, accumulate=2)
    with pytest.raises(SpaceError, match="did you mean 'uniform'"):
        path_rule("unifrm", build(), seed=0, costs=costs, accumulate=1)
