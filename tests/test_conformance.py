"""The suite that every space must pass: the package's own spaces, users' own, and bad ones."""

import subprocess
import sys
from pathlib import Path

import own_spaces
import pytest
import torch

from nasneurn.errors import InputError
from nasneurn.networks.spaces import SPACES, SpaceChoice, space_class
from nasneurn.search.config import SEARCHED, StemChoice, budget_named
from search_spaces.conformance import CHECKS, check_space
from search_spaces.costs import Costs, costs_of, network_cost
from search_spaces.errors import SpaceError
from search_spaces.interface import ModelSpace, draw_architecture

HERE = Path(__file__).parent


@pytest.mark.parametrize("check", sorted(CHECKS))
@pytest.mark.parametrize("stem", ["neurn", "search"])
@pytest.mark.parametrize("space", sorted(SPACES))
def test_the_packages_spaces_conform(space: str, stem: str, check: str) -> None:
    settings = {"spos": "{width: 0.25, blocks: [1, 1, 1, 1]}", "autoformer": "{size: micro}"}
    budget = budget_named("quick", space).changed([f"settings={settings[space]}"])
    choice = SpaceChoice.of(space, StemChoice(name=stem), 10, 32, budget)
    torch.manual_seed(0)
    CHECKS[check](choice.build, torch.rand(4, 3, 32, 32))


@pytest.mark.parametrize("stem", [StemChoice(name="neurn"), SEARCHED])
def test_a_users_space_conforms_with_a_stem_in_front(stem: StemChoice) -> None:
    choice = SpaceChoice.of("own_spaces:Small", stem, 7, 32, budget_named("quick", "other"))
    assert choice.settings == {"num_labels": 7}
    check_space(choice.build, (3, 32, 32))
    costs = costs_of(choice.build, (3, 32, 32))
    assert isinstance(costs, Costs)
    architecture = draw_architecture(choice.build(), 0)
    assert costs(architecture) == network_cost(choice.network(architecture), (3, 32, 32))


@pytest.mark.parametrize(
    ("space", "told"),
    [
        (own_spaces.OneChoice, "has_choices: it has no choice of two or more values"),
        (own_spaces.Failing, "paths_run: "),
        (own_spaces.Maps, r"paths_run: its forward gives \(4, .*must give logits"),
        (own_spaces.Restless, "paths_run: its forward is random"),
    ],
)
def test_bad_spaces_are_told_what_they_lack(space: type[ModelSpace], told: str) -> None:
    with pytest.raises(SpaceError, match=told):
        check_space(space, (3, 32, 32))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("spas", "did you mean 'spos'"),
        ("no_such_module:Space", "cannot be imported: No module named 'no_such_module'"),
        ("own_spaces:Absent", "has no attribute 'Absent'"),
        ("own_spaces:NotASpace", "is no class of nni.nas.nn.pytorch.ModelSpace"),
    ],
)
def test_spaces_that_cannot_be_found(name: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        space_class(name)


@pytest.mark.slow
def test_the_command_searches_a_users_space(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "nasneurn", "search", "--space", "own_spaces:Small",
        "--set", "steps=3", "--set", "population=3", "--set", "generations=1",
        "--out", str(tmp_path / "out"), "--device", "cpu",
    ]  # fmt: skip
    subprocess.run(command, cwd=HERE, check=True)
    assert len((tmp_path / "out" / "evolution.csv").read_text().splitlines()) == 4

    command[command.index("own_spaces:Small")] = "own_spaces:Failing"
    command[command.index("--out") + 1] = str(tmp_path / "other")
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    assert done.returncode == 2
    assert "the space does not pass paths_run" in done.stderr.splitlines()[-1]
