"""The AutoFormer space: against NNI's own, entangled weights, costs, and bad settings."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nni.nas.hub.pytorch import AutoFormer as HubAutoFormer
from torch import Tensor, nn

from nasneurn.stems import NeuRN
from search_spaces.autoformer import AutoFormer
from search_spaces.autoformer_sizes import SIZES
from search_spaces.costs import FormulaCosts, costs_of, limit, network_cost
from search_spaces.errors import SpaceError
from search_spaces.interface import ModelSpace, activate, choices, draw_architecture
from search_spaces.supernet import as_supernet, subnet
from search_spaces.transformer import Transformer

MICRO = SIZES["micro"]
LAYERS = range(max(MICRO["depths"]))


def hub_space(**changes: object) -> HubAutoFormer:
    return HubAutoFormer(
        search_embed_dim=(128, 192), search_mlp_ratio=(3.0, 3.5), search_num_heads=(2, 3),
        search_depth=(2, 3), img_size=32, patch_size=4, num_labels=10, drop_path_rate=0.0,
        **changes,
    )  # fmt: skip


def our_space() -> AutoFormer:
    return AutoFormer(
        embed_dims=(128, 192), mlp_ratios=(3.0, 3.5), heads=(2, 3), depths=(2, 3),
        head_dim=64, drop_path=0.0,
    )  # fmt: skip


def weights_of(theirs: nn.Module) -> dict[str, Tensor]:
    """The weights of a frozen network of NNI's space, by our names."""
    own = theirs.state_dict()

    def layer(index: int) -> dict[str, Tensor]:
        old, new = f"blocks.{index}.", f"layers.{index}."
        named = {
            f"{new}norm_attention": "attn_layer_norm", f"{new}norm_mlp": "ffn_layer_norm",
            f"{new}projection": "attn.proj", f"{new}widen": "fc1", f"{new}narrow": "fc2",
        }  # fmt: skip
        taken = {
            f"{ours}.{kind}": own[f"{old}{theirs}.{kind}"]
            for ours, theirs in named.items()
            for kind in ("weight", "bias")
        }
        for kind in ("weight", "bias"):
            three = [own[f"{old}attn.{one}.{kind}"] for one in "qkv"]
            taken[f"{new}qkv_{kind}"] = torch.stack(three)
        for ours, short in (("position_keys", "k"), ("position_values", "v")):
            for axis, letter in (("vertical", "v"), ("horizontal", "h")):
                table = own[f"{old}attn.rel_pos_embed_{short}.embeddings_table_{letter}"]
                taken[f"{new}{ours}.{axis}"] = table
        return taken

    depth = len({key.split(".")[1] for key in own if key.startswith("blocks.")})
    taken = {key: value for index in range(depth) for key, value in layer(index).items()}
    for ours, old in (("patches", "patch_embed"), ("norm", "norm"), ("classifier", "head")):
        for kind in ("weight", "bias"):
            taken[f"{ours}.{kind}"] = own[f"{old}.{kind}"]
    taken["class_token"] = own["cls_token.cls_token"].flatten()
    taken["positions"] = own["pos_embed.pos_embed"][0].T
    return taken


@pytest.mark.parametrize("number", range(3))
def test_weights_of_nnis_networks_give_their_logits(number: int) -> None:
    torch.manual_seed(number)
    space = our_space()
    architecture = draw_architecture(space, 5, number)
    theirs = hub_space().freeze(architecture)
    for parameter in theirs.parameters():  # biases and norms start as constants
        nn.init.normal_(parameter, std=0.1)
    network = space.freeze(architecture).double().eval()
    network.transformer.load_state_dict(weights_of(theirs))
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(images), theirs.double().eval()(images))


def test_choices_are_those_of_nnis_space() -> None:
    assert choices(our_space()) == choices(hub_space())


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_published_sizes_are_those_of_nnis_space(size: str) -> None:
    published = HubAutoFormer.preset(size)
    row = SIZES[size]
    assert row["embed_dims"] == published["search_embed_dim"]
    assert row["depths"] == published["search_depth"]
    assert row["heads"] == published["search_num_heads"]
    assert row["mlp_ratios"] == published["search_mlp_ratio"]


@pytest.fixture(scope="module")
def supernet() -> ModelSpace:
    torch.manual_seed(0)
    made = as_supernet(AutoFormer())
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.1)
    return made.eval()


architectures = st.fixed_dictionaries(
    {
        "embed_dim": st.sampled_from(MICRO["embed_dims"]),
        "depth": st.sampled_from(MICRO["depths"]),
        **{f"mlp_ratio_{index}": st.sampled_from(MICRO["mlp_ratios"]) for index in LAYERS},
        **{f"num_head_{index}": st.sampled_from(MICRO["heads"]) for index in LAYERS},
    }
)


def images(count: int = 4) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@settings(max_examples=25, deadline=None)
@given(architecture=architectures)
def test_frozen_subnet_equals_the_path_bit_for_bit(
    supernet: ModelSpace, architecture: dict[str, object]
) -> None:
    activate(supernet, architecture)
    with torch.no_grad():
        assert torch.equal(subnet(supernet, architecture)(images()), supernet(images()))


@settings(max_examples=10, deadline=None)
@given(architecture=architectures)
def test_cost_is_that_of_the_frozen_network(architecture: dict[str, object]) -> None:
    space = AutoFormer()
    assert space.cost(architecture) == network_cost(space.freeze(architecture), (3, 32, 32))


@settings(max_examples=10, deadline=None)
@given(architecture=architectures)
def test_canonical_architectures_are_the_same_network(
    supernet: ModelSpace, architecture: dict[str, object]
) -> None:
    canonical = supernet.canonical(architecture)
    assert supernet.canonical(canonical) == canonical
    assert set(canonical) == set(architecture)
    assert supernet.cost(canonical) == supernet.cost(architecture)
    with torch.no_grad():
        given_logits = subnet(supernet, architecture)(images())
        assert torch.equal(subnet(supernet, canonical)(images()), given_logits)


def test_a_step_on_a_path_moves_the_leading_block_alone() -> None:
    torch.manual_seed(0)
    supernet = as_supernet(AutoFormer()).train()
    least = {label: min(values) for label, values in choices(supernet).items()}
    activate(supernet, least)
    supernet(images()).square().sum().backward()
    layer = supernet.transformer.layers[0]
    dim, inner = least["embed_dim"], least["num_head_0"] * MICRO["head_dim"]
    gradient = layer.qkv_weight.grad
    assert gradient[:, :inner, :dim].abs().min() > 0
    assert gradient[:, inner:].abs().max() == gradient[:, :, dim:].abs().max() == 0
    assert supernet.transformer.layers[least["depth"]].qkv_weight.grad is None


def test_224_pixels_are_patches_of_16() -> None:
    space = AutoFormer(image_size=224)
    assert space.transformer.patches.kernel_size == (16, 16)
    assert space.eval()(torch.rand(1, 3, 224, 224)).shape == (1, 10)


def test_stem_comes_first() -> None:
    space = AutoFormer(stem=NeuRN()).eval()
    for parameter in space.parameters():
        nn.init.normal_(parameter, std=0.1)
    # NeuRN throws polarity and contrast away; so must the whole network.
    torch.testing.assert_close(space(1 - 0.5 * images()), space(images()), rtol=1e-3, atol=1e-4)


def test_the_smallest_is_the_cheapest() -> None:
    costs = costs_of(lambda: AutoFormer(), (3, 32, 32))
    assert isinstance(costs, FormulaCosts)
    space = AutoFormer()
    drawn = [costs(draw_architecture(space, 1, number)).flops for number in range(200)]
    least = {label: min(values) for label, values in choices(space).items()}
    assert costs(least) == costs.smallest
    assert costs.smallest.flops < min(drawn)
    with pytest.raises(SpaceError, match=f"the smallest of the space has {costs.smallest.flops:,}"):
        limit(costs, max_flops=1000)


def test_drop_path_grows_with_the_layers() -> None:
    network = AutoFormer(size="tiny").transformer
    rates = [getattr(layer.drop_path, "p", 0.0) for layer in network.layers]
    assert rates[0] == 0
    assert rates[-1] == pytest.approx(0.1)
    assert rates == sorted(rates)


def test_a_frozen_network_is_plain() -> None:
    space = AutoFormer()
    network = space.freeze(draw_architecture(space, 0))
    assert type(network.transformer) is Transformer


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"image_size": 30}, "patches of 4 pixels do not tile an image of 30"),
        ({"patch_size": 64}, "do not tile"),
        ({"size": "huge"}, "size is 'huge', must be one of micro, tiny, small, base"),
        ({"patch_size": 0}, "patch_size is 0, must be a whole number of 1 or more"),
        ({"image_size": 0}, "image_size is 0"),
        ({"depths": (0, 1)}, "depths is 0, must be a whole number of 1 or more"),
        ({"depths": ()}, r"depths is \(\), must be a list of one or more options"),
        ({"depths": 3}, "depths is 3, must be a list"),
        ({"heads": (2, 2)}, r"heads is \(2, 2\), must name each option once"),
        ({"heads": (2.5,)}, "heads is 2.5, must be a whole number"),
        ({"embed_dims": (-8,)}, "embed_dims is -8"),
        ({"mlp_ratios": (0,)}, "mlp_ratios is 0, must be a number above 0"),
        ({"mlp_ratios": (0.001,)}, "must leave an MLP of width 1 or more"),
        ({"drop_path": 1}, "drop_path is 1, must be a number from 0 to below 1"),
        ({"head_dim": 0}, "head_dim is 0"),
        ({"head_dim": "share"}, "did you mean 'shared'"),
        ({"num_classes": -1}, "num_classes is -1"),
        ({"initialization": "other"}, "initialization is 'other'"),
        ({"head_dim": "shared", "heads": (2, 3)}, "3 heads do not divide an embedding of 80"),
    ],
)
def test_settings_that_make_no_space(settings: dict[str, object], told: str) -> None:
    with pytest.raises(SpaceError, match=told):
        AutoFormer(**settings)  # type: ignore[arg-type]


def test_heads_may_share_the_embedding() -> None:
    assert AutoFormer(head_dim="shared", heads=(2, 4)).transformer.layers[0].head_dim == 20
