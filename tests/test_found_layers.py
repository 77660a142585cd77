"""Layers of found networks are modules that run, so that hooks see what passes through them."""

import pytest
import torch
from found_spaces import SPACES
from torch import Tensor, nn
from torch.nn import functional as F

from nasneurn.algorithms.watching import last_linear
from nasneurn.correlation.architecture_distances import architecture_distances
from nasneurn.errors import InputError
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.build import create_network
from nasneurn.networks.found import FoundArchitecture
from nasneurn.networks.names import resolve_architectures
from nasneurn.networks.placement import first_convolution
from nasneurn.networks.random_features import random_features, sample_images


def found(space: str) -> Architecture:
    one = FoundArchitecture(name=f"{space}/optdigits-none-0", space=space, **SPACES[space])
    return Architecture(name=one.name, library="found", found=one)


@pytest.mark.parametrize("space", SPACES)
def test_the_last_layer_and_the_first_convolution_are_seen(space: str) -> None:
    images = torch.rand(2, 3, 32, 32)
    network, _ = create_network(found(space), 10, 32, fresh=False)
    head = last_linear(network, images, 10)
    assert isinstance(head, nn.Linear)
    assert head.out_features == 10
    first = network.get_submodule(first_convolution(found(space), 10, 32))
    assert isinstance(first, nn.Conv2d)
    assert first.in_channels == 3


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
def test_features_of_random_weights_are_what_enters_the_last_layer(space: str) -> None:
    pytest.importorskip("nni")
    images = sample_images(32, 2)
    features = random_features(found(space), 0, images)
    network, _ = create_network(found(space), 10, 32, fresh=False)
    head = last_linear(network, images, 10)
    assert features.shape == (len(images), head.in_features)
    assert (features.std(0) > 0).any()


class Functional(nn.Module):
    """A network without a layer that is called as a module."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_classes, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.mean((2, 3)), self.weight)


def test_without_layers_that_are_called_there_are_no_features_and_a_note() -> None:
    one = Architecture(name="functional", library="own", model=f"{__name__}:Functional")
    with pytest.raises(InputError, match="functional calls no linear layer"):
        random_features(one, 0, torch.rand(4, 3, 32, 32))
    compared = architecture_distances([one, *resolve_architectures(["digits_convnet"])], 32)
    assert "random-features" not in compared.tables
    assert "no distance by random-features: functional calls" in "; ".join(compared.notes)
