"""States of trainings that cannot be written or read: no training ends for them; of supernets."""

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_early_stopping
import torch
from pets import make_pets
from test_changed_images import planned
from test_early_stopping import Stop, StopAt, network

from nasneurn.engines.answers import Failure
from nasneurn.errors import InputError
from nasneurn.studies import train
from nasneurn.studies.bench_config import BenchConfig
from nasneurn.studies.run import Execution, StudyRun
from nasneurn.studies.units import Result
from nasneurn.training.captured import CannotCapture
from nasneurn.training.fit import UnfitState
from search_spaces.checkpointing import TimedCheckpoint, readable_state
from search_spaces.supernet import load_weights, save_supernets


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("state") / "state.ckpt"
    with pytest.raises(Stop):
        test_early_stopping.train(network(), epochs=3, patience=3, callbacks=[StopAt(path, 7)])
    return path.read_bytes()


def test_a_whole_state_is_gone_on_from(state: bytes, tmp_path: Path) -> None:
    path = tmp_path / "state.ckpt"
    path.write_bytes(state)
    assert readable_state(path) == path
    assert path.read_bytes() == state
    assert readable_state(tmp_path / "none.ckpt") is None


@pytest.mark.parametrize(
    "damage", [cut, flipped, lambda content: b"", lambda content: b"\0" * 100, lambda content: b"x"]
)
def test_a_damaged_state_is_told_and_removed(
    state: bytes,
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "state.ckpt"
    path.write_bytes(damage(state))
    assert readable_state(path) is None
    assert not path.exists()
    told = capsys.readouterr().err
    assert "state.ckpt: cannot be read" in told
    assert told.count("\n") == 1


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


def test_no_code_in_a_state_is_run(tmp_path: Path) -> None:
    path, made = tmp_path / "state.ckpt", tmp_path / "made"
    torch.save({"state_dict": Runs(str(made))}, path)
    assert readable_state(path) is None
    assert not made.exists()


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("failed writing file")]
)
def test_a_full_disk_ends_no_training(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    import pytorch_lightning as pl

    whole = test_early_stopping.train(network(), epochs=3, patience=3)

    def full(self: pl.Trainer, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half a state")
        raise error

    monkeypatch.setattr(pl.Trainer, "save_checkpoint", full)
    path = tmp_path / "state" / "one.ckpt"
    selection = test_early_stopping.train(
        network(), epochs=3, patience=3, callbacks=[TimedCheckpoint(path, 0.0)]
    )
    losses = [[row["loss"] for row in one.history] for one in (whole, selection)]
    assert losses[0] == losses[1]
    assert list(path.parent.iterdir()) == []
    assert capsys.readouterr().err.count("cannot be written") == 1


def test_a_state_of_another_network_is_told_as_such(state: bytes, tmp_path: Path) -> None:
    path = tmp_path / "state.ckpt"
    path.write_bytes(state)
    other = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    with pytest.raises(UnfitState):
        test_early_stopping.train(other, epochs=3, patience=3, resume_from=path)


def test_what_does_not_fit_is_given_up_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "one.ckpt"
    path.write_bytes(b"a state")
    given: Any = object()

    def work(training: Any, place: Any, capture: bool) -> Result:
        if path.exists():
            raise UnfitState(path, ValueError("of another version"))
        if capture:
            raise CannotCapture("it waits for the device")
        return Result({"accuracy": []})

    monkeypatch.setattr(train, "_within_memory", work)
    assert train.train_and_measure(given, given).tables == {"accuracy": []}
    path.write_bytes(b"a state")
    monkeypatch.setattr(train, "discard", lambda path, error: None)
    with pytest.raises(UnfitState):
        train.train_and_measure(given, given)


def test_errors_of_input_and_output_pass() -> None:
    assert Failure.of(OSError(28, "No space left on device")).passing
    assert not Failure.of(ValueError("of the work itself")).passing
    told = InputError("cannot be read")
    told.__cause__ = OSError(5, "Input/output error")
    assert Failure.of(told).passing


def test_what_an_input_error_ended_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fresh_cache: Path
) -> None:
    monkeypatch.setattr(BenchConfig, "check", lambda *_: None)
    config = planned(make_pets(tmp_path / "pets"), sources_named=["photo"])
    errors: list[Exception] = [OSError(5, "Input/output error"), ValueError("for good")]

    def work(training: Any, place: Any, capture: bool) -> Result:
        raise errors.pop(0)

    monkeypatch.setattr(train, "_within_memory", work)
    run = StudyRun(config, tmp_path / "out", Execution(device="cpu"))
    (unit,) = config.units(run.study.store.outcomes())
    for left in ([unit.identity], []):
        run.run()
        assert [one.identity for one in run.left(run.study.store.outcomes())] == left
    assert errors == []


def test_of_a_supernet_that_cannot_be_saved_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts: list[Path] = []

    def full(draft: Path, content: bytes) -> None:
        drafts.append(draft)
        draft.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            save_supernets(tmp_path / "a.safetensors", {"a": {"b": torch.zeros(2)}}, {})
    assert len(set(drafts)) == 2, "two processes would write to one"
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, names are text")
def test_a_supernet_in_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "s\udcff" / "a.safetensors"
    path.parent.mkdir()
    save_supernets(path, {"a": {"b": torch.ones(2)}}, {})
    assert load_weights(path, "a")["b"].tolist() == [1, 1]
