import ast
import subprocess
import sys
from pathlib import Path

import pytest
import timm

import alignment
from alignment import ZOO, AlignmentError, resolve
from alignment.sequences import catalogue, serialize

NAMES = ["resnet18", "resnet50", "resnetv2_50", "vgg16", "legacy_xception", "vit_base_patch16_224"]


def names_of(models: list[str]) -> list[str]:
    return [request.name for request in resolve(models, lambda: NAMES)]


def test_the_table() -> None:
    assert len(ZOO) == 44
    assert len({row.name for row in ZOO}) == 44
    assert len({row.timm for row in ZOO}) == 44
    assert {row.timm for row in ZOO} <= set(timm.list_models())
    sizes = {}
    for row in ZOO:
        sizes.setdefault(row.family, []).append(row.name)
    assert {family: len(names) for family, names in sizes.items()} == {
        "Xception": 1, "VGG": 2, "ResNet": 3, "ResNetV2": 3, "Inception": 2, "MobileNet": 4,
        "DenseNet": 3, "NASNet": 2, "EfficientNet": 8, "EfficientNetV2": 7, "ConvNeXt": 5, "ViT": 4,
    }  # fmt: skip
    assert [row.name for row in ZOO if row.note] == ["pnasnetlarge"]


def test_all_44_are_serialized(session_cache: Path) -> None:
    answer = serialize(resolve(["all"], list), session_cache / "alignment", strict=True)
    assert [one.name for one in answer.architectures] == [row.name for row in ZOO]
    by_name = {one.name: one for one in answer.architectures}
    assert all(one.layers[-1].channels_out == 1000 for one in answer.architectures)
    # Published counts of parameters.
    assert by_name["vgg16"].params == 138_357_544
    assert by_name["resnet50"].params == 25_557_032
    assert by_name["densenet121"].params == 7_978_856
    assert by_name["vitb16"].params == 86_567_656
    kinds = {name: {layer.kind for layer in one.layers} for name, one in by_name.items()}
    assert all({"conv2d", "linear"} & found for found in kinds.values())
    assert {"add", "batch_norm", "relu", "max_pool", "global_avg_pool"} <= kinds["resnet50"]
    assert {"concat", "avg_pool"} <= kinds["densenet121"]
    assert {"matmul", "softmax", "layer_norm", "gelu", "shift", "concat"} <= kinds["vitb16"]
    assert {"mul", "sigmoid", "silu"} <= kinds["efficientnetb0"]
    assert {"scale", "layer_norm"} <= kinds["convnexttiny"]
    assert not {"identity", "dropout", "pad"} & set().union(*kinds.values())
    # A convolution, a batch normalization and an activation for each of 53 convolutions; 16 joins.
    layers = [layer.kind for layer in by_name["resnet50"].layers]
    assert [layers.count(kind) for kind in ("conv2d", "batch_norm", "relu", "add")] == [
        53, 53, 49, 16,
    ]  # fmt: skip


def test_names() -> None:
    assert names_of(["all"]) == [row.name for row in ZOO]
    assert names_of(["timm"]) == NAMES
    assert names_of(["VGG16", "ResNet50V2", "resnetv2_50"]) == ["vgg16", "resnet50v2"]
    assert names_of(["resnet18.a1_in1k"]) == ["resnet18"]
    assert names_of(["torchvision:resnet18"]) == ["torchvision:resnet18"]
    assert names_of(["vgg16", "vgg16"]) == ["vgg16"]


def test_globs() -> None:
    assert names_of(["resnet*"]) == [
        "resnet101", "resnet152", "resnet101v2", "resnet152v2",
        "resnet18", "resnet50", "resnetv2_50",
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
    with pytest.raises(AlignmentError, match="cannot be read"):
        names_of([str(tmp_path / "none.txt")])


@pytest.mark.parametrize(
    ("models", "says"),
    [
        (["resnet5O"], "did you mean resnet50"),
        (["qqqq"], "unknown model 'qqqq'"),
        ([], "no models"),
        (["NASNetMobile"], "unknown model"),
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
