"""Code of one's own that changes while a study of it is under way."""

import linecache
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from in_process import refusal, run_command
from test_changed_images import finish_all
from tiny_bench import tiny_config

import nasneurn
from nasneurn.choices import imported
from nasneurn.errors import InputError
from nasneurn.networks.own import NETWORKS
from nasneurn.stems import from_function
from nasneurn.stems.registry import STEMS
from nasneurn.studies.bench_config import BenchConfig
from nasneurn.studies.folder import Study
from nasneurn.studies.own_code import KEY, _definition, code_digests, kept_digests
from nasneurn.studies.run import Execution, StudyRun

CODE = '''
"""Networks."""
from torch import nn
from own_networks import SmallCNN as Borrowed

WIDTH = 4  # of all

def block(width):
    """A block."""
    return nn.Conv2d(3, width, 3)

class Net(nn.Module):
    """One."""
    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.first = block(WIDTH)
        self.last = nn.Linear(WIDTH, num_classes)

    def forward(self, x):
        return self.last(self.first(x).mean((2, 3)))

class Other(Net):
    pass

if WIDTH:
    shape = (WIDTH, WIDTH)

def double(images):
    return 2 * images

TABLE = {}
TABLE["kernel"] = 3

class Changed(nn.Module):
    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, num_classes, TABLE["kernel"])

    def forward(self, x):
        return self.first(x).sum((2, 3)) * self.gain

try:
    Changed.gain = 1.0
except TypeError:
    pass
TABLE.update(more=1)
print(shape)
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "code" / "changing_networks.py"
    path.parent.mkdir()
    path.write_text(CODE)
    monkeypatch.syspath_prepend(str(path.parent))
    monkeypatch.delitem(sys.modules, path.stem, raising=False)
    return path


def digest(name: str = "Net") -> str:
    (found,) = code_digests([f"changing_networks:{name}"]).values()
    return found


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("# of all", "# of each block", True),
        ('"""A block."""', '"""Blocks."""', True),
        ("class Other(Net):\n    pass", "class Other(Net):\n    more = 1", True),
        ("shape = (WIDTH, WIDTH)", "shape = WIDTH", True),
        ("WIDTH = 4", "WIDTH = 8", False),
        ("Conv2d(3, width, 3)", "Conv2d(3, width, 5)", False),
        (".mean((2, 3))", ".amax((2, 3))", False),
        ("from torch import nn", "import torch.nn as nn", False),
    ],
)
def test_what_counts_is_the_definition_and_what_it_uses(
    module: Path, before: str, after: str, same: bool
) -> None:
    first = digest()
    assert CODE.count(before) == 1
    module.write_text(CODE.replace(before, after))
    assert (digest() == first) is same


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ('TABLE["kernel"] = 3', 'TABLE["kernel"] = 5', False),
        ("Changed.gain = 1.0", "Changed.gain = 2.0", False),
        ("TABLE.update(more=1)", "TABLE.update(more=2)", False),
        ("print(shape)", "nn.init.zeros_(TABLE)", False),
        ("print(shape)", "setattr(Changed, 'gain', 3)", False),
        ("print(shape)", "print(Changed)", True),
        ("print(shape)", "nn.Module(Changed)", True),
        ("shape = (WIDTH, WIDTH)", "shape = WIDTH", True),
    ],
)
def test_what_changes_a_value_in_place_counts(
    module: Path, before: str, after: str, same: bool
) -> None:
    first = digest("Changed")
    assert CODE.count(before) == 1
    module.write_text(CODE.replace(before, after))
    assert (digest("Changed") == first) is same


def test_a_definition_is_found_where_it_is(module: Path) -> None:
    (there,) = code_digests(["own_networks:SmallCNN"]).values()
    assert digest("Borrowed") == there
    assert digest("Net.forward") == digest("Net") != digest("Other")
    assert digest("shape") != there
    assert code_digests(["math:sqrt", "torch:_C"]) == {}  # which have no source


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is registered in a test is gone after it."""
    monkeypatch.setattr(NETWORKS, "_makers", dict(NETWORKS._makers))
    monkeypatch.setattr(STEMS, "_makers", dict(STEMS._makers))


@pytest.mark.usefixtures("registry")
def test_what_is_registered_is_watched(module: Path, tmp_path: Path) -> None:
    made = imported("changing_networks:Net", "network")
    nasneurn.register_network("small", made)
    nasneurn.register_network("smaller", partial(made, 3))
    nasneurn.register_stem("double", from_function(imported("changing_networks:double", "stem")))
    found = code_digests(["small", "smaller", "double", "digits_convnet", "erm"])
    assert found[f"{KEY}small"] == digest()
    assert found[f"{KEY}double"] == digest("double")
    assert list(found) == [f"{KEY}{name}" for name in ("small", "smaller", "double")]
    nasneurn.register_network("smallest", partial(made, 2))
    assert code_digests(["smallest"])[f"{KEY}smallest"] not in found.values()

    out = tmp_path / "out"
    config = planned(models=["small"], stems=["double"])
    StudyRun(config, out, Execution(device="cpu"))._write_config()
    finish_all(Study(out), config, slice(0, 1))
    module.write_text(CODE.replace("2 * images", "3 * images"))
    with pytest.raises(InputError, match="the code of double is not what it was when the study"):
        StudyRun(config, out, Execution(device="cpu"))


@pytest.mark.usefixtures("registry")
def test_workers_are_not_asked_for_what_they_do_not_know(module: Path, tmp_path: Path) -> None:
    nasneurn.register_network("small", imported("changing_networks:Net", "network"))
    run = StudyRun(planned(models=["small"]), tmp_path / "out", Execution(device="cpu", workers=2))
    with pytest.raises(InputError, match="small is registered in this process alone, and workers"):
        run.run()
    assert not (tmp_path / "out").exists()


def test_of_a_notebook_the_definition_counts() -> None:
    texts = ["class Net:\n    def forward(self, x):\n        return x\n"]
    texts.append(texts[0].replace("return x", "return -x"))
    found = []
    for text in texts:
        name, cell = f"<cell {len(found)}>", dict[str, Any](__name__="no_such_module")
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), cell)
        found.append(_definition(cell["Net"]))
    assert "return -x" in found[1] != found[0]


def planned(**options: Any) -> BenchConfig:
    usual: dict[str, Any] = {
        "models": ["changing_networks:Net"],
        "stems": ["none"],
        "targets": ["print"],
        "seeds": ["2"],
    }
    return tiny_config(**{**usual, **options})


def begin(out: Path, **options: Any) -> StudyRun:
    extended = {"extend": True, "trust_code": True} if options else {}
    run = StudyRun(planned(**options), out, Execution(device="cpu"), **extended)
    run._write_config()
    return run


def test_finished_trainings_hold_to_their_code(module: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    study = Study(out)
    begin(out)
    kept = kept_digests(study.config_path)
    assert kept == {f"{KEY}changing_networks:Net": digest()}

    # A mistake in code by which nothing is finished yet may be mended.
    module.write_text(CODE.replace("WIDTH = 4", "WIDTH = 6"))
    begin(out)
    assert kept_digests(study.config_path) == {f"{KEY}changing_networks:Net": digest()} != kept

    finish_all(study, planned(), slice(0, 1))
    files = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    module.write_text(CODE)
    for options in ({}, {"models": ["digits_convnet"]}):
        with pytest.raises(InputError, match=r"code of changing_networks:Net is not") as told:
            begin(out, **options)
        assert "\n" not in str(told.value)
    assert files == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    # What is added may be new, and no digest is lost by it.
    module.write_text(CODE.replace("WIDTH = 4", "WIDTH = 6"))
    before = digest()
    module.write_text(module.read_text() + "\nclass Third(Other):\n    pass\n")
    sys.modules.pop("changing_networks")
    begin(out, models=["changing_networks:Third"])
    assert set(kept_digests(study.config_path)) == {
        f"{KEY}changing_networks:{name}" for name in ("Net", "Third")
    }
    assert digest() == before


@pytest.mark.slow
def test_weights_and_diagnoses_hold_to_the_code_of_the_training(
    module: Path, tmp_path: Path
) -> None:
    execution = Execution(device="cpu", save_weights=True)
    out = tmp_path / "out"
    StudyRun(planned(), out, execution, trust_code=True).run()
    path = min((out / "weights").glob("*.safetensors"))
    nasneurn.load_model(path, trust_code=True)
    module.write_text(CODE.replace(".mean((2, 3))", ".amax((2, 3))"))
    sys.modules.pop("changing_networks")
    told = "code of changing_networks:Net is not what it was in the training"
    with pytest.raises(InputError, match=f"{path.name}: the {told}"):
        nasneurn.load_model(path, trust_code=True)
    with pytest.raises(InputError, match=told):
        nasneurn.diagnose(out, trust_code=True, device="cpu", corrupted=0)


def test_what_was_begun_with_code_that_is_mended_is_begun_anew(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin(tmp_path / "out")
    first._write_config()
    (unit, *_) = first.config.units(first.study.store.outcomes())
    first.study.state.mkdir(parents=True, exist_ok=True)
    states = [first.study.state / f"{one}.ckpt" for one in (unit.identity, "another")]
    for path in states:
        path.write_bytes(b"half trained")
    monkeypatch.setattr(StudyRun, "_work", lambda *_: None)
    begin(tmp_path / "out").run()
    assert all(path.exists() for path in states)
    module.write_text(CODE.replace("WIDTH = 4", "WIDTH = 5"))
    monkeypatch.delitem(sys.modules, module.stem)
    mended = begin(tmp_path / "out")
    assert all(path.exists() for path in states), "so far it is only planned"
    mended.run()
    assert [path.exists() for path in states] == [False, True]


def test_a_study_of_before_there_were_digests_goes_on(module: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    begin(out)
    path = Study(out).config_path
    path.write_text("".join(line for line in path.open() if KEY not in line))
    finish_all(Study(out), planned(), slice(0, 1))
    module.write_text(CODE.replace("WIDTH = 4", "WIDTH = 6"))
    assert begin(out).config == planned()


@pytest.mark.slow
def test_who_looks_at_a_study_imports_nothing(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    module.write_text(f"{CODE}\nclass Edge(nn.Identity):\n    pass\n")
    config = tiny_config(models=["changing_networks:Net"], stems=["changing_networks:Edge"])
    folder, trap = tmp_path / "study", tmp_path / "trap"
    StudyRun(config, folder, Execution(device="cpu")).run()
    module.write_text(f"open({str(trap)!r}, 'w').close()\nraise ImportError('gone')")
    sys.modules.pop("changing_networks")
    for words in (["status"], ["status", "--watch"], ["figures"]):
        assert run_command(monkeypatch, *words, folder) == 0
        assert not trap.exists()
    assert "1 done, 0 failed; to know what is left takes the code" in capfd.readouterr().out
    (folder / "accuracy.csv").unlink()
    assert "--trust-code" in refusal(monkeypatch, capfd, "figures", folder)
    assert not trap.exists()
    assert "gone" in refusal(monkeypatch, capfd, "figures", folder, "--trust-code")
    assert trap.exists()
