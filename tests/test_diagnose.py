"""``nasneurn diagnose``: end to end, what is missing, and what is refused."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from in_process import refusal, run_command
from shows_itself import check_shown
from tiny_bench import tiny_config
from torch import nn

from nasneurn.api import load_results, read_config
from nasneurn.diagnosis import corruptions, saliency
from nasneurn.diagnosis.activations import logits, seen
from nasneurn.diagnosis.answered import read_answers
from nasneurn.diagnosis.chosen import choose
from nasneurn.diagnosis.diagnose import Diagnosis, diagnose_study
from nasneurn.diagnosis.domain_shift import standardized_difference
from nasneurn.diagnosis.restored import restored, saved_weights
from nasneurn.diagnosis.samples import Samples
from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.questions import diagnose
from nasneurn.report.diagnosis_summary import summary
from nasneurn.report.figure_captions import CAPTIONS
from nasneurn.studies import training_unit
from nasneurn.studies.folder import Study
from nasneurn.studies.run import Execution, StudyRun
from nasneurn.studies.saved import predictions_path, save_predictions
from nasneurn.training.evaluation import Answers

CPU = torch.device("cpu")
#: Of images alone, and of rows.
WITHOUT_SAVED = {
    "calibration", "image_distances", "image_separability", "image_statistics", "spectra",
}  # fmt: skip
OF_PREDICTIONS = {"reliability", "confusions", "rescued", "rescued_images"}
OF_WEIGHTS = {"feature_distances", "feature_separability", "layers"}
OF_CORRUPTIONS = {"corruptions", "corruption_means"}

needs_corruptions = pytest.mark.skipif(
    corruptions.why_missing() is not None, reason=str(corruptions.why_missing())
)
needs_captum = pytest.mark.skipif(not saliency.has_captum(), reason="captum is not installed")


def names(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir()}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two stems, two seeds, and all saved."""
    config = tiny_config(
        models=["digits_convnet"],
        changes={"train_images": 320, "epochs": 3, "shift": 0},
        seeds=["2"],
        targets=["optdigits,street"],
    )
    out = tmp_path_factory.mktemp("studies") / "a study-saved"
    where = Execution(device="cpu", save_predictions=True, save_weights=True)
    return StudyRun(config, out, where).run()


@pytest.fixture(scope="module")
def plain(saved: Study) -> Study:
    """The same study as it is when nothing was saved."""
    folder = saved.folder.with_name("a study")
    shutil.copytree(saved.folder, folder, ignore=shutil.ignore_patterns("predictions", "weights"))
    return load_results(folder)


def tables_of(study: Study, **options: Any) -> Diagnosis:
    """A diagnosis without figures."""
    config = read_config(study.config_path)
    suite = load_suite(config.suite, size=config.image_size)
    return diagnose_study(study, config, suite, CPU, **{"corrupted": 0, "images": 20, **options})


def test_without_anything_saved_the_rest_is_made(plain: Study, tmp_path: Path) -> None:
    found = diagnose(plain.folder, images=40, out=tmp_path / "out", figure_format="svg")
    check_shown(found)
    assert set(found.tables) == WITHOUT_SAVED
    assert names(tmp_path / "out" / "tables") == WITHOUT_SAVED
    assert names(tmp_path / "out" / "figures") == {
        "calibration", "captions", "distances", "separability", "spectra", "statistics",
    }  # fmt: skip
    captions = (tmp_path / "out" / "figures" / "captions.txt").read_text().splitlines()
    assert captions[0] == f"calibration.png: {CAPTIONS['calibration']}"
    assert len(captions) == 5
    copies = {path.stem for path in (tmp_path / "out" / "figures").glob("*.svg")}
    assert copies == {line.partition(".png")[0] for line in captions}
    told = [note for note in found.notes if "4 of 4 trainings have no saved" in note]
    assert len(told) == 2
    assert all("--save-predictions --save-weights --out" in note for note in told)


def test_the_command_that_saves_is_of_the_same_study(
    plain: Study, saved: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    note = next(one for one in tables_of(plain).notes if "weights" in one)
    words = shlex.split(note.partition("they are made by: ")[2])
    assert words[0] == "nasneurn"
    assert words[-1] == str(saved.folder)
    monkeypatch.setattr(training_unit.Training, "work", None)  # all are done there
    assert run_command(monkeypatch, *words[1:], "--device", "cpu") == 0
    assert "were done before" not in capsys.readouterr().err


def test_everything_of_a_study_that_saved_all(
    saved: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    words = ["diagnose", str(saved.folder), "--images", "40", "--out", str(out), "--corrupted"]
    asked = "2" if corruptions.why_missing() is None else "0"
    assert run_command(monkeypatch, *words, asked) == 0
    told = capsys.readouterr().out
    assert "distance of source and target in features" in told
    assert "are rescued" in told
    assert "no saved" not in told
    expected = WITHOUT_SAVED | OF_PREDICTIONS | OF_WEIGHTS
    figures = {
        "calibration", "distances", "separability", "spectra", "statistics", "rescued",
        "confusions-optdigits", "layers-optdigits", "reliability-optdigits",
        "images-optdigits-street-neurn",
    }  # fmt: skip
    if asked == "2":
        assert "over all corruptions" in told
        expected |= OF_CORRUPTIONS
        figures.add("corruptions-optdigits")
    assert names(out / "tables") == expected
    assert names(out / "figures") >= figures
    features = pd.read_csv(out / "tables" / "feature_distances.csv")
    assert set(features["stem"]) == {"none", "neurn"}
    assert set(features["seeds"]) == {2}
    layers = pd.read_csv(out / "tables" / "layers.csv")
    assert set(layers["stem"]) == {"neurn", "none, another seed"}
    assert layers["mean"].between(0, 1 + 1e-9).all()


def test_tables_of_answers_are_those_of_the_predictions(saved: Study) -> None:
    found = read_answers(saved, choose(saved.accuracy), load_suite("builtin").classes)
    rows = saved.accuracy
    for target in ("optdigits", "street"):
        right: dict[str, list[Any]] = {"none": [], "neurn": []}
        for row in rows[rows["target"] == target].to_dict(orient="records"):
            part = saved.predictions(row["training"]).query(f"target == {target!r}")
            answers = np.stack(part["logits"]).argmax(axis=1)
            right[row["stem"]].append(answers == part["label"].to_numpy())
        counts = found.tables["rescued"].set_index("target").loc[target]
        both = {stem: np.sum(parts, axis=0) for stem, parts in right.items()}
        assert counts["rescued"] == ((both["none"] == 0) & (both["neurn"] == 2)).sum()
        assert counts["lost"] == ((both["none"] == 2) & (both["neurn"] == 0)).sum()
        cells = found.tables["confusions"].query(f"target == {target!r} and label == answer")
        for stem, parts in right.items():
            assert cells.query(f"stem == {stem!r}")["images"].sum() == np.sum(parts)
    images = found.tables["rescued_images"]
    assert len(images) == found.tables["rescued"][["rescued", "lost"]].to_numpy().sum()


def test_a_restored_network_answers_as_the_training_did(saved: Study) -> None:
    suite = load_suite("builtin")
    images = np.asarray(suite.images("street", "test").images)[:30]
    for training in saved.accuracy["training"].unique():
        path = saved_weights(saved.folder, training, "street")
        assert path is not None
        network = restored(path, suite, CPU)
        before = saved.predictions(training).query("target == 'street' and image < 30")
        answers = logits(network, images, CPU)
        assert answers == pytest.approx(np.stack(before["logits"]), abs=1e-4)
        inside = seen(network, images, 10, CPU)
        head = [one for one in network.modules() if isinstance(one, nn.Linear)][-1]
        again = head(torch.from_numpy(inside.features)).detach().numpy()
        assert again == pytest.approx(answers, abs=1e-4)
        assert len(inside.layers) == 5
        assert [*inside.layers.values()][-1] == pytest.approx(answers, abs=1e-4)


@needs_corruptions
def test_severity_0_is_the_accuracy_of_the_same_images(saved: Study) -> None:
    samples = Samples(load_suite("builtin"), protocol_of(saved), 8)
    found = corruptions.robustness(saved.folder, choose(saved.accuracy), samples, 8, CPU)
    table, means = found.tables["corruptions"], found.tables["corruption_means"]
    assert set(table["severity"]) == set(range(6))
    assert table["corruption"].nunique() == 16
    split = samples.source("optdigits")
    for stem in ("none", "neurn"):
        own = saved.accuracy.query(f"stem == {stem!r}").drop_duplicates("training")
        right = []
        for training in own["training"]:
            path = saved_weights(saved.folder, training, "optdigits")
            assert path is not None
            network = restored(path, load_suite("builtin"), CPU)
            answers = logits(network, np.asarray(split.images), CPU).argmax(axis=1)
            right.append((answers == split.labels).mean())
        clean = table.query(f"stem == {stem!r} and severity == 0")
        assert clean["mean"].item() == pytest.approx(np.mean(right))
        hard = table.query(f"stem == {stem!r} and severity > 0")
        whole = means.query(f"stem == {stem!r} and corruption == 'all'")
        assert whole["mean"].item() == pytest.approx(hard["mean"].mean())


def protocol_of(study: Study) -> Any:
    return read_config(study.config_path).protocol


# ---------------------------------------------------------------- planted answers


def planted(folder: Path, right: dict[str, list[list[int]]]) -> pd.DataFrame:
    """Predictions for each stem and seed, and the rows that go with them."""
    rows = []
    for stem, seeds in right.items():
        for seed, hits in enumerate(seeds):
            labels = np.arange(len(hits)) % 3
            answers = np.where(np.array(hits) == 1, labels, (labels + 1) % 3)
            given = Answers(np.eye(3, dtype=np.float32)[answers], labels)
            name = f"{stem}{seed}"
            save_predictions(predictions_path(folder, name), {"far": given})
            rows.append(
                {
                    "training": name, "architecture": "net", "stem": stem, "applied_stem": stem,
                    "source": "near", "target": "far", "seed": seed,
                    "accuracy": float(np.mean(hits)), "n": len(hits),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_planted_images_are_found_rescued_and_lost(tmp_path: Path) -> None:
    # Images 0 to 6 are rescued, 7 to 9 lost, 10 is right in one seed of each, 11 always wrong.
    none = [[0] * 7 + [1] * 3 + [1, 0], [0] * 7 + [1] * 3 + [0, 0]]
    neurn = [[1] * 7 + [0] * 3 + [0, 0], [1] * 7 + [0] * 3 + [1, 0]]
    rows = planted(tmp_path, {"none": none, "neurn": neurn})
    found = read_answers(Study(tmp_path), choose(rows), ("a", "b", "c"))
    counts = found.tables["rescued"].iloc[0]
    assert (counts["rescued"], counts["lost"], counts["n"]) == (7, 3, 12)
    images = found.tables["rescued_images"].set_index("kind")["image"]
    assert images["rescued"].tolist() == list(range(7))
    assert images["lost"].tolist() == [7, 8, 9]
    cells = found.tables["confusions"].query("stem == 'neurn' and label == 'a'")
    assert cells.set_index("answer")["images"].to_dict() == {"a": 6, "b": 2, "c": 0}


def test_every_placement_is_beside_the_trainings_without_a_stem(tmp_path: Path) -> None:
    none, neurn, mixed = [[0, 0, 1, 1]], [[1, 0, 1, 0]], [[1, 1, 1, 1]]
    front = planted(tmp_path, {"none": none, "neurn": neurn})
    mix = planted(tmp_path / "elsewhere", {"neurn": mixed}).assign(training="mixed")
    source = predictions_path(tmp_path / "elsewhere", "neurn0")
    source.rename(predictions_path(tmp_path, "mixed"))
    rows = pd.concat([front.assign(placement="front"), mix.assign(placement="mix")])
    chosen = choose(rows.reset_index(drop=True))
    found = read_answers(Study(tmp_path), chosen, ("a", "b", "c"))
    counts = found.tables["rescued"].set_index("placement")[["rescued", "lost"]]
    assert counts.to_dict(orient="index") == {
        "front": {"rescued": 1, "lost": 1}, "mix": {"rescued": 2, "lost": 0},
    }  # fmt: skip
    predictions_path(tmp_path, "none0").unlink()
    assert read_answers(Study(tmp_path), chosen, ("a", "b", "c")).lacking == 1


@pytest.mark.parametrize(
    ("logits", "told"),
    [
        (np.zeros((3, 2)), "logits of 2 classes, and the study has 3"),
        (np.full((3, 3), np.nan), "logits that are not finite"),
        (np.zeros((2, 3)), "2 images, and 3 were measured"),
    ],
)
def test_predictions_that_are_not_those_of_their_training_are_refused(
    tmp_path: Path, logits: np.ndarray, told: str
) -> None:
    rows = planted(tmp_path, {"none": [[1, 1, 1]]})
    path = predictions_path(tmp_path, "none0")
    given = Answers(logits.astype(np.float32), np.arange(len(logits)))
    save_predictions(path, {"far": given})
    with pytest.raises(InputError) as raised:
        read_answers(Study(tmp_path), choose(rows), ("a", "b", "c"))
    assert str(raised.value).startswith(f"{path}, far: {told}; remove the file")


def test_seeds_that_only_one_stem_has_are_no_pairs(tmp_path: Path) -> None:
    rows = planted(tmp_path, {"none": [[0, 0, 1]], "neurn": [[1, 0, 0], [0, 0, 0]]})
    found = read_answers(Study(tmp_path), choose(rows), ("a", "b", "c"))
    counts = found.tables["rescued"].iloc[0]
    assert (counts["seeds"], counts["rescued"], counts["lost"]) == (1, 1, 1)
    predictions_path(tmp_path, "none0").unlink()
    found = read_answers(Study(tmp_path), choose(rows), ("a", "b", "c"))
    assert "rescued" not in found.tables
    assert found.lacking == 1


def test_standardized_differences() -> None:
    x, y = np.array([0.0, 2.0, np.nan]), np.array([3.0, 5.0])
    assert standardized_difference(x, y) == pytest.approx(3 / np.sqrt(2))
    assert standardized_difference(np.ones(3), np.ones(3)) == 0
    assert np.isnan(standardized_difference(np.ones(3), np.zeros(3)))
    assert np.isnan(standardized_difference(np.ones(1), np.zeros(3)))


# ---------------------------------------------------------------- samples, saliency, corruptions


def test_no_image_is_in_two_samples(saved: Study) -> None:
    suite = load_suite("builtin")
    samples = Samples(suite, protocol_of(saved), 100)
    for source in ("optdigits", "optdigits+street"):
        first = samples.source(source)
        assert len(first) == 100
        for target in ("optdigits", "street"):
            second = samples.target(source, target)
            if target in source:
                seen_before = {image.tobytes() for image in np.asarray(first.images)}
                assert not seen_before & {image.tobytes() for image in np.asarray(second.images)}
    again = Samples(suite, protocol_of(saved), 100).source("optdigits")
    assert (np.asarray(again.images) == np.asarray(samples.source("optdigits").images)).all()
    whole = Samples(suite, protocol_of(saved), 10**6)
    halves = len(whole.source("street")) + len(whole.target("street", "street"))
    assert halves == len(suite.labels("street", "test"))
    assert samples.target("print", "street") is samples.target("optdigits", "street")


@needs_captum
def test_saliency_is_complete_also_after_a_stem_without_contrast() -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5)).eval()
    stem = nn.InstanceNorm2d(3)
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    labels = np.array([0, 4, 2, 1])
    found = saliency.saliency(nn.Sequential(stem, body), images, labels, CPU)
    assert found.shape == (4, 8, 8)
    answers = logits(nn.Sequential(stem, body), images, CPU)
    at_0 = body(torch.zeros(1, 3, 8, 8)).detach().numpy()
    expected = (answers - at_0)[np.arange(4), labels]
    assert found.sum(axis=(1, 2)) == pytest.approx(expected, abs=1e-4)


@needs_corruptions
def test_corruptions_are_functions_of_their_seed() -> None:
    image = np.asarray(load_suite("builtin").images("street", "test").images[:1])[0]
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    for kind, listed in corruptions.CORRUPTIONS.items():
        for name in listed:
            first = corruptions.corrupted(image, name, 3, seed=1)
            assert first.shape == image.shape
            assert first.dtype == np.uint8
            assert (first == corruptions.corrupted(image, name, 3, seed=1)).all(), name
            assert not (first == image).all()
            if kind == "noise":
                assert not (first == corruptions.corrupted(image, name, 3, seed=2)).all()
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    errors = [
        np.square(corruptions.corrupted(image, "gaussian_noise", one, 0).astype(float) - image)
        for one in corruptions.SEVERITIES
    ]
    assert np.all(np.diff([error.mean() for error in errors]) > 0)


def test_missing_packages_are_told(saved: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    monkeypatch.setitem(sys.modules, "captum", None)
    found = tables_of(saved, corrupted=2, pairs=["optdigits:street"])
    assert sum("pip install 'nasneurn[diagnose]'" in note for note in found.notes) == 2
    assert not OF_CORRUPTIONS & set(found.tables)
    assert all(one.before is None for sheet in found.sheets for one in sheet.examples)
    assert found.tables["image_distances"]["target"].unique().tolist() == ["street"]


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--stems", "sobel"], "stem 'sobel' is not in the study; it has none, neurn"),
        (["--pairs", "street:optdigits"], "it has optdigits:optdigits, optdigits:street"),
        (["--pairs", "optdigits"], "pair 'optdigits' is not in the study"),
        (["--images", "3"], "images is 3, must be a whole number, 20 or more"),
        (["--corrupted", "-1"], "corrupted is -1, must be a whole number, 0"),
        (["--device", "tpu"], "device is 'tpu'"),
    ],
)
def test_what_is_not_there_is_refused(
    plain: Study,
    options: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert told in refusal(monkeypatch, capfd, "diagnose", plain.folder, *options)


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no study"):
        diagnose(tmp_path)


def test_a_study_without_rows_is_refused(plain: Study) -> None:
    with pytest.raises(InputError, match="no training of the study"):
        choose(plain.accuracy.iloc[:0])


def test_one_stem_alone_has_nothing_to_compare_with(plain: Study) -> None:
    rows = plain.accuracy
    only = choose(rows[rows["stem"] == "neurn"])
    assert only.others == ()
    assert choose(rows).others == ("neurn",)
    assert choose(rows, stems=["neurn"]).stems == ("none", "neurn")


def test_other_images_than_the_studys_are_refused(plain: Study, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    text = plain.config_path.read_text()
    digest = load_suite("builtin").digest("street", "test")
    (changed / "config.yaml").write_text(text.replace(digest, "f" * 16))
    (changed / "accuracy.csv").write_text(plain.table_path("accuracy").read_text())
    with pytest.raises(InputError, match="test images of street are not those"):
        diagnose(changed)


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x08" + b"\0" * 7 + b"{}      "])
def test_files_that_hold_no_weights_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no saved weights can be read"):
        restored(path, load_suite("builtin"), CPU)


def test_the_summary_says_what_is_missing(plain: Study) -> None:
    lines = summary(tables_of(plain))
    assert lines[0].startswith("neurn: distance of source and target in images")
    assert any("have no saved weights" in line for line in lines)


def test_the_summary_leaves_out_what_a_stem_has_not(plain: Study) -> None:
    found = tables_of(plain)
    calibration = found.tables["calibration"]
    found.tables["calibration"] = calibration[calibration["stem"] == "none"]
    told = " ".join(summary(found))
    assert "neurn: distance of source" in told
    assert "nan" not in told
    assert "calibration error" not in told
