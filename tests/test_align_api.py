"""``nasneurn.align``: what goes in, and which options it comes to."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import nasneurn
from alignment import AlignmentError, Architecture, Layer, Scoring, serialize_model
from alignment.keras_models import import_keras
from alignment.options import PRESETS
from nasneurn.networks.given import gather_given


class Small(nn.Module):
    def __init__(self, depth: int = 1) -> None:
        super().__init__()
        self.steps = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(depth))
        self.norm = nn.BatchNorm2d(3)
        self.head = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for step in self.steps:
            x = torch.relu(step(x))
        return self.head(self.norm(x).mean((2, 3)))


def small_keras(name: str = "tiny"):
    keras = import_keras()
    layers = [
        keras.Input((16, 16, 3)),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(2),
    ]
    return keras.Sequential(layers, name=name)


@pytest.mark.slow
def test_words_and_modules_in_their_order() -> None:
    mixed = ["test_resnet", Small(), small_keras(), "test_vit,test_convnext", Small(2)]
    outcome = nasneurn.align(mixed, representatives=2)
    assert outcome.names == (
        "test_resnet", "Small", "tiny", "test_vit", "test_convnext", "Small 2"
    )  # fmt: skip
    assert outcome.options.scheme == PRESETS["recommended"].scheme
    assert outcome.tokens.family.tolist()[1:3] == ["own", "keras"]
    assert outcome.tokens.loc["Small 2", "params"] == sum(p.numel() for p in Small(2).parameters())


def test_a_module_is_left_as_it_was() -> None:
    network = Small().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    nasneurn.align(network)
    assert torch.equal(torch.rand(3), wanted)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network._forward_hooks


def test_one_of_each() -> None:
    assert nasneurn.align("test_resnet").names == ("test_resnet",)
    assert nasneurn.align(Small()).names == ("Small",)
    assert nasneurn.align(small_keras()).names == ("tiny",)
    known = serialize_model(Small(), "known")
    assert nasneurn.align([known, Small()]).similarity.loc["known", "Small"] == 1.0


def test_names_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "saved.keras"
    small_keras().save(path)
    models = {"$a": Small(), "b": "test_resnet", "c": small_keras(), "d": path, "e": Small(3)}
    scores = {"match": 2, "mismatch": -1, "gap": -2, "gap_extend": -1}
    outcome = nasneurn.align(models, scheme="layer", normalize="mean", **scores)
    assert outcome.names == tuple(models)
    assert outcome.options.scoring == Scoring(2, -1, -2, -1)
    assert outcome.options.normalization == "mean"
    assert outcome.score_matrix[2, 3] == 2 * len(outcome.tokenized.sequences[2])


def test_paths(tmp_path: Path) -> None:
    keras_file, words = tmp_path / "mine.keras", tmp_path / "names.txt"
    small_keras().save(keras_file)
    words.write_text("\ufefftest_vit  # the first\ntest_resnet\n", encoding="utf-8")
    assert nasneurn.align([words, keras_file]).names == ("test_vit", "test_resnet", "mine")
    assert nasneurn.align([words, keras_file, Small()]).names[2:] == ("mine", "Small")


def test_numbers_tell_modules_apart() -> None:
    layers = (Layer("relu"),)
    given = [Small(), Architecture("Small 2", "x", layers), Small(2), Small(3)]
    names = [one.name for one in gather_given(given, input_shape=(3, 8, 8))]
    assert names == ["Small", "Small 2", "Small 3", "Small 4"]


def test_the_shape_of_images() -> None:
    wide = nasneurn.align([Small()], input_shape=(3, 8, 8)).architectures[0]
    assert wide.layers[0].shape == (3, 8, 8)
    assert nasneurn.align([Small()]).architectures[0].layers[0].shape == (3, 224, 224)


@pytest.mark.parametrize(
    ("models", "options", "says"),
    [
        (3, {}, "3 is no model; give names, paths, modules"),
        ([Small], {}, "is no model"),
        ([], {}, "no models"),
        ({"a": "test_vit,test_resnet"}, {}, "'a': 'test_vit,.*' names 2 .* it must be one"),
        (["test_resnet", nn.Linear(5, 2)], {}, "Linear cannot be run"),
        (Small(), {"input_shape": (8, 8)}, r"input_shape is \(8, 8\); it must be \(C, H, W\)"),
        ("test_resnet", {"schema": "layer"}, "unknown option 'schema'.* did you mean scheme"),
        ("test_resnet", {"preset": "papers"}, "unknown preset 'papers'"),
        ("test_resnet", {"gap": 1}, "gap"),
    ],
)
def test_bad_input(models: object, options: dict, says: str) -> None:
    with pytest.raises(AlignmentError, match=says):
        nasneurn.align(models, **options)


@pytest.mark.slow
def test_the_44_as_in_the_papers_figure() -> None:
    outcome = nasneurn.align()
    assert outcome.options.title() == PRESETS["paper"].title()
    assert nasneurn.align(["all"]).options == outcome.options
    recommended = nasneurn.align("all", "recommended")
    assert recommended.options.title() == PRESETS["recommended"].title()
    assert not np.array_equal(recommended.similarity_matrix, outcome.similarity_matrix)
    assert outcome.nearest("vgg16", k=2).index.tolist() == ["vgg19", "vgg11"]
