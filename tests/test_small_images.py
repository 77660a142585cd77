"""Networks that fit small images: which strides they lose, and that nothing else is changed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
import torch
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tiny_bench import tiny_config
from torch import Tensor, nn
from torch.nn import functional as F

import nasneurn
from alignment.zoo import MAPS, PUBLISHED
from nasneurn.errors import InputError
from nasneurn.networks import adaptation as adaptations
from nasneurn.networks.adaptation import adaptation_of, build_library
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.build import create_network, describe
from nasneurn.networks.names import resolve_architectures
from nasneurn.networks.small_images import fit
from nasneurn.networks.strides import unstrided, ways
from nasneurn.studies.bench_config import BenchConfig
from nasneurn.studies.store import Outcomes, Store

SIZE = 32
NOTHING = Outcomes({}, {})
BENCH_DIGITS = Path(__file__).parents[1] / "results" / "bench-digits"

CLASSIFIERS = [known.name for known in PUBLISHED if known.family != MAPS]

#: 100 of timm: of each of its modules with networks that are not built for one size of image the
#: smallest; then the fourth smallest, the eighth and so on, below 26 million parameters.
OF_TIMM = """
    convmixer_768_32 convnext_atto_ols convnext_zepto_rms cpubone_b0_bfrobust cpubone_nano
    cs3darknet_focus_s cs3darknet_m csatv2 cspnext_tiny darknet21 densenet121 densenet201
    dla34 dla46x_c dla60 dpn48b edgenext_small_rw edgenext_xx_small efficientvim_m1
    efficientvim_m2_dist efficientvim_m4_dist efficientvit_b0 ese_vovnet19b_slim_dw
    fasternet_t0 fastvit_sa12 fastvit_t8 ghostnet_050 ghostnetv2_100 ghostnetv3_130
    halonet50ts halonet_h1 haloregnetz_b hardcorenas_b hardcorenas_d hgnet_tiny hgnetv2_b0
    hrnet_w18 hrnet_w18_small iformer_l2_distilled iformer_m_distilled iformer_t
    inception_next_atto inception_v3 lcnet_035 lcnetv2_small legacy_seresnet18
    legacy_seresnext50_32x4d legacy_xception lowformer_b0 lowformer_e2 mambaout_tiny
    mobilenetv4_conv_small_035 mobileone_s2 mobilevit_xxs mobilevitv2_075 mobilevitv2_150
    nf_regnet_b2 nf_regnet_b3 poolformer_s24 poolformerv2_s12 pvt_v2_b0 pvt_v2_b2 rdnet_tiny
    regnetx_002 regnetx_004 regnety_008_tv regnetz_b16 repghostnet_050 repghostnet_100
    repghostnet_200 repvit_m1 repvit_m2 res2net50_26w_4s res2next50 resnest14d resnest50d
    resnet18 resnetv2_18 resnetv2_34d rexnet_100 rexnetr_130 shvit_s1 shvit_s4 skresnet18
    skresnet50d starnet_s050 starnet_s1 test_byobnet test_convnext test_efficientnet
    test_efficientnet_evos test_mambaout test_nfnet test_resnet
    tf_mobilenetv3_small_minimal_100 tiny_vit_21m_384 tiny_vit_5m_224 tinynet_e vovnet39a
    xception41p
""".split()  # noqa: SIM905

#: What these lose, by hand: from the front, until five halvings (or four and a stem) are three.
KNOWN = {
    "resnet18": ["conv1", "maxpool"],
    "torchvision:resnet50": ["conv1", "maxpool"],
    "timm:vgg16": ["features.4", "features.9"],
    "densenet121": ["features.conv0", "features.pool0"],
    "mobilenetv3_small_100": ["conv_stem", "blocks.0.0.conv_dw"],
    "efficientnet_b0": ["conv_stem", "blocks.1.0.conv_dw"],
    # its stem cuts patches of 4 x 4
    "convnext_atto": ["stem.0"],
    # unpadded: 32, 30, pool 30, 28, pool 28, then two halvings inside of blocks that call functions
    "timm:inception_v3": ["Conv2d_1a_3x3.conv", "Pool1", "Pool2"],
    "regnety_002": ["stem.conv", "s1.b1.conv2.conv", "s1.b1.downsample.conv"],
    # both branches of its first block
    "legacy_xception": ["conv1", "block1.rep.5", "block1.skip"],
    "squeezenet": ["features.0"],
    # its last pool has windows of 7 x 7, for which a map of 4 x 4 is too small
    "ibn": ["conv1", "maxpool", "layer2.0.conv2", "layer2.0.downsample.0"],
    "hrnet_w18_small": ["conv1", "conv2"],
}


def one(word: str) -> Architecture:
    (architecture,) = resolve_architectures([word])
    return architecture


def both(word: str) -> tuple[nn.Module, nn.Module, str]:
    """On the meta device: as published, without what enlarges images; to fit, and what is said."""
    architecture = one(word)
    with torch.device("meta"):
        published = build_library(architecture, 7)
        fitted, said = create_network(architecture, 7, SIZE, "fit")
    return published, fitted, said


def published_size(architecture: Architecture) -> int:
    if architecture.library != "timm":
        return 224
    return int(timm.get_pretrained_cfg(architecture.model).input_size[-1])


def reached(network: nn.Module, size: int) -> set[str]:
    """The parameters that the logits depend on, by PyTorch's own graph."""
    answer = network.eval()(torch.empty(2, 3, size, size, device="meta"))
    names = {parameter: name for name, parameter in network.named_parameters()}
    found, seen, left = set(), set(), [answer.grad_fn]
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (parameter := getattr(node, "variable", None)) is not None:
            found.add(names[parameter])
        left += [above for above, _ in node.next_functions]
    return found


def state(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def sides(network: nn.Module, images: Tensor) -> tuple[int, int]:
    """Height and width of the map that timm's own code gives in front of its pooling."""
    features = network.eval().forward_features(images)
    while isinstance(features, (list, tuple)):
        features = features[-1]
    if features.ndim == 3:  # tokens (N, L, C) or (N, C, L)
        return min(features.shape[1:]), 1
    channels_last = features.shape[1] == features.shape[2] != features.shape[3]
    return tuple(features.shape[1:3] if channels_last else features.shape[2:])


# ---------------------------------------------------------------- which strides


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_known_answers(name: str) -> None:
    found = adaptation_of(one(name), 7, SIZE, "fit")
    assert [layer.module for layer in found.unstrided] == KNOWN[name]
    assert (found.options, found.upsampled, found.last_map) == ((), None, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("resnet18", 32, "conv1, maxpool without stride"),
        ("resnet18", 64, "conv1 without stride"),
        ("resnet18", 128, "as published"),
        ("resnet18", 224, "as published"),
        ("torchvision:resnet18", 224, "as published"),
        ("mobilenetv3_small_100", 224, "as published"),
        ("ibn", 32, "conv1, maxpool, layer2.0.conv2 and 1 more without stride"),
        # 7 x 7 patches leave 4 x 4 of them
        ("convmixer_768_32", 32, "as published"),
        # blocks whose strides are in functions
        ("own_networks:SmallCNN", 32, "as published"),
        # those built for one size keep their rule
        ("vit_tiny_patch16_224", 32, "img_size=32, patch_size=4"),
        ("torchvision:vit_b_16", 32, "upsampled to 224"),
    ],
)
def test_what_tables_say(name: str, size: int, said: str) -> None:
    assert describe(one(name), 7, size, "fit").adaptation == said


def test_a_stride_costs_four_times_what_follows_it() -> None:
    """ResNet-18's two first strides: 16 times, but for the classifier and the first layer (4)."""
    published, fitted = (describe(one("resnet18"), 7, SIZE, way) for way in ("as-published", "fit"))
    assert published.params == fitted.params
    first, last = 64 * 3 * 49 * 16 * 16, 512 * 7
    between = published.flops - first - last
    assert fitted.flops == 4 * first + 16 * between + last


@pytest.fixture
def uncached() -> Iterator[None]:
    for function in (adaptation_of, adaptations._on_meta):
        function.cache_clear()
    yield
    for function in (adaptation_of, adaptations._on_meta):
        function.cache_clear()


@pytest.mark.slow
@pytest.mark.usefixtures("uncached")
def test_it_is_found_alike_each_time_and_draws_nothing() -> None:
    before = torch.get_rng_state()
    first = adaptation_of(one("regnety_002"), 7, SIZE, "fit")
    adaptation_of.cache_clear()
    assert adaptation_of(one("regnety_002"), 7, SIZE, "fit") == first
    assert torch.equal(torch.get_rng_state(), before)


# ---------------------------------------------------------------- networks that are hard


class Network(nn.Module):
    """Of several layers; after them the mean, and a classifier."""

    def __init__(self, *layers: nn.Module, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.layers(x).mean((2, 3)))
        return logits


class Functions(nn.Module):
    """A stride that no module has."""

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2)


class Shrinking(nn.Module):
    """Two branches, of which one has its stride in a function."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv(8, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.conv(x) + F.avg_pool2d(x, 2)
        return added


class Sliced(nn.Module):
    """Two branches, of which one has its stride in a slice, which is no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv(8, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.conv(x) + x[:, :, ::2, ::2]
        return added


class Attending(nn.Module):
    """Keys and values of fewer positions, as of pyramid vision transformers: no smaller map."""

    def __init__(self) -> None:
        super().__init__()
        self.fewer = nn.Conv2d(8, 8, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        tokens, fewer = x.flatten(2).mT, self.fewer(x).flatten(2).mT
        attended = F.scaled_dot_product_attention(tokens, fewer, fewer)
        return x + attended.mT.reshape(x.shape)


class Twice(nn.Module):
    """One pool that is called at two sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.conv = nn.MaxPool2d(2), conv(8)

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.pool(self.conv(self.pool(x)))
        return pooled


def conv(channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, 8, 3, stride=stride, padding=1)


def strided(number: int, first: int = 3) -> list[nn.Module]:
    return [conv(8 if place else first, stride=2) for place in range(number)]


def lost(network: nn.Module, size: int = SIZE) -> tuple[list[str], int | None]:
    found = fit(network.to("meta"), 224, size)
    return [layer.module for layer in found.lost], found.side


@pytest.mark.parametrize(
    ("layers", "names", "side"),
    [
        (strided(5), ["layers.0", "layers.1"], 4),
        (strided(3), [], 4),
        # left as they are, and the next goes on
        ([*strided(1), Functions(), *strided(3, 8)], ["layers.0", "layers.2"], 4),
        ([conv(3), Shrinking(), *strided(4, 8)], ["layers.2", "layers.3"], 4),
        ([conv(3), Sliced(), *strided(4, 8)], ["layers.2", "layers.3"], 4),
        ([conv(3), Twice(), *strided(3, 8)], ["layers.2", "layers.3"], 4),
        ([conv(3), Attending(), *strided(4, 8)], ["layers.2"], 4),
        # nothing can be changed
        ([conv(3), *(Functions() for _ in range(5))], [], 1),
        # what pads around a pool, and one that pads nothing
        ([conv(3), nn.ZeroPad2d(1), nn.MaxPool2d(3, 2), *strided(3, 8)], ["layers.2"], 4),
        ([conv(3), nn.MaxPool2d(3, 2), *strided(3, 8)], ["layers.1"], 4),
    ],
)
def test_hard_networks(layers: list[nn.Module], names: list[str], side: int) -> None:
    assert lost(Network(*layers)) == (names, side)


def test_padding_around_a_layer_is_counted() -> None:
    padded = [conv(3), nn.ZeroPad2d(1), nn.MaxPool2d(3, 2), *strided(3, 8)]
    bare = [conv(3), nn.MaxPool2d(3, 2), *strided(3, 8)]
    for layers, way in ((padded, "own"), (bare, "same")):
        found = fit(Network(*layers).to("meta"), 224, SIZE)
        assert [layer.way for layer in found.lost] == [way]


def test_what_does_not_run_at_all_loses_nothing() -> None:
    assert lost(Network(conv(5))) == ([], None)


def test_a_network_is_as_it_was_where_it_could_not_be_changed() -> None:
    network = Network(conv(3), Sliced(), *(Functions() for _ in range(4))).to("meta")
    before = str(network)
    assert fit(network, 224, SIZE).lost == ()
    assert str(network) == before


def test_rows_say_where_the_last_map_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def built(*_: object) -> nn.Module:
        return Network(*strided(1), *(Functions() for _ in range(4)))

    monkeypatch.setattr(adaptations, "build_library", built)
    found = adaptation_of.__wrapped__(one("torchvision:vgg11"), 3, SIZE, "fit")
    adaptations._on_meta.cache_clear()
    assert str(found) == "layers.0 without stride, last map 2 x 2"


# ---------------------------------------------------------------- one layer


@settings(max_examples=60, deadline=None)
@given(
    kernel=st.integers(1, 7), stride=st.integers(2, 4), dilation=st.integers(1, 2),
    padding=st.integers(0, 3), mode=st.sampled_from(["zeros", "reflect"]), side=st.integers(8, 17),
)  # fmt: skip
def test_a_convolution_without_its_stride(
    kernel: int, stride: int, dilation: int, padding: int, mode: str, side: int
) -> None:
    """By its own padding it computes what it did, and what is between; by the other, all places."""
    assume(dilation * (kernel - 1) < side + 2 * padding)
    layer = nn.Conv2d(2, 3, kernel, stride, padding, dilation, padding_mode=mode)
    images = torch.rand(2, 2, side, side)
    own, same = (unstrided(layer, way) for way in ("own", "same"))
    torch.testing.assert_close(own(images)[:, :, ::stride, ::stride], layer(images))
    if mode == "zeros" or dilation * (kernel - 1) < side:
        assert same(images).shape[2:] == images.shape[2:]
    assert own.weight is same.weight is layer.weight
    assert layer.stride == (stride, stride)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from([nn.MaxPool2d, nn.AvgPool2d]), window=st.integers(1, 5),
    stride=st.integers(2, 4), side=st.integers(8, 17), ceil=st.booleans(),
)  # fmt: skip
def test_a_pool_without_its_stride(
    kind: type[nn.MaxPool2d] | type[nn.AvgPool2d], window: int, stride: int, side: int, ceil: bool
) -> None:
    layer = kind(window, stride, ceil_mode=ceil)
    images = torch.rand(2, 2, side, side)
    first, *_ = ways(layer)
    after = unstrided(layer, first)(images)
    if window <= stride:
        assert after is images
    elif window % 2:
        assert after.shape == images.shape
        centre = window // 2
        ours = after[:, :, centre : side - centre, centre : side - centre][:, :, ::stride, ::stride]
        torch.testing.assert_close(ours, kind(window, stride)(images))


def test_blur_pools_still_blur() -> None:
    from timm.layers import BlurPool2d

    layer, images = BlurPool2d(4), torch.rand(2, 4, 16, 16)
    after = unstrided(layer, *ways(layer))(images)
    assert after.shape == images.shape
    torch.testing.assert_close(after[:, :, ::2, ::2], layer(images))


@pytest.mark.parametrize("module", [nn.ReLU(), nn.Linear(2, 2), Network(conv(3)), Functions()])
def test_what_has_no_stride_of_its_own_cannot_lose_it(module: nn.Module) -> None:
    assert ways(module) == ()


# ---------------------------------------------------------------- the zoo and timm


def swept() -> Iterator[object]:
    """A few of them at once, the others of the zoo and every fourth of timm as slow ones.

    All of timm's, which take minutes: ``NASNEURN_SWEEP=1 pytest tests/test_small_images.py``.
    """
    listed = OF_TIMM if os.environ.get("NASNEURN_SWEEP") else OF_TIMM[::4]
    quick = {"nasnetMobile", "googlenet", "CORnet", "dla46x_c", "test_nfnet", "mobilevit_xxs"}
    for name in [*CLASSIFIERS, *(f"timm:{name}" for name in listed)]:
        marks = [] if name.removeprefix("timm:") in quick else [pytest.mark.slow]
        yield pytest.param(name, marks=marks)


@pytest.mark.slow
@pytest.mark.parametrize("name", swept())
def test_shapes_parameters_and_gradients(name: str) -> None:
    word = name.removeprefix("timm:")
    if name != word and not timm.is_model(word):
        pytest.skip(f"this timm has no {word}")
    published, fitted, said = both(name)
    if "upsampled" in said:
        assert adaptation_of(one(name), 7, SIZE) == adaptation_of(one(name), 7, SIZE, "fit")
        assert name in ("vit", "timm:halonet_h1", "timm:haloregnetz_b")
        return
    assert state(fitted) == state(published)
    assert reached(fitted, SIZE) >= reached(published, published_size(one(name)))
    images = torch.empty(2, 3, SIZE, SIZE, device="meta")
    with torch.device("meta"), torch.no_grad():
        assert fitted.eval()(images).shape == (2, 7)
        if "last map" not in said and hasattr(fitted, "forward_features"):
            assert min(sides(fitted, images)) >= 4 or max(sides(fitted, images)) >= 16


def test_100_of_timm() -> None:
    assert len(set(OF_TIMM)) == 100
    assert len(CLASSIFIERS) == 40


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "resnet10t", "lcnet_035", "mobilenetv3_small_050", "test_byobnet", "test_convnext",
        "test_efficientnet", "test_resnet", "squeezenet", "ghostnet_050", "regnety_002",
        "dla46x_c", "repghostnet_050", "edgenext_xx_small",
    ],
)  # fmt: skip
def test_gradients_are_finite(name: str) -> None:
    torch.manual_seed(0)
    network, said = create_network(one(name), 5, SIZE, "fit")
    assert "without stride" in said
    assert adaptation_of(one(name), 5, SIZE, "fit").last_map is None
    F.cross_entropy(network(torch.rand(4, 3, SIZE, SIZE)), torch.arange(4)).backward()
    for key, weight in network.named_parameters():
        assert weight.grad is not None, key
        assert weight.grad.isfinite().all(), key


def test_a_resnet_is_the_usual_one_for_cifar() -> None:
    """Written by hand, with the weights of the published one."""
    torch.manual_seed(0)
    by_hand, _ = create_network(one("resnet18"), 5, SIZE)
    fitted, _ = create_network(one("resnet18"), 5, SIZE, "fit")
    fitted.load_state_dict(by_hand.state_dict())
    by_hand.conv1.stride = (1, 1)
    by_hand.maxpool = nn.MaxPool2d(3, stride=1, padding=1)
    images = torch.rand(2, 3, SIZE, SIZE)
    with torch.no_grad():
        assert torch.equal(fitted.eval()(images), by_hand.eval()(images))


# ---------------------------------------------------------------- studies


def test_identities_of_what_is_done_stay() -> None:
    """Those in git, of this package's own network, are planned again under the default."""
    config = BenchConfig.read(BENCH_DIGITS / "config.yaml")
    assert config.adaptation == "fit"
    done = Store(BENCH_DIGITS / "store").outcomes().done
    assert {unit.identity for unit in config.units(NOTHING)} == set(done)


def test_adaptation_counts_for_libraries_alone() -> None:
    for models, differs in ((["digits_convnet"], False), (["lcnet_050"], True)):
        first, second = (
            [unit.identity for unit in tiny_config(models=models, adaptation=way).units(NOTHING)]
            for way in ("fit", "as-published")
        )
        assert (set(first).isdisjoint(second), first == second) == (differs, not differs)


def test_an_older_file_has_its_networks_as_published(tmp_path: Path) -> None:
    for model, means in (("lcnet_050", "as-published"), ("digits_convnet", "fit")):
        path = tmp_path / f"{model}.yaml"
        tiny_config(models=[model]).write(path, {})
        content = yaml.safe_load(path.read_text())
        del content["adaptation"]
        path.write_text(yaml.safe_dump(content))
        assert BenchConfig.read(path).adaptation == means


@pytest.mark.slow
def test_rows_are_of_the_network_as_it_was_adapted(tmp_path: Path) -> None:
    found = {}
    for way in (None, "as-published"):
        study = nasneurn.bench(
            "lcnet_035",
            stems="none",
            sources="optdigits",
            targets="optdigits",
            seeds=1,
            changes={"train_images": 100, "epochs": 1, "batch_size": 32},
            adaptation=way,
            out=tmp_path / str(way),
        )
        (row,) = study.accuracy.to_dict("records")
        described = describe(one("lcnet_035"), 10, SIZE, way or "fit")
        assert (row["flops"], row["params"]) == (described.flops, described.params)
        found[row["adaptation"]] = row["flops"]
    assert list(found) == ["conv_stem, blocks.1.0.conv_dw without stride", "as published"]
    assert found["as published"] < min(list(found.values())[:1])


def test_the_papers_protocol_has_networks_as_published() -> None:
    from nasneurn.studies.named_protocols import PLAIN, PROTOCOLS

    assert (PLAIN.adaptation, PROTOCOLS["paper"].adaptation) == ("fit", "as-published")


def test_there_are_two_ways(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"adaptation is 'fitted'.*'fit' or 'as-published'"):
        nasneurn.bench("lcnet_035", adaptation="fitted", out=tmp_path)
    with pytest.raises(InputError, match="did you mean 'fit'"):
        nasneurn.create_network("lcnet_035", adaptation="fitt")
    assert list(tmp_path.iterdir()) == []
