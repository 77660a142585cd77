"""Models of all kinds in one alignment: how they are named, told apart, and refused."""

import csv
import sys
from pathlib import Path
from typing import Any

import pytest
from in_process import align

from alignment import AlignmentError, Architecture
from nasneurn.cli.align_options import read_shape
from nasneurn.errors import InputError
from nasneurn.networks.found import FoundArchitecture, write_found
from nasneurn.networks.traced import gather, gather_pair, name_models

#: Networks as users write them.
MODULE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes=10, width=4):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.linear = nn.Linear(width, num_classes)

    def forward(self, x):
        return self.linear(self.conv(x).relu().mean((2, 3)))


class Map(Net):
    def forward(self, x):
        features = self.conv(x)
        return {"map": features, "logits": self.linear(features.mean((2, 3)))}


class Pair(Net):
    def forward(self, x):
        features = self.conv(x)
        return features, self.linear(features.mean((2, 3)))


class Flow(Net):
    def forward(self, x):
        features = self.conv(x)
        if features.mean() > 0:
            features = features.relu()
        return self.linear(features.mean((2, 3)))


class Values(Net):
    def __init__(self):
        super().__init__()
        self.scale = torch.linspace(0, 1, 4)[-1].item()


class Two(nn.Module):
    def forward(self, image, mask):
        return image * mask


class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)
        self.linear = nn.Linear(2 * 4 * 6, 3)

    def forward(self, x):
        return self.linear(self.conv(x).flatten(1))


class Broken(Net):
    def __init__(self):
        raise RuntimeError("of $two$\\nlines")


def number():
    return 3


trained = Net()
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module of one's own, in the folder where the command runs."""
    (tmp_path / "mynets.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("mynets", None)
    return "mynets"


def read(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def names(architectures: "list[Architecture] | tuple[Architecture, ...]") -> list[str]:
    return [one.name for one in architectures]


def kinds(one: Architecture) -> list[str]:
    return [layer.kind for layer in one.layers]


def search_record(**changes: Any) -> FoundArchitecture:
    return FoundArchitecture(
        **{
            "name": "spos/print-neurn-3",
            "space": "spos",
            "settings": {
                "num_classes": 10, "image_size": 32, "width": 0.25, "blocks": [1, 1, 2, 1],
            },
            "choices": {
                "layer_1": "k3", "layer_2": "k7", "layer_3": "xcep", "layer_4": "k5",
                "layer_5": "k3",
            },
            **changes,
        }
    )  # fmt: skip


def test_found_architectures(tmp_path: Path) -> None:
    pytest.importorskip("nni")
    path = tmp_path / "found.json"
    write_found(path, [search_record(), search_record(name="spos/print-neurn-4")])
    first, second = gather([str(path)])
    assert first.layers == second.layers
    assert {"conv2d", "batch_norm", "relu", "concat", "linear"} <= {k.kind for k in first.layers}
    kernels = [k.kernel for k in first.layers if k.kind == "conv2d" and k.groups > 1]
    assert (7, 7) in kernels
    align("--models", f"test_resnet,{path}", "--no-figures", "--out", str(tmp_path))
    assert len(read(tmp_path / "scores.csv")) == 4
    nearest = read(tmp_path / "nearest.csv")
    assert [row[:4] for row in nearest[1:]] == [
        [one.name, "1", "test_resnet", "resnet"] for one in (first, second)
    ]


def test_found_transformers_are_like_known_ones(tmp_path: Path) -> None:
    pytest.importorskip("nni")
    layers = range(5)
    choices = {
        "embed_dim": 64, "depth": 4, **{f"mlp_ratio_{i}": 2.0 for i in layers},
        **{f"num_head_{i}": 3 for i in layers},
    }  # fmt: skip
    settings = {"num_classes": 10, "image_size": 32, "size": "micro"}
    path = tmp_path / "found.json"
    write_found(path, [search_record(space="autoformer", settings=settings, choices=choices)])
    (found,) = gather([str(path)])
    kinds = [layer.kind for layer in found.layers]
    assert kinds.count("layer_norm") == 9
    assert kinds.count("gelu") == kinds.count("softmax") == 4
    names = ["vit_tiny_patch16_224", "test_resnet", str(path)]
    align("--models", ",".join(names), "--no-figures", "--out", str(tmp_path))
    assert read(tmp_path / "nearest.csv")[1][2] == "vit_tiny_patch16_224"


# ---------------------------------------------------------------- several kinds at once


def two_kernels(path: Path) -> tuple[FoundArchitecture, FoundArchitecture]:
    """A file with two architectures, the first without a 7 x 7 kernel."""
    small = dict.fromkeys(search_record().choices, "k3")
    first, second = search_record(choices=small), search_record(name="spos/print-neurn-4")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_found(path, [first, second])
    return first, second


def test_the_order_is_that_of_the_words(tmp_path: Path, mine: str) -> None:
    pytest.importorskip("nni")
    path = tmp_path / "found.json"
    first, second = two_kernels(path)
    words = [f"{path}#{second.name}", f"{mine}:Net", "test_resnet", str(path), "test_vit"]
    assert names(gather(words)) == [
        second.name, f"{mine}:Net", "test_resnet", first.name, "test_vit"
    ]  # fmt: skip
    listed = tmp_path / "models.txt"
    listed.write_text("\ufeff" + "\n".join(["# mine", *words]), encoding="utf-8")
    with pytest.raises(InputError, match=f"names code .*{mine}:Net.*--trust-code"):
        gather([str(listed)])
    assert names(gather([str(listed)], trust_code=True)) == names(gather(words))


def test_a_pair_shows_the_records_that_its_sides_name(tmp_path: Path) -> None:
    pytest.importorskip("nni")
    path = tmp_path / "found.json"
    first, second = two_kernels(path)
    assert first.name != second.name
    for left, right in ((first, second), (second, first)):
        shown = gather_pair((f"{path}#{left.name}", f"{path}#{right.name}"))
        assert names(shown) == [left.name, right.name]
    assert names(gather_pair((str(path) + "#" + second.name, "test_resnet")))[0] == second.name
    assert names(gather_pair(("test_resnet", str(path) + "#" + first.name)))[1] == first.name
    header = align("--pair", f"{path}#{second.name}", "test_resnet").splitlines()[0].split()
    assert header == [second.name, "test_resnet"]


def test_a_side_that_names_several_is_refused_untraced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "found.json"
    first, second = two_kernels(path)

    def traced(*arguments: Any, **options: Any) -> None:
        raise AssertionError("something was traced")

    monkeypatch.setattr("alignment.sequences.serialize", traced)
    with pytest.raises(InputError) as error:
        gather_pair(("test_resnet", str(path)))
    assert f"names 2 architectures ({first.name}, {second.name})" in str(error.value)
    assert f"such as {path}#{first.name}" in str(error.value)
    with pytest.raises(InputError, match=r"'resnet\*' names \d+ architectures .* more"):
        gather_pair(("resnet*", "test_resnet"))
    with pytest.raises(InputError, match=r"repository of weights.* such as resnet18$"):
        gather(["hf_hub:timm/resnet18.a1_in1k"])
    # Not even the names that libraries know are asked for.
    monkeypatch.setattr("alignment.sequences.catalogue", traced)
    for pair in [("*", "x"), ("x", "all"), ("timm", "x"), ("", "x")]:
        with pytest.raises(InputError, match="names many architectures"):
            gather_pair(pair)


@pytest.mark.slow
def test_two_searches_are_aligned_together(tmp_path: Path) -> None:
    """Each names what it found after space, source, stem and seed, so in the same way."""
    pytest.importorskip("nni")
    files = [tmp_path / folder / "architecture.json" for folder in ("deep/one", "deep/two")]
    for path in files:
        two_kernels(path)
    words = [str(path) for path in files]
    assert names(gather([*words, words[0]])) == [
        f"{folder}/spos/print-neurn-{seed}" for folder in ("one", "two") for seed in (3, 4)
    ]
    align("--models", ",".join(words), "--no-figures", "--out", str(tmp_path / "out"))
    assert len(read(tmp_path / "out" / "scores.csv")) == 5
    # A name that is there once stays as it is.
    assert names(gather([words[0], "test_resnet"]))[0] == "spos/print-neurn-3"


# ---------------------------------------------------------------- networks of one's own


def test_what_a_network_may_give(mine: str) -> None:
    net, of_map, of_pair = gather([f"{mine}:Net,{mine}:Map,{mine}:Pair"])
    assert kinds(net) == ["conv2d", "relu", "global_avg_pool", "linear"]
    assert kinds(of_map) == kinds(of_pair) == ["conv2d", "global_avg_pool", "linear"]
    assert net.layers[-1].channels_out == 10
    (wide,) = gather([f"{mine}:Net:width=6"])
    assert (wide.name, wide.layers[0].channels_out) == (f"{mine}:Net:width=6", 6)
    (there,) = gather([f"{mine}:trained"])  # a network, not what makes one
    assert there.layers == net.layers


def test_a_network_that_needs_values_is_traced_where_it_can_be(mine: str) -> None:
    (one,) = gather([f"{mine}:Values"])
    assert kinds(one) == ["conv2d", "relu", "global_avg_pool", "linear"]


def test_control_flow_is_told(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    gather([f"{mine}:Flow"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"nasneurn: {mine}:Flow: ")
    assert "asks for values of its data" in line


def test_the_shape_of_images(mine: str) -> None:
    with pytest.raises(InputError, match=r"Wide cannot be run on an image \(3, 32, 32\)"):
        gather([f"{mine}:Wide"])
    (wide,) = gather([f"{mine}:Wide"], input_shape=(1, 4, 6))
    assert wide.layers[0].shape == (2, 4, 6)
    assert read_shape("4,6") == (3, 4, 6)
    assert read_shape("1, 4, 6") == read_shape("1x4x6") == (1, 4, 6)
    for text in ("4", "a,b", "0,4", "1,2,3,4", "4,,6", "-4,6", ""):
        with pytest.raises(InputError, match="--input-shape is"):
            read_shape(text)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("mynets:Two", r"mynets:Two takes 2 inputs \(image, mask\)"),
        ("mynets:Broken", r"mynets:Broken cannot be traced: of \$two\$ lines"),
        ("mynets:number", "mynets:number is int; an instance of torch.nn.Module is needed"),
        ("mynets:Missing", "cannot be imported"),
        ("mynets:Net:depth=3", "option of the network mynets:Net is 'depth'"),
        ("nowhere:Net", "No module named 'nowhere'"),
    ],
)
def test_networks_that_cannot_be_traced(mine: str, word: str, says: str) -> None:
    with pytest.raises((InputError, AlignmentError), match=says) as error:
        gather([word])
    assert "\n" not in str(error.value)
    assert str(error.value).count(word.partition(":depth")[0]) == 1


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(InputError, match=r"; pip install segmentation-models-pytorch$"):
        gather(["segmentation_models_pytorch:Unet:encoder_weights=null"])


# ---------------------------------------------------------------- Keras models


def test_keras_without_keras(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whether it is asked for by name or by file; the published 44 need none."""
    monkeypatch.setitem(sys.modules, "keras", None)
    (tmp_path / "net.keras").write_text("")
    for word in ("keras:MobileNet", str(tmp_path / "net.keras")):
        with pytest.raises(AlignmentError, match=r"pip install 'nasneurn\[keras\]'"):
            gather([word], input_shape=(3, 40, 40))
    assert len(name_models(["all"])) == 44


def keras_file(path: Path, kernel: int, size: "int | None" = 16) -> str:
    keras = pytest.importorskip("keras")
    layers = keras.layers
    path.parent.mkdir(parents=True, exist_ok=True)
    keras.Sequential(
        [layers.Input((size, size, 3)), layers.Conv2D(4, kernel), layers.GlobalAveragePooling2D()]
    ).save(path)
    return str(path)


@pytest.mark.slow
def test_keras_models_by_name_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    files = [keras_file(tmp_path / name / "net.keras", k) for k, name in ((3, "a"), (5, "b"))]
    vgg = keras_file(tmp_path / "c" / "vgg16.h5", 3)
    found = gather(["keras:VGG16", *files, vgg, "vgg16", "keras:vgg16"])
    assert names(found) == ["keras:VGG16", "a/net", "b/net", "c/vgg16", "vgg16"]
    assert found[0].listing == found[4].listing
    assert found[0].params == found[4].params == 138_357_544
    assert [one.layers[0].kernel for one in found[1:3]] == [(3, 3), (5, 5)]
    left, right = gather_pair((files[1], files[0]))
    assert (left.layers[0].kernel, right.layers[0].kernel) == ((5, 5), (3, 3))
    # A size that a model leaves open, and one that an application has another of.
    unsized = keras_file(tmp_path / "open.keras", 3, None)
    with pytest.raises(AlignmentError, match="--input-shape 224,224"):
        gather([unsized])
    shaped = gather([unsized, "keras:MobileNet"], input_shape=(3, 40, 64))
    assert [one.layers[0].shape for one in shaped] == [(4, 38, 62), (32, 20, 32)]


def test_keras_files_that_cannot_be_read(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    for name in ("bad.keras", "bad.h5"):
        (tmp_path / name).write_text("no model")
    (tmp_path / "folder.keras").mkdir()
    for name, says in (
        ("bad.keras", "no model could be read"),
        ("bad.h5", "no model could be read"),
        ("folder.keras", "there is no such file"),
        ("missing.keras", "there is no such file"),
    ):
        with pytest.raises(AlignmentError, match=says) as error:
            gather([str(tmp_path / name)])
        assert "\n" not in str(error.value)
    with pytest.raises(AlignmentError, match=r"no application 'vgg91'; did you mean vgg19\?"):
        gather(["keras:vgg91"])
