"""Names of networks by pattern."""

import pytest

import nasneurn
from nasneurn.networks import resolve_architectures


def test_networks_are_listed_by_pattern() -> None:
    assert nasneurn.list_networks() == ["digits_convnet"]
    listed = nasneurn.list_networks("resnet*")
    # Of the paper's 44, of timm, and of torchvision.
    assert {"resnet50v2", "resnet18", "torchvision:resnet18"} <= set(listed)
    assert nasneurn.list_networks("torchvision:resnet1?") == ["torchvision:resnet18"]
    assert "fcn_resnet101" not in nasneurn.list_networks("*resnet101"), "it gives maps"
    assert nasneurn.list_networks("digits*") == ["digits_convnet"]
    assert nasneurn.list_networks("no such") == []


@pytest.mark.slow
def test_every_listed_name_is_one_network() -> None:
    listed = nasneurn.list_networks("*")
    assert len(set(listed)) == len(listed) > 1000
    assert {len(resolve_architectures([name])) for name in listed} == {1}
