"""The networks that no library has: published sizes, published layers, equality where it can be."""

import subprocess
import sys
from collections import Counter
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import instance_norm

from alignment.designs import DESIGNS, create_design
from alignment.errors import AlignmentError
from alignment.keras_listings import keras_listing

#: Letters of modules that compute something, or that the published code lists all the same.
LETTERS = {
    "Conv2d": "C", "Conv2dSame": "C", "ConvTranspose2d": "T", "Linear": "L",
    "BatchNorm2d": "B", "InstanceNorm2d": "N", "LayerNorm": "Y",
    "ReLU": "R", "ReLU6": "R", "GELU": "G", "RadixSoftmax": "S",
    "MaxPool2d": "M", "AvgPool2d": "P", "AdaptiveAvgPool2d": "A", "GlobalAverage": "A",
    "Identity": "I", "Sequential": "E", "Flatten": "F", "Upsample": "U", "Transpose": "X",
    "Dropout": "D",
}  # fmt: skip


def stage(first: str, other: str, blocks: int) -> str:
    return first + other * (blocks - 1)


def area(times: int) -> str:
    return "C" + "CB" + "CBRCBRCBRI" * times


def resnet(normed: str, blocks: int) -> str:
    return stage(f"C{normed}RCBRCBCBR", f"C{normed}RCBRCBR", blocks)


def proxyless(*blocks: int) -> str:
    stages = (stage("CBRCBRCB", "CBRCBRCBI", one) for one in blocks)
    return "CBR" + "CBRCB" + "".join(stages) + "CBR" + "AL"


def resnest_stage(pool: str, blocks: int) -> str:
    attention = "CBR" + "CBRCS"
    return stage(f"CBR{attention}{pool}CBPCBR", f"CBR{attention}CBR", blocks)


def ghost_blocks(rows: str) -> str:
    """Rows of letters: s strided, w weighted, c with other channels."""
    return "".join(
        "CBRCBR"
        + ("CB" if "s" in row else "")
        + ("ACRC" if "w" in row else "")
        + "CBECBE"
        + ("CBCB" if "s" in row or "c" in row else "E")
        for row in rows.split()
    )


REFINED = "RCRCI"
NEWER = "CCCC" + REFINED + "C" + (REFINED + "I" + REFINED + "C") * 3 + "CUCRCRI"

#: Published number of parameters, side of the image, shape of what it gives, leaf modules in order.
PUBLISHED = {
    "cornet_s": (53_416_616, 224, (1000,), "CBRMCBRI" + area(2) + area(4) + area(2) + "AFLI"),
    "resnet50_ibn_a": (
        25_557_032, 224, (1000,),
        "CBRM" + resnet("NB", 3) + resnet("NB", 4) + resnet("NB", 6) + resnet("B", 3) + "PL",
    ),
    "unet": (
        7_763_041, 256, (1, 256, 256), "CBRCBRM" * 4 + "CBRCBR" + "TCBRCBR" * 4 + "C",
    ),
    "midas": (
        105_362_945, 384, (384, 384),
        "CBRM" + "".join(resnet("B", blocks) for blocks in (3, 4, 23, 3))
        + "CCCC" + "RCRC" + "RCRCRCRC" * 3 + "CUCRCR",
    ),
    "midas_small": (
        21_320_545, 256, (256, 256), "CBR" + "CBRICBI" + "CBRCBRICB" * 23 + NEWER,
    ),
    "resnest50": (
        27_483_240, 224, (1000,),
        "CBRCBRCBRM" + resnest_stage("", 3)
        + "".join(resnest_stage("P", blocks) for blocks in (4, 6, 3)) + "AL",
    ),
    "ghostnet": (
        5_182_508, 224, (1000,),
        "CBR" + ghost_blocks("- s - sw w s - - - cw w sw - w - w") + "CBRACRL",
    ),
    "proxyless_cpu": (4_361_648, 224, (1000,), proxyless(4, 4, 2, 4, 4, 1)),
    "proxyless_gpu": (7_119_848, 224, (1000,), proxyless(1, 2, 2, 3, 4, 1)),
    "proxyless_mobile": (4_080_512, 224, (1000,), proxyless(2, 4, 4, 4, 4, 1)),
    "proxyless_mobile_14": (6_857_568, 224, (1000,), proxyless(2, 4, 4, 4, 4, 1)),
}  # fmt: skip


def leaves(network: nn.Module, side: int, device: str = "meta") -> tuple[list[nn.Module], Tensor]:
    """Modules without modules in them, in the order in which one run runs them; its output."""
    run: list[nn.Module] = []
    hooks = [
        module.register_forward_hook(lambda one, *_: run.append(one))
        for module in network.modules()
        if not list(module.children())
    ]
    with torch.no_grad():
        output = network.eval()(torch.zeros(1, 3, side, side, device=device))
    for hook in hooks:
        hook.remove()
    return run, output


def on_meta(name: str, classes: int = 1000) -> nn.Module:
    with torch.device("meta"):
        return create_design(name, classes)


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_size_shape_and_layers_are_the_published_ones(name: str) -> None:
    parameters, side, shape, layers = PUBLISHED[name]
    network = on_meta(name)
    run, output = leaves(network, side)
    assert size(network) == parameters
    assert tuple(output.shape) == (1, *shape)
    assert "".join(LETTERS[type(module).__name__] for module in run) == layers


def test_every_design_is_tested() -> None:
    assert {*PUBLISHED, "nasnet_mobile", "dpt_large"} == set(DESIGNS)


def test_nasnet_mobile_has_the_layers_that_keras_lists() -> None:
    network = on_meta("nasnet_mobile")
    run, output = leaves(network, 224)
    statistics = sum(
        buffer.numel() for name, buffer in network.named_buffers() if "running" in name
    )
    # Keras counts running statistics among the parameters.
    assert (size(network), size(network) + statistics) == (5_289_978, 5_326_716)
    assert tuple(output.shape) == (1, 1000)
    ours = Counter(type(module).__name__.removesuffix("Same") for module in run)
    theirs = Counter(keras_listing("NASNetMobile"))
    separable = sum(1 for one in run if isinstance(one, nn.Conv2d) and one.groups > 1)
    assert separable == theirs["SeparableConv2D"]
    # A separable convolution is two of PyTorch.
    assert ours["Conv2d"] == theirs["Conv2D"] + 2 * theirs["SeparableConv2D"]
    assert ours["BatchNorm2d"] == theirs["BatchNormalization"]
    assert ours["ReLU"] == theirs["Activation"]
    assert ours["MaxPool2d"] == theirs["MaxPooling2D"]
    assert ours["AvgPool2d"] == theirs["AveragePooling2D"]
    assert ours["Linear"] == theirs["Dense"]


def test_dpt_large() -> None:
    network = on_meta("dpt_large")
    run, output = leaves(network, 384)
    assert size(network) == 344_055_465
    assert tuple(output.shape) == (1, 384, 384)
    # What a block lists of dropouts and identities depends on the version of timm.
    layers = "".join(LETTERS[type(module).__name__] for module in run)
    vit, decoder = layers[: -len("LGX" * 4 + "CTCTCCC" + NEWER)], layers[-len(NEWER) :]
    assert vit.replace("I", "").replace("D", "") == "C" + "YLLYLGL" * 24 + "Y"
    assert layers[len(vit) : -len(NEWER)] == "LGX" * 4 + "CTCTCCC"
    assert decoder == NEWER


@pytest.mark.parametrize("name", DESIGNS)
def test_classes_are_outputs_of_classifiers_alone(name: str) -> None:
    few, many = size(on_meta(name, 7)), size(on_meta(name, 1000))
    assert (few < many) == (name not in ("unet", "midas", "midas_small", "dpt_large"))


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(AlignmentError, match=r"unknown design 'cornet'.*did you mean cornet_s\?"):
        create_design("cornet")


def test_designs_are_named_without_torch() -> None:
    code = "import sys, alignment.designs; print({'torch', 'timm', 'torchvision'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# -- equality with second implementations


def weighted(network: nn.Module, side: int) -> list[nn.Module]:
    """Modules with parameters of their own, in the order in which they are first run."""
    order: dict[nn.Module, None] = {}
    hooks = [
        module.register_forward_hook(lambda one, *_: order.setdefault(one))
        for module in network.modules()
        if list(module.parameters(recurse=False))
    ]
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return list(order)


def assert_equal(mine: nn.Module, other: nn.Module, side: int = 64) -> None:
    """Both give the same once the weights of ``other`` are in ``mine``, in order of execution."""
    generator = torch.Generator().manual_seed(0)
    pairs = list(zip(weighted(mine, side), weighted(other, side), strict=True))
    with torch.no_grad():
        for one, two in pairs:
            for buffer in (two.weight, two.bias, getattr(two, "running_mean", None)):
                if buffer is not None and buffer.ndim == 1:
                    buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
            state = two.state_dict()
            one.load_state_dict({key: state[key] for key in one.state_dict()})
        image = torch.randn(2, 3, side, side, generator=generator)
        ours, theirs = mine.eval()(image), other.eval()(image)
    assert float(theirs.std()) > 0
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "other"), [("resnest50", "resnest50d"), ("ghostnet", "ghostnet_100")]
)
def test_equal_to_timm(name: str, other: str) -> None:
    import timm

    assert_equal(create_design(name), timm.create_model(other, pretrained=False))


@pytest.mark.parametrize("kind", ["cpu", "gpu", "mobile", "mobile_14"])
def test_proxylessnas_is_what_timms_builder_makes_of_its_table(kind: str) -> None:
    from timm.models._efficientnet_builder import decode_arch_def
    from timm.models.efficientnet import EfficientNet

    from alignment.designs.proxylessnas import FOUND, STRIDES

    stem, first, *widths, last = FOUND[kind].widths
    table = [[f"ds_r1_k3_s1_e1_c{first}_noskip"]]
    for width, stride, blocks in zip(widths, STRIDES, FOUND[kind].stages, strict=True):
        steps = [stride] + [1] * (len(blocks.split()) - 1)
        table.append(
            [
                f"ir_r1_k{block[0]}_s{step}_e{block[1]}_c{width}"
                for step, block in zip(steps, blocks.split(), strict=True)
            ]
        )
    other = EfficientNet(
        block_args=decode_arch_def(table),
        num_features=last,
        stem_size=stem,
        fix_stem=True,
        act_layer=nn.ReLU6,
        norm_layer=partial(nn.BatchNorm2d, eps=1e-3),
    )
    assert_equal(create_design(f"proxyless_{kind}"), other)


@pytest.mark.parametrize("kind", ["cpu", "gpu", "mobile"])
def test_proxylessnas_is_that_of_nni(kind: str) -> None:
    hub = pytest.importorskip("nni.nas.hub.pytorch")
    other = hub.ProxylessNAS.load_searched_model(f"proxyless-{kind}")
    assert_equal(create_design(f"proxyless_{kind}"), other)


def test_the_encoder_of_the_small_midas_is_timms() -> None:
    import timm

    from alignment.designs.efficientnet_lite import efficientnet_lite3_stages

    other = timm.create_model("tf_efficientnet_lite3", pretrained=False)
    mine = nn.Sequential(*efficientnet_lite3_stages())
    assert_equal(mine, nn.Sequential(other.conv_stem, other.bn1, *other.blocks))


@pytest.mark.slow
def test_resnet50_ibn_a_is_torchvisions_but_for_the_first_norms() -> None:
    from torchvision.models import resnet50

    mine, other = create_design("resnet50_ibn_a"), resnet50()
    assert size(mine) == size(other)
    for number in (1, 2, 3, 4):
        for ours, theirs in zip(
            mine.get_submodule(f"layer{number}").children(),
            other.get_submodule(f"layer{number}").children(),
            strict=True,
        ):
            assert isinstance(ours.bn1, nn.BatchNorm2d) == (number == 4)
            ours.bn1 = theirs.bn1
    assert_equal(mine, other, side=224)


def test_instance_and_batch_norm_share_the_channels() -> None:
    from alignment.designs.resnet_ibn import InstanceBatchNorm

    image = torch.randn(3, 8, 5, 5) * 3 + 1
    norm = InstanceBatchNorm(8).eval()
    expected = torch.cat((instance_norm(image[:, :4]), norm.batch(image[:, 4:])), dim=1)
    torch.testing.assert_close(norm(image), expected)


def test_the_cells_of_nasnet_mobile_are_wired_as_timms_up_to_the_first_reduction() -> None:
    # After it the large network of timm skips a cell, where the small one does not.
    from timm.models.nasnet import NASNetALarge

    class Skip(nn.Module):
        def forward(self, x: Tensor, before: Tensor) -> Tensor:
            return before

    # Six cells a stage become four: each of two more gives what entered it second.
    other = NASNetALarge(stem_size=32, num_features=1056)
    for stage_end in (4, 10, 16):
        for number in (stage_end, stage_end + 1):
            setattr(other, f"cell_{number}", Skip())
    mine = create_design("nasnet_mobile")
    state = zip(mine.state_dict(), other.state_dict().values(), strict=True)
    mine.load_state_dict(dict(state))
    given: dict[str, Tensor] = {}
    for network, cell, name in ((mine, "cells.4", "ours"), (other, "reduction_cell_0", "theirs")):
        network.get_submodule(cell).register_forward_hook(
            lambda _, __, output, name=name: given.__setitem__(name, output)
        )
        with torch.no_grad():
            network.eval()(torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0)))
    assert float(given["ours"].std()) > 0
    torch.testing.assert_close(given["ours"], given["theirs"])


def test_after_a_reduction_nasnet_mobile_sees_the_cell_before_it() -> None:
    # As in Keras, whose NASNetMobile has skip_reduction=False.
    network = on_meta("nasnet_mobile")
    runs: list[tuple[tuple[Tensor, Tensor], Tensor]] = []
    for cell in network.get_submodule("cells").children():
        cell.register_forward_hook(lambda _, inputs, output: runs.append((inputs, output)))
    network(torch.zeros(1, 3, 224, 224, device="meta"))
    for reduction in (4, 9):
        entered, beside = runs[reduction + 1][0]
        assert entered is runs[reduction][1]
        assert beside is runs[reduction - 1][1]


def test_readout_and_fusion_are_those_of_segmentation_models() -> None:
    smp = pytest.importorskip("segmentation_models_pytorch.decoders.dpt.decoder")
    from alignment.designs.dpt import Readout
    from alignment.designs.refinenet import Fusion

    tokens = torch.randn(2, 1 + 12, 16)
    mine, other = Readout(16), smp.ReadoutConcatBlock(16, has_prefix_tokens=True)
    other.project.load_state_dict(mine.project.state_dict())
    patches = tokens[:, 1:].transpose(1, 2).unflatten(2, (3, 4))
    expected = other(patches, tokens[:, :1])
    torch.testing.assert_close(mine(tokens).unflatten(2, (3, 4)), expected)

    # Theirs has batch norms, which change nothing before a training, and no biases.
    fusion, theirs = Fusion(8, 8, newer=True), smp.FusionBlock(8).eval()
    with torch.no_grad():
        for unit, block in (
            (fusion.finer, theirs.residual_conv_block1),
            (fusion.both, theirs.residual_conv_block2),
        ):
            unit.conv1.bias.zero_()
            unit.conv2.bias.zero_()
            block.conv_1.weight.copy_(unit.conv1.weight)
            block.conv_2.weight.copy_(unit.conv2.weight)
        theirs.project.load_state_dict(fusion.project.state_dict())
        coarser, finer = torch.randn(2, 2, 8, 4, 4)
        torch.testing.assert_close(
            fusion(coarser, finer), theirs(finer, coarser), rtol=1e-4, atol=1e-4
        )
