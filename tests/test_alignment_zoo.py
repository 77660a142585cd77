import ast
import subprocess
import sys
from pathlib import Path

import pytest
import timm

import alignment
from alignment import KERAS, PUBLISHED, AlignmentError, Architecture, resolve
from alignment.designs import DESIGNS
from alignment.keras_listings import APPLICATIONS
from alignment.sequences import catalogue, serialize
from alignment.zoo import MAPS, Known

NAMES = ["resnet18", "resnet50", "resnetv2_50", "vgg16", "legacy_xception", "vit_base_patch16_224"]


def names_of(models: list[str]) -> list[str]:
    return [request.name for request in resolve(models, lambda: NAMES)]


#: A 3 x 3 convolution from 1024 to 256 channels, its batch norm, and 21 classes.
SECOND_HEAD = 1024 * 256 * 9 + 2 * 256 + 256 * 21 + 21
#: Numbers of parameters as published: what Keras counts as trainable, in the tables of torchvision,
#: and of the authors' own code. What a layer does not run for an image is none of its parameters.
PARAMETERS = {
    "mobilenet": 4_231_976, "mobilenetv2": 3_504_872, "resnet50": 25_557_032,
    "resnet101": 44_549_160, "resnet152": 60_192_808, "resnet50v2": 25_549_352,
    "resnet101v2": 44_541_480, "resnet152v2": 60_185_128, "xception2": 22_855_952,
    "inceptionv3": 23_834_568, "inceptionResnetv2": 55_843_464, "vgg16": 138_357_544,
    "vgg19": 143_667_240, "vgg11": 132_863_336, "densenet121": 7_978_856,
    "densenet169": 14_149_480, "densenet201": 20_013_928, "nasnetMobile": 5_289_978,
    "nasnetLarge": 88_753_150,
    "efficientNetb0": 5_288_548, "efficientNetb1": 7_794_184, "efficientNetb2": 9_109_994,
    "efficientNetb3": 12_233_232, "efficientNetb4": 19_341_616, "efficientNetb5": 30_389_784,
    "efficientNetb6": 43_040_704, "efficientNetb7": 66_347_960, "squeezenet": 1_248_424,
    "shufflenet": 2_278_604, "wide_resnet": 68_883_240, "resnet_ssl_facebook": 11_689_512,
    "googlenet": 6_624_904, "inception_V3": 23_834_568, "proxyless_nas": 4_361_648,
    "ibn": 25_557_032, "u-net": 7_763_041, "resnest": 27_483_240, "resnext": 88_791_336,
    "vit": 86_567_656, "CORnet": 53_416_616,
    # torchvision's tables count the second head, which gives no answer of its own.
    "fcn_resnet101": 54_314_346 - SECOND_HEAD, "deeplabv3": 60_996_202 - SECOND_HEAD,
    # Of the other set.
    "mobilenetv3small": 2_542_856, "mobilenetv3large": 5_483_032, "convnexttiny": 28_589_128,
    "convnextsmall": 50_223_688, "convnextbase": 88_591_464, "convnextlarge": 197_767_336,
    "convnextxlarge": 350_196_968, "vitb16": 86_567_656, "vitb32": 88_224_232,
    "vitl16": 304_326_632, "vitl32": 306_535_400, "efficientnetv2b0": 7_139_704,
    "efficientnetv2s": 21_458_488, "efficientnetv2m": 54_139_356, "efficientnetv2l": 118_515_272,
}  # fmt: skip


def test_the_published_table() -> None:
    assert len(PUBLISHED) == len({row.name for row in PUBLISHED}) == 44
    assert len({row.builder for row in PUBLISHED}) == 44
    assert len({row.origin for row in PUBLISHED}) == 44
    # Of Keras are all whose listing is kept; the others were models of PyTorch Hub.
    assert [row.keras for row in PUBLISHED if row.keras] == list(APPLICATIONS)
    assert all(row.keras or row.origin.startswith("hub:") for row in PUBLISHED)
    assert len(APPLICATIONS) == 26
    # The first and the last of the figure's axis, and one with its odd capitals.
    labels = [row.name for row in PUBLISHED]
    assert (labels[0], labels[10], labels[-1]) == ("mobilenet", "inceptionResnetv2", "CORnet")
    # What is no such network says why.
    assert all(row.exact or row.note for row in PUBLISHED)


def test_the_set_of_keras() -> None:
    assert len(KERAS) == len({row.name for row in KERAS}) == 44
    sizes: dict[str, int] = {}
    for row in KERAS:
        sizes[row.family] = sizes.get(row.family, 0) + 1
    assert sizes == {
        "Xception": 1, "VGG": 2, "ResNet": 3, "ResNetV2": 3, "Inception": 2, "MobileNet": 4,
        "DenseNet": 3, "NASNet": 2, "EfficientNet": 8, "EfficientNetV2": 7, "ConvNeXt": 5, "ViT": 4,
    }  # fmt: skip


@pytest.mark.parametrize("row", [*PUBLISHED, *KERAS], ids=lambda row: row.name)
def test_what_builds_a_row_is_known(row: Known) -> None:
    from torchvision import models

    library, _, name = row.builder.partition(":")
    known = {"timm": timm.list_models(), "torchvision": models.list_models(), "design": DESIGNS}
    assert name in known[library]


@pytest.fixture(scope="module")
def all_built(session_cache: Path) -> dict[str, Architecture]:
    """Every row of both tables, traced; without a network."""
    answer = serialize(resolve(["all", "keras"], list), session_cache / "alignment", strict=True)
    return {one.name: one for one in answer.architectures}


def test_all_44_are_serialized(all_built: dict[str, Architecture]) -> None:
    assert list(all_built)[:44] == [row.name for row in PUBLISHED]
    for row in (*PUBLISHED, *KERAS):
        one = all_built[row.name]
        assert one.listing, row.name
        assert sorted(one.canonical) == list(range(len(one.layers)))
        if row.family == MAPS:
            assert one.layers[-1].kind == "conv2d" or len(one.layers[-1].shape) >= 2
        else:
            assert next(k for k in reversed(one.layers) if k.channels_out).channels_out == 1000
    kinds = {name: {layer.kind for layer in one.layers} for name, one in all_built.items()}
    assert all({"conv2d", "linear"} & found for found in kinds.values())
    assert {"add", "batch_norm", "relu", "max_pool", "global_avg_pool"} <= kinds["resnet50"]
    assert {"concat", "avg_pool"} <= kinds["densenet121"]
    assert {"matmul", "softmax", "layer_norm", "gelu", "shift", "concat"} <= kinds["vitb16"]
    assert {"mul", "sigmoid", "silu"} <= kinds["efficientNetb0"]
    assert {"scale", "layer_norm"} <= kinds["convnexttiny"]
    assert not {"identity", "dropout", "pad"} & set().union(*kinds.values())
    # A convolution, a batch normalization and an activation for each of 53 convolutions; 16 joins.
    layers = [layer.kind for layer in all_built["resnet50"].layers]
    assert [layers.count(kind) for kind in ("conv2d", "batch_norm", "relu", "add")] == [
        53, 53, 49, 16,
    ]  # fmt: skip


@pytest.mark.parametrize("name", PARAMETERS)
def test_published_numbers_of_parameters(name: str, all_built: dict[str, Architecture]) -> None:
    assert all_built[name].params == PARAMETERS[name]


def test_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of these, torchvision would fetch weights of the backbone if it was left to its defaults."""

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("weights were asked for")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision._internally_replaced_utils.load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    maps = [row.name for row in PUBLISHED if row.family == MAPS]
    assert len(maps) == 4
    answer = serialize(resolve(maps, list), tmp_path, jobs=1)
    assert not answer.failures


def test_names() -> None:
    assert names_of(["all"]) == [row.name for row in PUBLISHED]
    assert names_of(["keras"]) == [row.name for row in KERAS]
    assert names_of(["timm"]) == NAMES
    assert names_of(["VGG16", "ResNet50V2", "resnetv2_50"]) == ["vgg16", "resnet50v2"]
    assert names_of(["resnet18.a1_in1k"]) == ["resnet18"]
    assert names_of(["torchvision:resnet18"]) == ["torchvision:resnet18"]
    assert names_of(["vgg16", "vgg16"]) == ["vgg16"]
    assert names_of(["keras:VGG16", "design:unet"]) == ["keras:VGG16", "design:unet"]
    assert names_of(["keras:vgg16", "keras:VGG16"]) == ["keras:vgg16"]
    # timm's own names come back as they are, so that tables can be looked up by them.
    assert names_of(["convnext_tiny", "mobilenetv2_100"]) == ["convnext_tiny", "mobilenetv2_100"]
    assert names_of(["resnetv2_50", "resnet50v2", "all"])[:2] == ["resnetv2_50", "mobilenet"]
    # What a row is called by Keras, by the code that builds it, and in small letters.
    assert names_of(["NASNetMobile", "unet", "cornet", "u-net"]) == [
        "nasnetMobile", "u-net", "CORnet"
    ]  # fmt: skip


def test_a_name_of_timm_is_of_timm() -> None:
    """Also where a row of another name is built by torchvision's network of that name."""
    (plain, second) = resolve(["resnet18", "wide_resnet50_2"], timm.list_models)
    assert (plain.name, plain.library) == ("resnet18", "timm")
    assert (second.name, second.library) == ("wide_resnet50_2", "timm")
    (third,) = resolve(["inception_v3"], list)
    assert (third.name, third.library) == ("inception_v3", "timm")
    (fourth,) = resolve(["inception_V3"], list)
    assert (fourth.name, fourth.library) == ("inception_V3", "torchvision")
    # torchvision's names that timm lacks need no library in front.
    (fifth,) = resolve(["squeezenet1_0"], timm.list_models)
    assert (fifth.name, fifth.library) == ("squeezenet", "torchvision")


def test_globs() -> None:
    assert names_of(["resnet*"]) == [
        "resnet50", "resnet101", "resnet152", "resnet50v2", "resnet101v2", "resnet152v2",
        "resnet_ssl_facebook", "resnet18", "resnetv2_50",
    ]  # fmt: skip
    with pytest.raises(AlignmentError, match="no model matches 'alex\\*'"):
        names_of(["alex*"])


def test_names_of_the_zoo_need_no_library() -> None:
    def unavailable() -> list[str]:
        raise AssertionError("the catalogue was asked for")

    assert len(resolve(["all", "vgg16"], unavailable)) == 44


def test_a_file_of_names(tmp_path: Path) -> None:
    path = tmp_path / "models.txt"
    path.write_text("# mine\nvgg16\n\nresnet18  # small\n")
    assert names_of([str(path)]) == ["vgg16", "resnet18"]
    # As some editors write it, with a mark before the first name.
    path.write_bytes(b"\xef\xbb\xbfvgg16\r\nresnet18\r\n")
    assert names_of([str(path)]) == ["vgg16", "resnet18"]
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AlignmentError, match="cannot be read as a list"):
        names_of([str(path)])
    with pytest.raises(AlignmentError, match="cannot be read"):
        names_of([str(tmp_path / "none.txt")])


@pytest.mark.parametrize(
    ("models", "says"),
    [
        (["resnet5O"], "did you mean resnet50"),
        (["qqqq"], "unknown model 'qqqq'"),
        ([], "no models"),
        (["unetplusplus"], "package.module:Name for a network of your own"),
    ],
)
def test_unknown_names(models: list[str], says: str) -> None:
    with pytest.raises(AlignmentError, match=says):
        names_of(models)


def test_the_catalogue_is_kept(tmp_path: Path) -> None:
    names = catalogue(tmp_path)
    assert names == timm.list_models() == catalogue(tmp_path)
    assert len(names) > 1000
    assert list(tmp_path.rglob("catalogue.json"))


def test_the_package_stands_alone() -> None:
    """It imports neither of its neighbours, and importing it imports nothing heavy."""
    folder = Path(alignment.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = []
            if isinstance(node, ast.Import):
                modules = [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            for module in modules:
                assert module.split(".")[0] not in ("nasneurn", "search_spaces"), path
    code = (
        "import sys, alignment, alignment.errors;"
        "print(sorted({'torch', 'numpy', 'numba', 'pandas'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_what_the_package_exports() -> None:
    for name in alignment.__all__:
        assert getattr(alignment, name) is not None
    # A submodule of the same name would take an export's place once it is imported.
    folder = Path(alignment.__file__).parent
    assert not {path.stem for path in folder.glob("*.py")} & set(alignment.__all__)
    assert set(alignment.__all__) <= set(dir(alignment))
    # Type checkers read the same names from the same modules.
    tree = ast.parse(Path(alignment.__file__).read_text())
    (typed,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        name.name: node.module
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert imported == alignment._HOME
    assert set(imported) == set(alignment.__all__)
    with pytest.raises(AttributeError):
        _ = alignment.nothing
