"""Networks that one's own code registers with timm, and modules in place of what makes them."""

from typing import Any

import pytest
import timm
from own_networks import SmallCNN
from timm.models import register_model
from torch import nn

from nasneurn.errors import InputError
from nasneurn.networks import resolve_architectures
from nasneurn.networks.build import create_network

#: A module in place of its class.
made_already = SmallCNN(7)


def small_by_timm(pretrained: bool = False, **options: Any) -> nn.Module:
    """A network as timm's users register one: options are handed on."""
    options.pop("pretrained_cfg", None)
    return SmallCNN(**options)


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    register_model(small_by_timm)


@pytest.mark.parametrize("word", ["small_by_timm", "test_registered_networks:small_by_timm"])
def test_what_is_registered_with_timm_is_found_under_its_name(word: str) -> None:
    assert timm.is_model("small_by_timm")
    (architecture,) = resolve_architectures([word])
    assert architecture.name == word
    # By import path, so that workers find it, too.
    assert (architecture.library, architecture.model) == (
        "own", "test_registered_networks:small_by_timm",
    )  # fmt: skip
    network, _ = create_network(architecture, 7, 32)
    assert network.head.out_features == 7


def test_timms_own_networks_stay_timms() -> None:
    (architecture,) = resolve_architectures(["test_resnet"])
    assert (architecture.library, architecture.model) == ("timm", "test_resnet")


def test_a_module_in_place_of_its_class_is_told() -> None:
    (architecture,) = resolve_architectures(["test_registered_networks:made_already"])
    with pytest.raises(InputError, match="is a module that is made already"):
        create_network(architecture, 7, 32)
