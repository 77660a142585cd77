"""Rates by layer: by hand on a tiny network, and beside timm's own groups."""

from collections import OrderedDict

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn
from torchvision import models

from nasneurn.algorithms import ERM
from nasneurn.errors import InputError
from nasneurn.training.fine_tuning import Body, check_fine_tuning, head_names, rates
from nasneurn.training.module import ClassificationModule
from nasneurn.training.protocol import Optimization


def tiny() -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, 4, 3),
            norm=nn.BatchNorm2d(4),
            deeper=nn.Conv2d(4, 4, 3),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            head=nn.Linear(4, 2),
        )
    )


def test_layer_decay_by_hand() -> None:
    body = Body(tiny(), ("head",))
    found = rates(body, Optimization(layer_decay=0.5, head_rate=10.0))
    by_name = {name: found[weight] for name, weight in body.network.named_parameters()}
    assert by_name == {
        "conv.weight": 0.25,
        "conv.bias": 0.25,
        "norm.weight": 0.25,
        "norm.bias": 0.25,
        "deeper.weight": 0.5,
        "deeper.bias": 0.5,
        "head.weight": 10.0,
        "head.bias": 10.0,
    }


def test_the_first_step_of_adam_is_as_long_as_the_rate() -> None:
    """Adam's first step is the rate times the sign of the gradient."""
    network = tiny()
    optimization = Optimization(
        learning_rate=0.1, layer_decay=0.5, head_rate=2.0, frozen=("deeper",)
    )
    whole = nn.Sequential(nn.Identity(), network)
    module = ClassificationModule(optimization, ERM(), 4, 0, Body(network, ("head",)))
    module.set_model(whole)
    optimizer = module.configure_optimizers()
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    for weight in network.parameters():
        if weight.requires_grad:
            weight.grad = torch.ones_like(weight)
    optimizer.step()  # type: ignore[union-attr]
    steps = {"conv": 0.025, "norm": 0.025, "deeper": 0.0, "head": 0.2}
    for name, weight in network.named_parameters():
        moved = before[name] - weight.detach()
        torch.testing.assert_close(moved, torch.full_like(moved, steps[name.split(".")[0]]))


def test_without_any_of_it_the_optimizer_has_one_group() -> None:
    network = tiny()
    module = ClassificationModule(Optimization(), ERM(), 4, 0, Body(network, ("head",)))
    module.set_model(network)
    (group,) = module.configure_optimizers().param_groups  # type: ignore[union-attr]
    assert group["params"] == list(network.parameters())


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "efficientnet_b0"])
def test_layers_of_timm_are_timms(name: str) -> None:
    with torch.device("meta"):
        network = timm.create_model(name)
    found = rates(Body(network), Optimization(layer_decay=0.7))
    for group in param_groups_layer_decay(network, layer_decay=0.7):
        for weight in group["params"]:
            assert found[weight] == pytest.approx(group["lr_scale"])


@pytest.mark.parametrize(
    ("network", "heads"),
    [
        (lambda: timm.create_model("resnet18", num_classes=7), ("fc",)),
        (lambda: timm.create_model("convnext_atto", num_classes=7), ("head.fc",)),
        (
            lambda: timm.create_model("deit_tiny_distilled_patch16_224", num_classes=7),
            ("head", "head_dist"),
        ),
        (lambda: models.resnet18(num_classes=7), ("fc",)),
        (lambda: models.squeezenet1_1(num_classes=7), ("classifier.1",)),
        (lambda: models.vgg11(num_classes=7), ("classifier.6",)),
        (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(5)), ()),
    ],
)
def test_heads_by_timms_word_or_the_last_layer_called(network: object, heads: tuple) -> None:
    assert callable(network)
    with torch.device("meta"):
        made = network()
        assert head_names(made, made, 7, 224) == heads


def test_a_network_without_a_head_has_no_rate_for_it() -> None:
    body = Body(tiny())
    for optimization in (Optimization(head_rate=2.0), Optimization(frozen=("all",))):
        with pytest.raises(InputError):
            check_fine_tuning(body, optimization, "tiny")
    check_fine_tuning(body, Optimization(frozen=("conv",)), "tiny")
