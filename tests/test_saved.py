"""What a training leaves when it is asked to: its answers, and its weights."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from in_process import run_command
from safetensors import safe_open
from safetensors.torch import load, load_file
from tiny_bench import tiny_config
from torch import nn

from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.networks.build import create_network
from nasneurn.report.page import FORMATS
from nasneurn.studies import inputs
from nasneurn.studies.folder import Study
from nasneurn.studies.run import Execution, StudyRun
from nasneurn.studies.saved import (
    predictions_path,
    read_predictions,
    save_predictions,
    save_weights,
    weights_path,
)
from nasneurn.studies.training_unit import Training
from nasneurn.training.evaluation import Answers, accuracy
from nasneurn.training.metrics import metrics


def study_run(out: Path, **execution: bool) -> StudyRun:
    config = tiny_config(changes={"train_images": 200, "epochs": 2})
    return StudyRun(config, out, Execution(device="cpu", **execution))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Study:
    out = tmp_path_factory.mktemp("saved") / "out"
    return study_run(out, save_predictions=True, save_weights=True).run()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, names are text")
def test_a_folder_may_have_a_name_that_is_no_text(
    saved: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "o\udcff"
    shutil.copytree(saved.folder, out)
    for written in (*out.glob("accuracy.*"), *out.glob("*/*.parquet"), *out.glob("weights/*")):
        written.unlink()
    study = study_run(out).run()  # which gathers what is done
    assert study.accuracy.equals(saved.accuracy)
    assert (out / "accuracy.parquet").is_file()
    training = study_run(out).config.units(study.store.outcomes())[0]
    assert isinstance(training, Training)
    answers = Answers(np.eye(3, dtype=np.float32), np.arange(3))
    save_predictions(predictions_path(out, training.identity), {"usps": answers})
    assert study.predictions(training.identity)["label"].tolist() == [0, 1, 2]
    save_weights(weights_path(out, training.identity), nn.Linear(2, 3), training)
    assert set(load(weights_path(out, training.identity).read_bytes())) == {"weight", "bias"}
    for form in FORMATS:
        page = tmp_path / f"p\udcff.{form}"
        assert run_command(monkeypatch, "report", out, "--out", page, "--format", form) == 0
        assert "accuracy" in page.read_text(encoding="utf-8")


def test_rows_can_be_made_from_the_predictions(saved: Study) -> None:
    for training, rows in saved.accuracy.groupby("training"):
        predictions = saved.predictions(str(training))
        assert list(predictions["target"].drop_duplicates()) == list(rows["target"])
        for target, row in rows.set_index("target").iterrows():
            part = predictions[predictions["target"] == target]
            assert part["image"].tolist() == list(range(int(row["n"])))
            found = metrics(Answers(np.stack(part["logits"]), part["label"].to_numpy()))
            assert found.accuracy == row["accuracy"]
            assert found.macro_f1 == pytest.approx(row["macro_f1"], abs=1e-12)
            assert found.nll == pytest.approx(row["nll"], abs=1e-12)
            assert found.ece == pytest.approx(row["ece"], abs=1e-12)


def test_the_classes_add_up_to_the_accuracy(saved: Study) -> None:
    classes = saved.classes
    classes["right"] = classes["n"] * classes["accuracy"]
    sums = classes.groupby(["training", "target"])[["n", "right"]].sum()
    rows = saved.accuracy.set_index(["training", "target"])
    assert sums["n"].to_dict() == rows["n"].to_dict()
    for key, accuracy_there in rows["accuracy"].items():
        assert sums.loc[key, "right"] / sums.loc[key, "n"] == pytest.approx(accuracy_there)


def test_the_weights_give_the_rows_again(saved: Study) -> None:
    suite = load_suite("builtin")
    for training, rows in saved.accuracy.groupby("training"):
        path = weights_path(saved.folder, str(training))
        with safe_open(path, "pt") as file:
            done = Training.model_validate_json(file.metadata()["training"])
        assert done.identity == training
        body, _ = create_network(done.architecture, 10, done.image_size)
        body.load_state_dict(load_file(path))
        cpu = torch.device("cpu")
        stem = inputs.standardized_stem(done.applied_stem, suite, done.sources, done.protocol, cpu)
        network = nn.Sequential(stem, body).eval().to(memory_format=torch.channels_last)
        for row in rows.to_dict(orient="records"):
            part = load_suite("builtin").tested(row["target"], done.sources)
            images = inputs.test_images(suite, row["target"], part, cpu)
            assert accuracy(network, images) == pytest.approx(row["accuracy"], abs=2 / len(images))


@pytest.mark.slow
def test_a_study_that_was_done_says_what_it_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = study_run(tmp_path / "out").run()
    assert not (study.folder / "predictions").exists()
    assert not (study.folder / "weights").exists()
    training = study.accuracy["training"].iloc[0]
    with pytest.raises(InputError, match="no saved predictions"):
        study.predictions(training)
    capsys.readouterr()
    study_run(tmp_path / "out", save_predictions=True).run()
    assert "2 trainings were done before their predictions" in capsys.readouterr().err


@pytest.mark.slow
def test_rows_stay_where_nothing_else_can_be_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "predictions").write_text("a file, and no folder")
    study = study_run(out, save_predictions=True).run()
    assert study.accuracy["training"].nunique() == 2
    told = capsys.readouterr().err
    assert "nasneurn: not saved:" in told
    assert "cannot be written" in told


@pytest.mark.parametrize("content", [b"", b"PAR1 and nothing", b"\0" * 100])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no saved predictions can be read"):
        read_predictions(path)
