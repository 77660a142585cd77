"""Networks that a search found, loaded where there is no NNI: plain PyTorch, the same logits."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from found_spaces import SPACES
from in_process import run_command
from one_thread import one_thread
from safetensors.torch import load_file
from tiny_search import MINUTE, TINY_SPOS

import nasneurn
from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.models.reading import read_saved
from nasneurn.networks.build import create_network
from nasneurn.networks.found import FoundArchitecture, write_found
from nasneurn.networks.spaces import SpaceChoice
from nasneurn.studies.placing import assembled, inputs_of

#: Loads each file given, and uses the model as any of PyTorch's.
ELSEWHERE = """
import pickle, sys
sys.modules["nni"] = None  # as where it is not installed
import torch, nasneurn
torch.set_num_threads(1)
folder, *paths = sys.argv[1:]
images = torch.load(f"{folder}/images.pt")
logits = {}
for path in paths:
    model = nasneurn.load_model(path)
    logits[path] = model(images)
    assert torch.equal(pickle.loads(pickle.dumps(model))(images), logits[path])
    model.requires_grad_(True).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.nn.functional.cross_entropy(model(images), torch.arange(len(images))).backward()
    assert all(weight.grad is not None for weight in model.parameters()), path
    optimizer.step()
    assert not torch.equal(model.eval()(images), logits[path])
    model.to("meta")
torch.save(logits, f"{folder}/logits.pt")
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files of both spaces, each without a stem and with NeuRN, of trainings of seconds."""
    pytest.importorskip("nni")
    folder = tmp_path_factory.mktemp("found")
    records = [
        FoundArchitecture(name=f"{space}/optdigits-none-0", space=space, **fields)
        for space, fields in SPACES.items()
    ]
    write_found(folder / "architecture.json", records)
    with one_thread():
        study = nasneurn.bench(
            str(folder / "architecture.json"),
            stems=["none", "neurn"],
            sources="optdigits",
            targets="optdigits",
            seeds=1,
            changes={"train_images": 200, "epochs": 1, "batch_size": 32},
            out=folder / "study",
            execution=nasneurn.Execution(device="cpu", save_weights=True),
        )
    assert study.failures.empty
    return sorted(study.folder.glob("weights/*.safetensors"))


def as_trained(path: Path, images: torch.Tensor) -> torch.Tensor:
    """The logits of the network that a training has: the space's own, frozen by NNI."""
    training, _, _ = read_saved(path)
    body, _ = create_network(training.architecture, 10, 32)
    body.load_state_dict(load_file(path))
    inputs = inputs_of(training, load_suite("builtin"), torch.device("cpu"))
    network = assembled(training, inputs, body, 10).to(memory_format=torch.channels_last)
    with torch.no_grad():
        logits: torch.Tensor = network.eval()(images)
    return logits


@pytest.mark.slow
def test_the_same_logits_where_there_is_no_nni(saved: list[Path], tmp_path: Path) -> None:
    units = [read_saved(path)[0] for path in saved]
    assert {(unit.architecture.name.split("/")[0], unit.stem.name) for unit in units} == {
        (space, stem) for space in SPACES for stem in ("none", "neurn")
    }
    images = torch.rand(6, 3, 32, 32)
    torch.save(images, tmp_path / "images.pt")
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path), *map(str, saved)]
    subprocess.run(command, check=True)
    logits = torch.load(tmp_path / "logits.pt")
    with one_thread():
        for path in saved:
            assert torch.equal(logits[str(path)], as_trained(path, images))


@pytest.mark.parametrize("space", SPACES)
def test_without_nni_as_the_space_freezes_it(space: str) -> None:
    pytest.importorskip("nni")
    choice = SpaceChoice(space=space, settings=SPACES[space]["settings"])
    choices = {**SPACES[space]["choices"], "stem": "neurn"}
    frozen, bare = choice.network(choices), choice.bare_network(choices)
    weights = frozen.state_dict()
    assert list(bare.state_dict()) == list(weights)
    bare.load_state_dict(weights)
    images = torch.rand(4, 3, 32, 32)
    assert torch.equal(bare.eval()(images), frozen.eval()(images))
    for module in bare.modules():
        assert not any(base.__module__.startswith("nni") for base in type(module).__mro__)


@pytest.mark.parametrize(
    ("space", "changes", "told"),
    [
        ("spos", {"choices": {"layer_1": "k3"}}, "no such architecture: .*layer_2"),
        ("spos", {"settings": {"depth": 3}}, "no such architecture: .*depth"),
        ("autoformer", {"settings": {"patch_size": 5}}, "no such architecture: .*do not tile"),
        ("autoformer", {"choices": {"embed_dim": "x", "depth": 1}}, "no such architecture"),
    ],
)
def test_what_is_no_architecture_is_one_line(
    space: str, changes: dict[str, Any], told: str
) -> None:
    fields = {**SPACES[space], **changes}
    with pytest.raises(InputError, match=told) as caught:
        SpaceChoice(space=space, settings=fields["settings"]).bare_network(fields["choices"])
    assert "\n" not in str(caught.value)


def test_a_space_of_ones_own_needs_nni(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nni", None)
    with pytest.raises(InputError, match=r"own_spaces:Small .* by NNI.*nasneurn export FILE"):
        SpaceChoice(space="own_spaces:Small").bare_network({"width": 8, "activation": "relu"})


@pytest.mark.slow
def test_a_search_in_the_shell_is_taken_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nni")
    out, again = tmp_path / "out", tmp_path / "again"
    changes = [word for field, value in MINUTE.items() for word in ("--set", f"{field}={value}")]
    with one_thread():
        code = run_command(
            monkeypatch, "search", "--space", TINY_SPOS, "--stems", "neurn", "--device", "cpu",
            "--sources", "optdigits", "--targets", "optdigits", *changes, "--save-weights",
            "--out", out,
        )  # fmt: skip
    assert code == 0
    capsys.readouterr()
    study = nasneurn.load_results(out)
    (path,) = out.glob("weights/*.safetensors")
    assert path.stem == study.accuracy["training"].iloc[0]
    model = nasneurn.load_model(path)
    assert model.training_unit.architecture.found == study.found[0]
    assert model(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    card = path.with_suffix(".md").read_text()
    assert "`nasneurn search --config config.yaml --save-weights`" in card
    assert f"commit: {study.accuracy['commit'].iloc[0]}\n" in card

    # What a search leaves besides is no model, and the message names a command for one.
    (inherited,) = out.glob("found/*.safetensors")
    with pytest.raises(InputError, match="stem and scaling") as caught:
        nasneurn.load_model(inherited)
    _, *words = shlex.split(str(caught.value).split("`")[1].replace("ANOTHER", str(again)))
    assert run_command(monkeypatch, *words, "--dry-run") == 0
    assert f"results go to {again}" in capsys.readouterr().err
