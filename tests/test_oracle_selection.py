"""Which pass is measured by each rule of selection, what looks at targets, and who says so."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from breaking_off import Stop, StopAt
from grid_rows import grid_rows, history_rows
from pets import make_pets, save
from rich.console import Console
from safetensors.torch import load_file
from torch import nn

from nasneurn.algorithms import ERM
from nasneurn.analysis.cells import split, varied
from nasneurn.analysis.comparisons import compare
from nasneurn.api import bench_run, search_run
from nasneurn.domains import Split, Suite, load_suite
from nasneurn.errors import InputError
from nasneurn.progress import meter
from nasneurn.questions import diagnose
from nasneurn.report.captions import ORACLE_SELECTION
from nasneurn.report.diagnosis_summary import summary
from nasneurn.report.figures import write_figures
from nasneurn.report.remake import remake
from nasneurn.report.tables import tables
from nasneurn.report.terminal import overall_view
from nasneurn.studies import inputs, train
from nasneurn.studies.folder import Study
from nasneurn.studies.run import Execution, StudyRun
from nasneurn.studies.saved import weights_path
from nasneurn.studies.units import Place
from nasneurn.training import early_stopping
from nasneurn.training.early_stopping import HeldOutSelection, OracleSelection
from nasneurn.training.evaluation import accuracy
from nasneurn.training.fit import fit
from nasneurn.training.images import DeviceImages, ShuffledBatches
from nasneurn.training.protocol import Optimization

CPU = torch.device("cpu")
#: What held-out images of the source, of one target and of another get right after each pass.
SOURCE = [0.2, 0.6, 0.5, 0.6, 0.4, 0.7, 0.1]
ONE = [0.1, 0.2, 0.9, 0.3, 0.9, 0.2, 0.3]
OTHER = [0.5, 0.2, 0.1, 0.4, 0.4, 0.3, 0.6]


class Scripted:
    """Accuracies by a list, and the weights that the network had at each of them."""

    def __init__(self) -> None:
        self.scripts: dict[Any, list[float]] = {"source": SOURCE, "one": ONE, "other": OTHER}
        self.asked: dict[Any, int] = dict.fromkeys(self.scripts, 0)
        self.weights: dict[tuple[Any, int], torch.Tensor] = {}

    def __call__(self, network: nn.Module, images: Any) -> float:
        number = self.asked[images]
        self.asked[images] += 1
        self.weights[images, number] = next(network.parameters()).detach().clone()
        return self.scripts[images][number]


def blobs() -> DeviceImages:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 64)
    images = rng.normal(100 + 40 * labels[:, None, None, None], 60, (64, 4, 4, 3)).clip(0, 255)
    return DeviceImages.of(Split(images.astype(np.uint8), labels.astype(np.int64)), CPU)


def trained(
    monkeypatch: pytest.MonkeyPatch, selection: HeldOutSelection, **options: Any
) -> tuple[nn.Module, Scripted]:
    """Seven passes of two batches, whose accuracies are those of the lists."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    script = options.pop("script", None) or Scripted()
    monkeypatch.setattr(early_stopping, "accuracy", script)
    loader = ShuffledBatches(blobs(), 32, options.pop("count", 14), seed=3)
    callbacks = [selection, *options.pop("callbacks", ())]
    with meter("training", len(loader), shown=False) as progress:
        fit(network, loader, Optimization(1e-2), ERM(), 5, CPU, progress,
            callbacks=callbacks, **options)  # fmt: skip
    return network, script


def first_weight(network: nn.Module) -> torch.Tensor:
    return next(network.parameters())


def held_out(patience: int = 7, *, last: bool = False) -> HeldOutSelection:
    return HeldOutSelection("source", 2, patience, last=last)  # type: ignore[arg-type]


def oracle() -> OracleSelection:
    return OracleSelection("source", 2, {"one": "one", "other": "other"})  # type: ignore[arg-type, dict-item]


# ---------------------------------------------------------------- the rules


@pytest.mark.parametrize(("patience", "passes"), [(7, 7), (1, 3), (2, 4), (3, 5), (4, 7)])
def test_the_best_pass_on_source_images_is_kept(
    monkeypatch: pytest.MonkeyPatch, patience: int, passes: int
) -> None:
    selection = held_out(patience)
    network, script = trained(monkeypatch, selection)
    assert len(selection.history) == passes  # an equal accuracy, of pass 4, is no better one
    best = int(np.argmax(SOURCE[:passes]))
    assert selection.best["epoch"] == best + 1
    assert torch.equal(first_weight(network), script.weights["source", best])
    assert script.asked["one"] == script.asked["other"] == 0


def test_the_last_pass_is_kept_whatever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    selection = held_out(1, last=True)
    network, script = trained(monkeypatch, selection)
    assert selection.best["epoch"] == 7
    assert torch.equal(first_weight(network), script.weights["source", 6])
    assert script.asked["one"] == 0


def test_an_oracle_keeps_a_pass_for_each_target(monkeypatch: pytest.MonkeyPatch) -> None:
    selection = oracle()
    network, script = trained(monkeypatch, selection)
    assert len(selection.history) == 7  # nothing ends it early
    for target, accuracies in (("one", ONE), ("other", OTHER)):
        best = int(np.argmax(accuracies))  # the first of equal ones
        assert selection.best_for(target)["epoch"] == best + 1
        assert selection.best_for(target)["held_out_accuracy"] == SOURCE[best]
        selection.restore(network, target)
        assert torch.equal(first_weight(network), script.weights[target, best])
    assert script.asked == {"source": 7, "one": 7, "other": 7}


def test_an_oracle_takes_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    by_oracle, last = oracle(), held_out(last=True)
    network, _ = trained(monkeypatch, by_oracle)
    other, _ = trained(monkeypatch, last)
    assert torch.equal(first_weight(network), first_weight(other))
    assert [r["loss"] for r in by_oracle.history] == [r["loss"] for r in last.history]


@pytest.mark.parametrize("at", [0, 5, 6, 9, 13])  # in a pass, after one, after the last
def test_an_oracle_goes_on_where_it_was_broken_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, at: int
) -> None:
    whole = oracle()
    network, _ = trained(monkeypatch, whole)
    path, broken = tmp_path / "state.ckpt", Scripted()
    with pytest.raises(Stop):
        trained(monkeypatch, oracle(), callbacks=[StopAt(path, at)], script=broken)
    continued = oracle()
    other, _ = trained(monkeypatch, continued, script=broken, resume_from=path)
    for target in ("one", "other"):
        assert continued.best_for(target)["epoch"] == whole.best_for(target)["epoch"]
        continued.restore(other, target)
        whole.restore(network, target)
        assert torch.equal(first_weight(other), first_weight(network))


@pytest.mark.parametrize("selection", [held_out(), held_out(last=True), oracle()])
def test_steps_that_are_less_than_a_pass_are_one(
    monkeypatch: pytest.MonkeyPatch, selection: HeldOutSelection
) -> None:
    network, script = trained(monkeypatch, selection, count=1)
    assert [record["epoch"] for record in selection.history] == [1]
    assert torch.equal(first_weight(network), script.weights["source", 0])
    assert selection.best_for("one")["epoch"] == 1


# ---------------------------------------------------------------- a study


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_pets(tmp_path_factory.mktemp("oracle") / "zoo")
    for name, colour in (("cat", (90, 90, 10)), ("dog", (10, 90, 90))):
        for row in range(10):
            save(root / "carving" / name / f"{row}.png", colour)
    return root


def planned(zoo: Path, out: Path, selection: str, **options: Any) -> StudyRun:
    changes = {"epochs": 4, "batch_size": 8, "selection": selection, **options.pop("changes", {})}
    usual = {"suite": zoo, "image_size": 16, "sources": "photo+sketch", "seeds": 1}
    execution = Execution(device="cpu", **options.pop("execution", {}))
    return bench_run("digits_convnet", stems="none", changes=changes, out=out,
                     execution=execution, **{**usual, **options})  # fmt: skip


@pytest.mark.parametrize("selection", ["held_out", "last", "oracle"])
def test_only_an_oracle_looks_at_a_target_before_the_end(
    monkeypatch: pytest.MonkeyPatch, zoo: Path, tmp_path: Path, selection: str
) -> None:
    (unit,) = (run := planned(zoo, tmp_path, selection)).config.units(run.study.store.outcomes())
    read: list[str | tuple[str, str]] = []
    plain_images, plain_fit = Suite.images, train.fit

    def images(suite: Suite, domain: str, part: Any) -> Split:
        read.append((domain, part))
        return plain_images(suite, domain, part)

    def fitted(*arguments: Any, **options: Any) -> None:
        plain_fit(*arguments, **options)
        read.append("trained")

    monkeypatch.setattr(Suite, "images", images)
    monkeypatch.setattr(train, "fit", fitted)
    inputs.source_images.cache_clear()
    inputs.test_images.cache_clear()
    inputs.oracle_images.cache_clear()
    unit.work(Place(suite=run.suite.handle, folder=tmp_path, shown=False))
    end = read.index("trained")
    learned = {("photo", "train"), ("sketch", "train")}
    looked = {("carving", "train")} if selection == "oracle" else set()
    assert set(read[:end]) == learned | looked
    part = "test" if selection == "oracle" else "all"
    assert set(read[end + 1 :]) == {("photo", "test"), ("sketch", "test"), ("carving", part)}


@pytest.fixture(scope="module")
def finished(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    out = tmp_path_factory.mktemp("by-oracle") / "out"
    return planned(zoo, out, "oracle", execution={"save_weights": True}).run()


def test_each_target_is_measured_with_the_weights_of_its_pass(finished: Study, zoo: Path) -> None:
    rows = finished.accuracy
    assert set(rows["selection"]) == {"oracle"}
    assert set(rows["epochs"]) == {4}
    assert dict(zip(rows["target"], rows["n"], strict=True)) == dict.fromkeys(
        ["carving", "photo", "sketch"], 4
    )
    history = finished.history.set_index("epoch")["held_out_accuracy"]
    run = planned(zoo, finished.folder, "oracle")
    (training,) = run.config.units(finished.store.outcomes())
    for row in rows.to_dict(orient="records"):
        assert row["held_out_accuracy"] == history[row["best_epoch"]]
        # The weights that it left give its row again.
        body, _ = train.create_network(training.architecture, 2, 16)  # type: ignore[attr-defined]
        body.load_state_dict(
            load_file(weights_path(finished.folder, training.identity, row["target"]))
        )
        stem = inputs.standardized_stem(
            training.stem,
            run.suite,
            ("photo", "sketch"),
            run.config.protocol,
            CPU,  # type: ignore[attr-defined]
        )
        network = nn.Sequential(stem, body).eval()
        images = inputs.test_images(run.suite, row["target"], "test", CPU)
        assert accuracy(network, images) == row["accuracy"]


def test_killed_it_ends_in_the_same_rows(
    monkeypatch: pytest.MonkeyPatch, finished: Study, zoo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(train, "TimedCheckpoint", lambda path, _: StopAt(path, 7))
        with pytest.raises(Stop):
            planned(zoo, out, "oracle").run()
    assert list((out / "state").glob("*.ckpt"))
    study = planned(zoo, out, "oracle").run()
    for table in ("accuracy", "history"):
        one, other = (getattr(each, table).drop(columns=["seconds"]) for each in (study, finished))
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_the_images_that_an_oracle_sees_are_held_out_as_those_of_sources(zoo: Path) -> None:
    handle, protocol = load_suite(zoo, size=16).handle, planned_protocol(zoo)
    seen = inputs.oracle_images(handle.open(), "photo", protocol, CPU)
    _, wanted = inputs.rows_of(handle.open(), "photo", protocol)
    split = handle.open().images("photo", "train").take(wanted)
    assert torch.equal(seen.labels, torch.from_numpy(split.labels))
    pixels = seen.pixels(np.arange(len(seen))).permute(0, 2, 3, 1) * 255
    assert np.array_equal(pixels.round().byte().numpy(), split.images)


def planned_protocol(zoo: Path) -> Any:
    return planned(zoo, Path("nowhere"), "oracle").config.protocol


def test_identity_has_the_images_that_an_oracle_sees(zoo: Path, tmp_path: Path) -> None:
    contents = {
        selection: planned(zoo, tmp_path / selection, selection).config.content
        for selection in ("held_out", "oracle")
    }
    shared = {"train:photo", "train:sketch", "test:photo", "test:sketch"}
    assert set(contents["held_out"]) == shared | {"all:carving"}
    assert set(contents["oracle"]) == shared | {"train:carving", "test:carving"}


# ---------------------------------------------------------------- what is refused


def test_without_images_apart_from_its_tests_a_target_is_refused(zoo: Path, tmp_path: Path) -> None:
    lines = [
        f"{path.relative_to(zoo).as_posix()},{'val' if path.stem in '23' else 'train'}"
        for path in sorted(zoo.rglob("*.*"))
    ]
    splits = tmp_path / "splits.csv"
    splits.write_text("\n".join(["path,split", *lines]) + "\n")
    told = "selection=oracle needs images of carving that are no test images of it"
    with pytest.raises(InputError, match=told):
        planned(zoo, tmp_path / "out", "oracle", splits=splits).run()
    assert not (tmp_path / "out").exists()


def test_a_target_that_has_test_images_alone_is_refused(tmp_path: Path) -> None:
    told = "selection=oracle needs training images of optdigits~.*, which has test images alone"
    with pytest.raises(InputError, match=told):
        planned(Path("builtin+shifts"), tmp_path, "oracle", image_size=None, sources="optdigits",
                targets="all")  # fmt: skip


def test_a_target_with_too_few_images_is_refused(tmp_path: Path) -> None:
    changes = {"drawn": "first", "train_images": 100}
    run = planned(Path("builtin"), tmp_path / "out", "oracle", image_size=None,
                  sources="optdigits", targets="optdigits", changes=changes)  # fmt: skip
    run.config.check(run.suite, [])
    changes["train_images"] = 1200
    run = planned(Path("builtin"), tmp_path / "out", "oracle", image_size=None,
                  sources="print", targets="optdigits", changes=changes)  # fmt: skip
    with pytest.raises(InputError, match=r"optdigits: the first 1200 images are to be fitted"):
        run.run()
    assert not (tmp_path / "out").exists()


def test_no_search_looks_at_targets(tmp_path: Path) -> None:
    pytest.importorskip("nni")
    with pytest.raises(InputError, match="selection=oracle looks at target images, and no search"):
        search_run("spos", stems="none", changes={"selection": "oracle"}, out=tmp_path)


# ---------------------------------------------------------------- who says so


def selected(selection: str, **options: Any) -> pd.DataFrame:
    return grid_rows(architectures=("a", "b"), **options).assign(selection=selection)


def test_every_table_of_an_oracle_says_so(tmp_path: Path) -> None:
    rows = selected("oracle")
    found = tables(rows)
    assert {"accuracy", "overall", "pairs", "ranks", "intervals", "same_domain"} <= set(found)
    for name, table in found.items():
        assert ORACLE_SELECTION in table.caption, name
        assert set(table.frame["selection"]) == {"oracle"}, name
    for table in tables(selected("held_out")).values():
        assert "oracle" not in table.caption
        assert "selection" not in table.frame


@pytest.mark.slow
def test_classes_captions_and_a_diagnosis_of_an_oracle_say_so(
    finished: Study, tmp_path: Path
) -> None:
    assert set(finished.classes["selection"]) == {"oracle"}
    found = diagnose(finished.folder, images=20, corrupted=0, out=tmp_path)
    assert any(ORACLE_SELECTION in line for line in summary(found))
    shutil.copytree(finished.folder, tmp_path / "study")
    remake(Study(tmp_path / "study"))
    for folder in (tmp_path, tmp_path / "study"):
        captions = (folder / "figures" / "captions.txt").read_text().splitlines()
        assert captions
        assert all(ORACLE_SELECTION in line for line in captions)


@pytest.mark.slow
def test_every_figure_of_an_oracle_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from nasneurn.report import figures

    titles: dict[str, str] = {}

    def noted(draw: Any, path: Path, *_: str) -> Path:
        titles[path.stem] = draw().get_suptitle()
        return path

    monkeypatch.setattr(figures, "write_figure", noted)
    both = pd.concat([selected("held_out"), selected("oracle", effect=0.1)])
    write_figures(both, history_rows(both), tmp_path)
    for name in ("overall", "effects", "differences", "ranks"):
        assert ORACLE_SELECTION in titles[f"{name}-oracle"]
        assert "oracle" not in titles[f"{name}-held_out"]


def test_the_terminal_says_so() -> None:
    console = Console(width=80, record=True)
    console.print(overall_view(selected("oracle")))
    assert ORACLE_SELECTION in " ".join(console.export_text().split())
    console.print(overall_view(selected("held_out")))
    assert "oracle" not in console.export_text()


def test_rows_of_different_selection_are_never_averaged() -> None:
    one, other = selected("held_out"), selected("oracle", effect=0.3, seed=1)
    both = pd.concat([one, other])
    table = compare(both).set_index(["selection", "stem"])
    for selection, rows in (("held_out", one), ("oracle", other)):
        alone = compare(rows).set_index("stem")
        for stem in ("neurn", "sobel"):
            got = table.loc[(selection, stem)]
            assert got["difference"] == pytest.approx(alone.loc[stem, "difference"])
    assert [own for own, _ in split(both)] == [{"selection": "held_out"}, {"selection": "oracle"}]


def test_rows_of_before_stand_beside_those_that_name_their_selection() -> None:
    """An extended study: the control was measured before there was the column."""
    rows = grid_rows(architectures=("a", "b"))
    mixed = rows.assign(selection=np.where(rows["stem"] == "none", "", "held_out"))
    assert varied(mixed) == []
    pd.testing.assert_frame_equal(compare(mixed), compare(rows))
