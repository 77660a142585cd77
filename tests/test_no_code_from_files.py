"""Files of PyTorch are read as tensors and plain data, by the word of the code that reads them."""

import ast
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision import models

from nasneurn.algorithms.conformance import _as_read_back, _Broken
from nasneurn.errors import InputError
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.pretrained import _told, pretrained_weights

ROOT = Path(__file__).parents[1]
#: Calls that read what PyTorch has written, by their last name, where they have this argument.
READING = {"load": "", "fit": "ckpt_path", "validate": "ckpt_path", "test": "ckpt_path"}


class Hostile:
    """What runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def readings(path: Path) -> list[ast.Call]:
    """The calls in a file that read checkpoints or state dicts."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner, name = ast.unparse(node.func.value), node.func.attr
        wanted = READING.get(name)
        if (name == "load" and owner == "torch") or (
            wanted and any(keyword.arg == wanted for keyword in node.keywords)
        ):
            found.append(node)
    return found


@pytest.mark.slow
def test_every_reading_says_that_it_reads_tensors_alone() -> None:
    calls = [
        (path, call)
        for package in ("nasneurn", "alignment", "search_spaces")
        for path in (ROOT / package).rglob("*.py")
        for call in readings(path)
    ]
    assert len(calls) >= 4  # the search finds what there is
    for path, call in calls:
        said = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert said.get("weights_only") == "True", f"{path}:{call.lineno}"


@pytest.mark.parametrize("legacy", [False, True])
def test_a_cached_file_of_pytorchs_hub_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, legacy: bool
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    folder, trap = tmp_path / "torch" / "hub" / "checkpoints", tmp_path / "trap"
    folder.mkdir(parents=True)
    name = models.SqueezeNet1_1_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    torch.save({"x": Hostile(trap)}, folder / name, _use_new_zipfile_serialization=not legacy)
    architecture = Architecture(
        name="torchvision:squeezenet1_1", library="torchvision", model="squeezenet1_1"
    )
    with pytest.raises(InputError, match="cannot be used") as told:
        pretrained_weights(architecture, "IMAGENET1K_V1")
    assert "\n" not in str(told.value)
    assert not trap.exists()
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_the_word_of_a_person_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "yes")
    with pytest.raises(InputError), _told("x", "y"):
        raise ValueError
    assert os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] == "yes"


def test_a_state_that_checkpoints_do_not_give_back_is_refused(tmp_path: Path) -> None:
    state = {"a": torch.ones(2), "b": [1, 2.0, "x", None], "c": {"d": torch.zeros(1)}}
    assert str(_as_read_back(state)) == str(state)
    with pytest.raises(_Broken, match="more than tensors and plain data"):
        _as_read_back({"a": Hostile(tmp_path / "trap")})
    assert not (tmp_path / "trap").exists()
