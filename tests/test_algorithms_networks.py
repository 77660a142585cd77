"""What an algorithm asks of a network is told before the first training, by name."""

from typing import Any

import numpy as np
import pytest
import torch
from tiny_bench import tiny_config
from torch import Tensor, nn

from nasneurn.algorithms import Task, list_algorithms
from nasneurn.algorithms.conformance import check_network_of
from nasneurn.algorithms.erm import ERM
from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.studies.store import Outcomes


def check(**options: Any) -> None:
    config = tiny_config(**options)
    config.check(load_suite("builtin"), config.units(Outcomes()))


@pytest.mark.slow
def test_stages_of_a_transformer_are_asked_for_in_vain() -> None:
    told = r"deit_tiny_patch16_224: algorithm 'mixstyle': the VisionTransformer has no stage"
    with pytest.raises(InputError, match=told):
        check(
            models=["lcnet_050,deit_tiny_patch16_224"], algorithms=["erm,mixstyle"], stems=["none"]
        )


def test_a_network_without_a_last_linear_layer_has_no_features() -> None:
    told = "FlatAverage has no|no linear layer of the FlatAverage gives its 10 logits"
    for name in ("coral:pseudo=randconv", "ada"):
        with pytest.raises(InputError, match=told) as error:
            check_network_of(name, FlatAverage(), torch.rand(2, 3, 32, 32), 10)
        assert name in str(error.value)


class FlatAverage(nn.Module):
    """Its logits are ten means of a convolution's map."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 20, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.convolution(images).mean((2, 3)).unflatten(1, (10, 2)).mean(2)


@pytest.mark.parametrize("name", list_algorithms())
def test_the_network_of_the_literature_can_be_trained_by_all(name: str) -> None:
    state = torch.random.get_rng_state()
    check(
        models=["digits_convnet"],
        algorithms=[name],
        stems=["none"],
        sources_named=["optdigits+print"],
    )
    assert torch.equal(torch.random.get_rng_state(), state)


class Looks(ERM):
    """Its ``prepare`` reads its images, which can be done in a training alone."""

    def prepare(self, network: nn.Module, task: Task) -> None:
        assert float(task.data.pixels(np.arange(2)).mean()) >= 0


def test_what_only_a_training_can_tell_is_left_to_it() -> None:
    network = nn.Linear(1, 1).to("meta")
    check_network_of(f"{__name__}:Looks", network, torch.empty(2, 3, 8, 8, device="meta"), 10)
