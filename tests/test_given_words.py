"""Programs that give something else than names: told in one line, with what to give instead."""

from inspect import signature

import numpy as np
import pytest
import torch
from torch import nn

import nasneurn
from alignment.errors import AlignmentError
from nasneurn.choices import Choice
from nasneurn.errors import InputError
from nasneurn.programs.given_words import seeds_of, words


class MyNet(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()


class Chain(nn.Sequential):
    """A network that can be iterated over."""


def local():
    class Hidden(nn.Module):
        pass

    return Hidden


@pytest.fixture(autouse=True)
def _no_study(monkeypatch, tmp_path):
    """What is taken for names by mistake begins no study."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delattr("nasneurn.studies.run.StudyRun.run")


HERE = f"'{__name__}:MyNet'"
NAMES = "names as text, each by itself or in one list"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (MyNet, f"its import path, {HERE}, or one that nasneurn.register_network"),
        (MyNet(), f"its import path, {HERE}, or one that nasneurn.register_network"),
        ([MyNet], HERE),
        (Chain(nn.ReLU()), f"'{__name__}:Chain'"),
        (lambda num_classes: MyNet(), "'neurn:k=5', or one that nasneurn.register_network"),
        (local(), "'neurn:k=5', or one that nasneurn.register_network"),
        ({"mine": MyNet}, "a list of names, of your own networks those that nasneurn.register_net"),
        ([None], NAMES),
        (2.5, NAMES),
        ([["resnet18"]], NAMES),
        (b"resnet18", NAMES),
        (object, NAMES),
        ([torch.zeros(1)], NAMES),
    ],
)
def test_what_is_no_name_is_one_line(given, told):
    with pytest.raises(InputError, match="is no name: give ") as caught:
        nasneurn.bench(given)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: nasneurn.bench(stems=[nasneurn.NeuRN(5)]), "a name with options, as 'neurn:k=5'"),
        (lambda: nasneurn.bench(seeds=[0.5]), "0.5 is no name"),
        (lambda: nasneurn.search("spos", stems=nasneurn.NeuRN), "'neurn:k=5'"),
        (lambda: nasneurn.search(MyNet), "must be text, NAME or NAME:option=value"),
        (lambda: nasneurn.ablate(MyNet), "is no name"),
        (lambda: nasneurn.report(nasneurn.Study("x")), "give the folder, its attribute folder"),
        (
            lambda: nasneurn.create_network(object),
            "its name is needed, as 'resnet18', or the import",
        ),
        (lambda: nasneurn.create_network(["resnet18"]), "the network is ['resnet18']; its name"),
        (lambda: nasneurn.create_stem(nasneurn.NeuRN()), "'neurn:k=5'; a module is one already"),
        (lambda: nasneurn.create_algorithm(MyNet()), "must be text, NAME or NAME:option=value"),
    ],
)
def test_each_call_says_what_would_be_right(call, told):
    with pytest.raises(InputError) as caught:
        call()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_words():
    assert words("a") == ["a"]
    assert words(("a", 1)) == ["a", "1"]
    assert words(one for one in "ab") == ["a", "b"]
    assert words([Choice.parse("neurn:k=5")]) == ["neurn:k=5"]
    assert words([]) == []
    assert seeds_of(range(2)) == ["0", "1", ","]
    assert seeds_of(np.arange(2)) == ["0", "1", ","]
    assert seeds_of(3) == ["3"]


#: What is usual where nothing is said is not what an empty list asks for.
AXES = "models", "weights", "stems", "algorithms", "sources", "targets", "seeds", "placements"
TINY = {"suite": "builtin", "sources": "print", "seeds": 1, "read_images": False}


@pytest.mark.parametrize("call", ["bench", "ablate", "search"])
@pytest.mark.parametrize("empty", [[], (), "", [""]], ids=repr)
def test_nothing_is_not_what_is_usual(call, empty, tmp_path):
    if call == "search":
        pytest.importorskip("nni")
    function = getattr(nasneurn, call)
    first = {"bench": "models", "ablate": "groups", "search": "space"}[call]
    for axis in {*AXES, first} & set(signature(function).parameters):
        if axis == "space" and empty != "":  # one, and no list
            continue
        with pytest.raises(InputError) as caught:
            function(**{**TINY, axis: empty})
        assert "\n" not in str(caught.value)
        assert axis.rstrip("s") in str(caught.value), axis
    for one in {"suite", "budget", "protocol", "adaptation"} & set(signature(function).parameters):
        with pytest.raises(InputError, match=f"{one}.* ''"):
            function(**{**TINY, one: ""})
    assert not list(tmp_path.iterdir())


def test_no_folder_is_not_this_one():
    with pytest.raises(InputError, match="folder is empty"):
        nasneurn.load_results("")
    for call in (nasneurn.correlate, nasneurn.predict, nasneurn.report):
        for empty in ([], [""], ""):
            with pytest.raises(InputError, match=r"no study|folder is empty|no config\.yaml"):
                call(empty)
    for empty in ([], "", {}):
        with pytest.raises((InputError, AlignmentError), match=r"no (models|architectures)"):
            nasneurn.align(empty)
