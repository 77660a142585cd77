"""Costs of architectures: always those of the frozen network, and limits on them."""

from itertools import product

import own_spaces
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from search_spaces.conformance import formula_is_right
from search_spaces.coordinate_search import least
from search_spaces.costs import Costs, CostTable, FormulaCosts, costs_of, limit, network_cost
from search_spaces.errors import SpaceError
from search_spaces.interface import Architecture, ModelSpace, choices
from search_spaces.stem_choice import Stemmed

SHAPE = (3, 32, 32)


class Scaled(nn.Module):
    """A stem with weights and with statistics that no file holds."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Conv2d(3, 3, 3, padding=1)
        self.register_buffer("mean", torch.tensor([0.5, 0.4, 0.3]), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.filter(x) - self.mean[:, None, None]


def all_of(space: ModelSpace) -> list[Architecture]:
    values = choices(space)
    return [dict(zip(values, path, strict=True)) for path in product(*values.values())]


@pytest.mark.parametrize(
    ("space", "kind"),
    [
        (own_spaces.Small, Costs),
        (own_spaces.Layered, CostTable),
        (own_spaces.OneLabelTwice, CostTable),
        (own_spaces.Strided, Costs),
        (own_spaces.Nested, Costs),
        (own_spaces.Shared, Costs),
        (own_spaces.TwiceRun, Costs),
        (own_spaces.Deep, Costs),
        (own_spaces.Inputs, Costs),
        (own_spaces.Ruled, FormulaCosts),
        (own_spaces.WrongFormula, Costs),
    ],
)
@pytest.mark.parametrize("stem", ["none", "one", "several"])
def test_costs_are_those_of_the_frozen_network(
    space: type[ModelSpace], kind: type[Costs], stem: str
) -> None:
    stems = {"one": Scaled(), "several": {"scaled": Scaled(), "plain": nn.Identity()}}

    def build() -> ModelSpace:
        return space() if stem == "none" else Stemmed(space, stems[stem])

    costs = costs_of(build, SHAPE)
    assert type(costs) is kind
    made = build()
    counted = []
    for architecture in all_of(made):
        counted.append(network_cost(made.freeze(architecture), SHAPE))
        assert costs(architecture) == counted[-1]
    assert costs.smallest.flops == min(cost.flops for cost in counted)
    assert costs.smallest.params == min(cost.params for cost in counted)
    cheapest, costliest = costs.extremes
    assert costs(cheapest).flops == min(cost.flops for cost in counted)
    assert costs(costliest).flops == max(cost.flops for cost in counted)
    for what in ("flops", "params"):
        most = sorted(getattr(cost, what) for cost in counted)[len(counted) // 2]
        within = limit(costs, **{f"max_{what}": most})
        kept = [getattr(cost, what) <= most for cost in counted]
        assert [within(architecture) for architecture in all_of(made)] == kept


def test_counting_leaves_a_stem_of_the_users_where_it_is() -> None:
    stem = Scaled()
    costs_of(lambda: Stemmed(own_spaces.Layered, stem), SHAPE)
    assert {tensor.device.type for tensor in (*stem.parameters(), *stem.buffers())} == {"cpu"}


def test_a_space_that_has_no_meaning_on_meta_is_counted_all_the_same() -> None:
    class Asking(own_spaces.Layered):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.sum().item() == 0
            return super().forward(x)

    made = Asking()
    costs = costs_of(Asking, SHAPE)
    for architecture in all_of(made):
        assert costs(architecture) == network_cost(made.freeze(architecture), SHAPE)


def test_a_space_without_a_formula_need_not_be_built_on_meta() -> None:
    class Rates(own_spaces.Layered):
        cost = property()  # hasattr says that there is none

        def __init__(self) -> None:
            self.rates = [x.item() for x in torch.linspace(0, 0.1, 3)]
            super().__init__()

    formula_is_right(Rates, torch.zeros(2, *SHAPE))


layers = st.integers(2, 4).flatmap(
    lambda depth: st.tuples(
        st.permutations(range(1, depth + 1)),
        st.lists(
            st.lists(st.integers(1, 50), min_size=1, max_size=3, unique=True),
            min_size=depth, max_size=depth,
        ),
        st.lists(st.integers(1, 50), min_size=1, max_size=3, unique=True),
    )
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(layers)
def test_coordinate_search_is_exact_where_a_depth_decides(
    drawn: tuple[list[int], list[list[int]], list[int]],
) -> None:
    """Options in any order; layers beyond the depth have no effect; a width multiplies all."""
    depths, widths, factors = drawn
    values = {"depth": depths, **{str(n): each for n, each in enumerate(widths)}, "by": factors}

    def cost(architecture: Architecture) -> int:
        return architecture["by"] * sum(architecture[str(n)] for n in range(architecture["depth"]))

    every = [dict(zip(values, path, strict=True)) for path in product(*values.values())]
    assert cost(least(values, cost)) == min(map(cost, every))
    assert cost(least(values, lambda a: -cost(a))) == max(map(cost, every))


def test_two_limits_that_nothing_meets_at_once() -> None:
    class Torn(own_spaces.Ruled):
        """More parameters, fewer multiply-adds."""

    class TornCosts(Costs):
        def __call__(self, architecture: Architecture) -> own_spaces.Cost:
            width = architecture["width"]
            return own_spaces.Cost(1000 // width, width)

    costs = TornCosts(Torn(), SHAPE)
    assert limit(costs, max_flops=62)({"width": 16})
    with pytest.raises(SpaceError, match="at most 62 flops and 8 params at once"):
        limit(costs, max_flops=62, max_params=8)


def test_limits_are_positive() -> None:
    with pytest.raises(SpaceError, match="max_params is 0, must be a whole number of 1 or more"):
        limit(costs_of(own_spaces.Layered, SHAPE), max_params=0)
