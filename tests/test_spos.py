"""The SPOS space: against NNI's own, at two image sizes, with a stem, and its initialization."""

import copy
from itertools import product

import pytest
import torch
from nni.nas.hub.pytorch import ShuffleNetSpace
from torch import nn

from nasneurn.stems import NeuRN
from search_spaces.costs import CostTable, costs_of, limit, network_cost
from search_spaces.errors import SpaceError
from search_spaces.interface import choices, draw_architecture
from search_spaces.shufflenet import CANDIDATES, ShuffleBlock, found_network, scaled_channels
from search_spaces.spos import SPOS, align_candidates

SMALL = {"width": 0.25, "blocks": (1, 1, 1, 1)}


@pytest.fixture(scope="module")
def hub() -> ShuffleNetSpace:
    torch.manual_seed(0)
    return ShuffleNetSpace(num_labels=10)


def hub_path(hub: ShuffleNetSpace, architecture: dict[str, str]) -> nn.Module:
    """A path of NNI's space with its weights; its ``freeze`` would draw new ones."""
    blocks = [layer[name] for layer, name in zip(hub.features, architecture.values(), strict=True)]
    ends = hub.conv_last, hub.globalpool, nn.Flatten(), hub.classifier
    return copy.deepcopy(nn.Sequential(hub.first_conv, *blocks, *ends))


@pytest.mark.slow
def test_weights_of_nnis_space_load_and_give_its_logits(hub: ShuffleNetSpace) -> None:
    ours = SPOS(num_classes=10, image_size=224)
    ours.load_state_dict(hub.state_dict())
    for number in range(3):
        architecture = draw_architecture(ours, 7, number)
        generator = torch.Generator().manual_seed(number)
        images = torch.randn(2, 3, 64, 64, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            theirs = hub_path(hub, architecture).double().eval()(images)
            mine = ours.freeze(architecture).double().eval()(images)
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=0)


def test_choices_are_those_of_nnis_space(hub: ShuffleNetSpace) -> None:
    assert choices(SPOS()) == choices(hub)


@pytest.mark.slow
def test_costs_are_those_of_nnis_space(hub: ShuffleNetSpace) -> None:
    table = costs_of(lambda: SPOS(num_classes=10, image_size=224), (3, 224, 224))
    assert isinstance(table, CostTable)
    for number in range(3):
        architecture = draw_architecture(hub, 8, number)
        assert table(architecture) == network_cost(hub_path(hub, architecture), (3, 224, 224))


@pytest.mark.parametrize(("size", "side"), [(32, 2), (224, 7)])
def test_resolution_at_the_end(size: int, side: int) -> None:
    space = SPOS(image_size=size, **SMALL)
    seen = []
    space.globalpool.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))
    assert space.eval()(torch.rand(1, 3, size, size)).shape == (1, 10)
    assert seen[0][-2:] == (side, side)


def test_stem_comes_first() -> None:
    torch.manual_seed(0)
    space = SPOS(stem=NeuRN(), **SMALL).eval()
    images = torch.rand(2, 3, 32, 32)
    # NeuRN throws polarity and contrast away; so must the whole network.
    torch.testing.assert_close(space(1 - 0.5 * images), space(images), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("width", [0.25, 0.5, 1.0, 1.5])
def test_channels_can_be_split(width: float) -> None:
    assert all(channels % 4 == 0 for channels in scaled_channels(width))
    assert list(scaled_channels(1.0)) == [16, 64, 160, 320, 640, 1024]


def block(name: str, stride: int) -> ShuffleBlock:
    kernel, order = CANDIDATES[name]
    made = ShuffleBlock(16, 32 if stride == 2 else 16, kernel=kernel, order=order, stride=stride)
    for module in made.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight)
    return made


@pytest.mark.parametrize("stride", [1, 2])
def test_aligned_candidates_are_one_function(stride: int) -> None:
    torch.manual_seed(0)
    candidates = {name: block(name, stride) for name in CANDIDATES}
    images = torch.randn(64, 16, 8, 8)
    before = {name: module(images) for name, module in candidates.items()}
    align_candidates(candidates)
    after = {name: module(images) for name, module in candidates.items()}
    for name in ("k5", "k7"):
        torch.testing.assert_close(after[name], after["k3"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(after["k3"], before["k3"])

    def agreement(outputs: dict[str, torch.Tensor]) -> float:
        pair = torch.stack([outputs["k3"].flatten(), outputs["xcep"].flatten()])
        return torch.corrcoef(pair)[0, 1].item()

    # At stride 2 the first convolution of xcep halves the resolution, that of k3 the second.
    assert agreement(after) > (0.95 if stride == 1 else agreement(before) + 0.2)


def test_published_initialization_draws_each_candidate_alone() -> None:
    space = SPOS(initialization="published", **SMALL)
    first = space.features[0]
    assert not torch.equal(first["k3"].branch_main[0].weight, first["k5"].branch_main[0].weight)


def test_network_cost_counts_multiply_adds() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.Flatten(), nn.Linear(800, 5)
    )
    cost = network_cost(network, (3, 10, 10))
    assert cost.flops == 8 * 3 * 9 * 100 + 800 * 5
    assert cost.params == 8 * 3 * 9 + 800 * 5 + 5


@pytest.mark.slow
def test_cost_table_equals_the_frozen_network() -> None:
    table = costs_of(lambda: SPOS(**SMALL), (3, 32, 32))
    space = SPOS(**SMALL)
    for number in range(10):
        architecture = draw_architecture(space, 3, number)
        assert table(architecture) == network_cost(space.freeze(architecture), (3, 32, 32))


def test_limits_that_nothing_meets_name_the_smallest() -> None:
    table = costs_of(lambda: SPOS(**SMALL), (3, 32, 32))
    labels = choices(SPOS(**SMALL))
    paths = [dict(zip(labels, path, strict=True)) for path in product(*labels.values())]
    costs = [table(path).flops for path in paths]
    cheapest = min(costs)
    with pytest.raises(SpaceError, match=f"the smallest of the space has {cheapest:,}"):
        limit(table, max_flops=cheapest - 1)
    within = limit(table, max_flops=cheapest)
    assert [within(path) for path in paths].count(True) == costs.count(cheapest)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"image_size": 8}, "image_size is 8, must be a whole number of 16 or more"),
        ({"image_size": "32"}, "image_size is '32', must be"),
        ({"initialization": "algned"}, "initialization is 'algned', .*; did you mean 'aligned'"),
        ({"width": -1}, "width is -1, must be a number above 0"),
        ({"width": float("nan")}, "width is nan"),
        ({"width": 0.1}, r"width is 0.1, must be above 0\.15625: "),
        ({"width": 0.15625}, r"width is 0.15625, must be above"),
        ({"blocks": [0, 0, 0, 0]}, "number of blocks is 0, must be a whole number of 1 or more"),
        ({"blocks": [1, 1, 1]}, r"blocks is \[1, 1, 1\], must be a list of four numbers"),
        ({"blocks": 4}, "blocks is 4, must be a list"),
        ({"dropout": 7}, "dropout is 7, must be a number from 0 to below 1"),
        ({"dropout": True}, "dropout is True"),
        ({"num_classes": 0}, "num_classes is 0, must be a whole number of 1 or more"),
        ({"num_classes": 10.0}, "num_classes is 10.0"),
        ({"stem": "neurn"}, "stem is 'neurn', must be None, a module, or modules by name"),
        ({"stem": {}}, "stem is {}"),
        ({"stem": {"a.b": nn.Identity()}}, "'a.b' cannot name a stem"),
        ({"stem": {"half": nn.Identity()}}, "'half' cannot name a stem"),
        ({"stem": {"a": 3}}, "stem 'a' is 3, must be a module"),
    ],
)
def test_settings_that_make_no_space(settings: dict[str, object], told: str) -> None:
    with pytest.raises(SpaceError, match=told):
        SPOS(**settings)  # type: ignore[arg-type]


def test_the_least_width_makes_a_space() -> None:
    network = SPOS(width=0.1563, blocks=(1, 1, 1, 1))
    for name in CANDIDATES:
        choices = {f"layer_{place}": name for place in (1, 2, 3, 4)}
        found = found_network(choices, width=0.1563, blocks=(1, 1, 1, 1))
        assert found.eval()(torch.rand(2, 3, 32, 32)).shape == (2, 10)
        assert not [value for value in network.state_dict().values() if not value.shape.numel()]
