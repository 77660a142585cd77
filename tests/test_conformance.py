"""The suite that every space must pass: the package's own spaces, users' own, and bad ones."""

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import own_spaces
import pytest
import torch
from torch import Tensor, nn

from search_spaces.autoformer import AutoFormer
from search_spaces.conformance import CHECKS, check_space
from search_spaces.costs import Costs, FormulaCosts, costs_of, network_cost
from search_spaces.errors import SpaceError
from search_spaces.interface import (
    ModelSpace,
    activate,
    canonical_form,
    choices,
    covering_architectures,
    draw_architecture,
    freeze,
)
from search_spaces.spos import SPOS
from search_spaces.stem_choice import Stem, Stemmed
from search_spaces.supernet import as_supernet, subnet

SHAPE = (3, 32, 32)
EXAMPLES = Path(__file__).parents[1] / "examples"


class Shift(nn.Module):
    """A stem with a learned weight and a fixed number that no file holds."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3, 1, 1))
        self.register_buffer("mean", torch.tensor(0.5), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) * self.scale


def stem_of(kind: str) -> Stem:
    return {"none": None, "one": Shift(), "several": {"raw": nn.Identity(), "shift": Shift()}}[kind]


SPACES: dict[str, Callable[[Stem], ModelSpace]] = {
    "spos": lambda stem: SPOS(width=0.25, blocks=(1, 1, 1, 1), stem=stem),
    "autoformer": lambda stem: AutoFormer(depths=(1, 2), stem=stem),
    "small": lambda stem: Stemmed(own_spaces.Small, stem),
    "ruled": lambda stem: Stemmed(own_spaces.Ruled, stem),
    "nested": lambda stem: Stemmed(own_spaces.Nested, stem),
    "shared": lambda stem: Stemmed(own_spaces.Shared, stem),
    "deep": lambda stem: Stemmed(own_spaces.Deep, stem),
    "inputs": lambda stem: Stemmed(own_spaces.Inputs, stem),
    "strided": lambda stem: Stemmed(own_spaces.Strided, stem),
}


@pytest.mark.slow
@pytest.mark.parametrize("stem", ["none", "one", "several"])
@pytest.mark.parametrize("space", sorted(SPACES))
def test_spaces_conform(space: str, stem: str) -> None:
    check_space(lambda: SPACES[space](stem_of(stem)), SHAPE)


@pytest.mark.parametrize("space", sorted(SPACES))
def test_frozen_networks_are_those_of_nnis_own_freeze(space: str) -> None:
    made = SPACES[space](stem_of("several"))
    for architecture in covering_architectures(choices(made), most=2):
        torch.manual_seed(0)  # NNI draws weights for some layers
        theirs = made.freeze(architecture)
        torch.manual_seed(0)
        ours = freeze(made, architecture)
        assert list(map(type, ours.modules())) == list(map(type, theirs.modules()))
        weights = ours.state_dict()
        assert list(weights) == list(theirs.state_dict())
        assert all(torch.equal(weights[key], own) for key, own in theirs.state_dict().items())


def test_the_example_conforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    from own_space import Tiny

    check_space(lambda: Tiny(num_classes=7, image_size=45), (3, 45, 45))
    assert type(costs_of(Tiny, SHAPE)) is FormulaCosts
    del sys.modules["own_space"]


@pytest.mark.parametrize(
    ("space", "told"),
    [
        (own_spaces.OneChoice, "has_choices: it has no choice of two or more values"),
        (own_spaces.Failing, "paths_run: "),
        (own_spaces.Maps, r"paths_run: its forward gives \(4, .*must give logits"),
        (own_spaces.Restless, "paths_run: its forward is random"),
        (
            own_spaces.WrongFormula,
            "formula_is_right: its cost gives .* parameters for .*'width': 8",
        ),
        (own_spaces.WrongName, "canonical_is_the_same_network: its canonical gives"),
        (own_spaces.BadSetting, "cannot be built: KeyError: 'size'"),
        (lambda: SPOS(width=-1), "^width is -1, must be a number above 0$"),
        (lambda: nn.Linear(3, 3), "a Linear is no space"),
    ],
)
@pytest.mark.parametrize("stem", [False, True])
def test_bad_spaces_are_told_what_they_lack_in_one_line(
    space: Callable[[], ModelSpace], told: str, stem: bool
) -> None:
    if stem and space in (own_spaces.OneChoice,):
        pytest.skip("several stems are something to choose")
    if stem and "no space" in told:
        pytest.skip("what a stem stands in front of is not looked at alone")
    with pytest.raises(SpaceError, match=told) as caught:
        check_space((lambda: Stemmed(space, stem_of("several"))) if stem else space, SHAPE)
    assert len(str(caught.value).splitlines()) == 1


def test_a_check_leaves_random_numbers_as_they_were() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    check_space(own_spaces.Small, SHAPE)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("kind", ["one", "several"])
def test_what_a_space_defines_is_asked_of_it_with_a_stem_in_front(kind: str) -> None:
    def build() -> ModelSpace:
        return Stemmed(own_spaces.Ruled, stem_of(kind))

    supernet = as_supernet(build())
    # NNI makes the layers anew, with weights of its own.
    assert {weight.unique().item() for weight in supernet.space.parameters()} == {0.25}
    assert {weight.unique().item() for weight in supernet.stem.parameters()} == {1.0}

    stem = {"stem": "shift"} if kind == "several" else {}
    architecture = {**stem, "width": 8, "activation": "relu", "name": "two"}
    assert list(choices(supernet)) == list(architecture)
    assert canonical_form(supernet)(architecture) == {**architecture, "name": "one"}

    costs = costs_of(build, SHAPE)
    assert type(costs) is FormulaCosts
    assert costs(architecture) == network_cost(build().freeze(architecture), SHAPE)
    assert costs(architecture).params == 8 * 13 + 3


def test_a_space_without_rules_has_none_with_a_stem_in_front() -> None:
    supernet = as_supernet(Stemmed(own_spaces.Small, stem_of("one")))
    assert not hasattr(supernet, "cost")
    architecture = draw_architecture(supernet, 0)
    assert canonical_form(supernet)(architecture) == architecture
    assert type(costs_of(lambda: Stemmed(own_spaces.Small, stem_of("one")), SHAPE)) is Costs


def test_hooks_for_nni_are_asked_of_the_space_with_a_stem_in_front() -> None:
    def build() -> ModelSpace:
        return Stemmed(lambda: AutoFormer(depths=(1, 2)), stem_of("several"))

    check_space(build, SHAPE)
    supernet = as_supernet(build()).eval()
    architecture = draw_architecture(supernet, 0)
    activate(supernet, architecture)
    images = torch.rand(2, *SHAPE)
    with torch.no_grad():
        assert torch.equal(subnet(supernet, architecture)(images), supernet(images))


@pytest.mark.slow
@pytest.mark.parametrize(
    "build", [lambda: SPOS(width=0.25, blocks=(2, 2, 4, 2)), AutoFormer], ids=["spos", "autoformer"]
)
def test_the_suite_takes_seconds(build: Callable[[], ModelSpace]) -> None:
    started = perf_counter()
    check_space(build, SHAPE)
    assert perf_counter() - started < 30  # some four on two idle cores
    assert set(CHECKS) >= {"paths_run", "formula_is_right"}
