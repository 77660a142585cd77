"""A grid from end to end, on a budget of seconds: rows, resuming, failures, refusals."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny_bench
import torch
from breaking_off import kill_at_step
from in_process import run_command
from killing import SEEDS, kill_two_at_random, kill_when, units_done
from one_thread import one_thread
from tiny_bench import tiny_config

from nasneurn.api import finish, run_config
from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.report.remake import remake
from nasneurn.rows import ACCURACY
from nasneurn.stems import STEMS, create_stem, register_stem
from nasneurn.studies import inputs, train
from nasneurn.studies.bench_config import BenchConfig
from nasneurn.studies.folder import Study
from nasneurn.studies.run import Execution, StudyRun
from nasneurn.studies.standing import progress_of
from nasneurn.studies.units import Place
from nasneurn.training.protocol import BUDGETS

SCRIPT = Path(__file__).with_name("tiny_bench.py")
#: What is another in each run of the same training, or when a run changes the tests' checkout.
CLOCK = ["seconds", "commit"]
#: A digest of no images; of digits alone it would be a number in YAML.
OTHER_DIGEST = "f" * 16


def study_run(config: BenchConfig, out: Path, **options: Any) -> StudyRun:
    extend = options.pop("extend", False)
    return StudyRun(config, out, Execution(device="cpu", **options), extend=extend)


def run(out: Path, *arguments: str) -> Study:
    # Not in a checkout: Ray's workers would import it in place of what is installed.
    command = [sys.executable, str(SCRIPT), str(out), *arguments]
    subprocess.run(command, check=True, cwd=out.parent)
    return Study(out)


def same_results(one: Study, other: Study) -> None:
    """Equal rows, and equal losses to the last bit in every epoch."""
    for table in ("accuracy", "history"):
        first, second = (
            getattr(study, table).drop(columns=CLOCK, errors="ignore") for study in (one, other)
        )
        pd.testing.assert_frame_equal(first, second, check_exact=True)


def run_here(out: Path, seeds: str = "1") -> Study:
    """The same in this process."""
    with one_thread():
        return study_run(tiny_config(seeds=[seeds]), out).run()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A grid that was never interrupted, in a process of its own."""
    study = run(tmp_path_factory.mktemp("finished") / "out")
    remake(study)
    return study


def test_one_training_gives_a_row_for_every_target(finished: Study) -> None:
    table = finished.accuracy
    stored = pd.read_parquet(finished.folder / "accuracy.parquet")
    pd.testing.assert_frame_equal(stored, table, check_dtype=False)
    assert list(table.columns) == list(ACCURACY)
    assert table["mix_weight"].isna().all()  # no placement here learns one
    assert not table.drop(columns="mix_weight").isna().any().any()
    assert not (table.astype(str) == "").any().any()
    suite = load_suite("builtin")
    assert list(table["target"]) == 2 * list(suite.domains)
    assert list(table["stem"]) == 4 * ["none"] + 4 * ["neurn"]
    assert table["training"].nunique() == 2
    for _, row in table.iterrows():
        assert row["n"] == len(suite.labels(row["target"], "test"))
        correct = row["accuracy"] * row["n"]
        assert correct == pytest.approx(round(correct), abs=1e-6)
    history = finished.history
    for training, epochs in history.groupby("training"):
        row = table[table["training"] == training].iloc[0]
        assert len(epochs) == row["epochs"]
        assert epochs["held_out_accuracy"].max() == row["held_out_accuracy"]
        best = epochs.set_index("epoch")["held_out_accuracy"].idxmax()
        assert best == row["best_epoch"]


def test_rows_tell_the_scaling_of_what_leaves_the_stem(finished: Study) -> None:
    """The mean and deviation of the source's training images after the stem, by NumPy."""
    suite = load_suite("builtin")
    fit, _ = inputs.rows_of(suite, "optdigits", tiny_config().protocol)
    pixels = suite.images("optdigits", "train").images[fit] / 255
    rows = finished.accuracy.set_index("stem")
    first = rows.loc["none"].iloc[0]
    assert first["scaling"] == "source"
    assert [float(one) for one in first["input_mean"].split("/")] == pytest.approx(
        pixels.mean((0, 1, 2)), rel=1e-3
    )
    assert [float(one) for one in first["input_std"].split("/")] == pytest.approx(
        pixels.std((0, 1, 2)), rel=1e-3
    )
    assert rows.loc["neurn"].iloc[0]["input_mean"] != first["input_mean"]


def test_tables_and_figures_are_written(finished: Study) -> None:
    figures = sorted((finished.folder / "figures").glob("*.png"))
    assert figures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)
    assert list((finished.folder / "tables").glob("*.csv"))
    assert list((finished.folder / "tables").glob("*.tex"))
    assert not list(finished.state.glob("*.ckpt"))


def test_a_finished_grid_is_not_trained_again(finished: Study) -> None:
    before = finished.accuracy
    again = study_run(tiny_config(), finished.folder)
    assert again.left(finished.store.outcomes()) == []
    again.run()
    pd.testing.assert_frame_equal(finished.accuracy, before)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["in the first training", "between two trainings"])
def test_killed_it_ends_in_the_same_rows(finished: Study, tmp_path: Path, moment: str) -> None:
    out = tmp_path / "out"
    first, second = (unit.identity for unit in tiny_config().units(finished.store.outcomes()))
    awaited = {"in the first training": first, "between two trainings": second}[moment]
    command = [sys.executable, str(SCRIPT), str(out)]
    kill_when(command, (out / "state" / f"{awaited}.ckpt").exists)
    same_results(run_here(out), finished)


@pytest.mark.slow
def test_two_processes_killed_at_random_do_each_training_once(tmp_path: Path) -> None:
    """Both work on one folder, and both are killed, again and again."""
    out = tmp_path / "out"
    kill_two_at_random(tiny_bench.run, (str(out), "here", "1", str(SEEDS)), out, seed=0)
    study = run_here(out, str(SEEDS))
    same_results(study, run_here(tmp_path / "whole", str(SEEDS)))
    done = units_done(out)
    assert len(done) == len(set(done)) == 2 * SEEDS


@pytest.mark.slow
def test_local_workers_give_the_same_rows(finished: Study, tmp_path: Path) -> None:
    same_results(run(tmp_path / "out", "local", "2"), finished)


@pytest.mark.slow
def test_ray_gives_the_same_rows(finished: Study, tmp_path: Path) -> None:
    same_results(run(tmp_path / "out", "ray", "2"), finished)


def broken_stem(real: Any) -> Any:
    """NeuRN that makes every image NaN; all other stems as they are."""

    def create(choice: Any, **options: object) -> torch.nn.Module:
        if choice.name == "neurn":
            return torch.nn.Threshold(2.0, float("nan"))  # every pixel is below 2
        return real(choice, **options)  # type: ignore[no-any-return]

    return create


@pytest.mark.slow
def test_a_failing_training_is_recorded_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = study_run(tiny_config(), tmp_path)
    monkeypatch.setattr(BenchConfig, "check", lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(STEMS, "create", broken_stem(STEMS.create))
        grid.run()
    study = grid.study
    assert set(study.accuracy["stem"]) == {"none"}
    assert list(study.failures["stem"]) == ["neurn"]
    assert "the loss is no longer finite" in study.failures["error"][0]
    (record,) = study.store.outcomes().failed.values()
    assert "Traceback" in record["details"]
    inputs._measured_statistics.cache_clear()  # those of the broken stem
    assert grid.left(study.store.outcomes()) == []
    again = study_run(tiny_config(), tmp_path, retry_failed=True)
    assert len(again.left(study.store.outcomes())) == 1
    again.run()
    assert set(study.accuracy["stem"]) == {"none", "neurn"}
    assert study.failures.empty


@pytest.mark.slow
def test_out_of_memory_halves_the_batch_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = train.fit
    most = 16

    def small_machine(network: torch.nn.Module, loader: Any, *rest: Any, **options: Any) -> None:
        images, _ = next(iter(loader))
        loader.load_state_dict({"next": 0})
        if len(images) > most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")
        real(network, loader, *rest, **options)

    config = tiny_config(stems=["none"])
    whole = study_run(config, tmp_path / "whole").run()
    monkeypatch.setattr(train, "fit", small_machine)
    halved = study_run(config, tmp_path / "halved").run()
    assert set(halved.accuracy["batch"]) == {"16 x 2"}
    assert "out of memory with batches of 32" in capsys.readouterr().err
    # The history records the loss of whole batches, not half of it.
    assert halved.history["loss"][0] == pytest.approx(whole.history["loss"][0], rel=0.2)
    most = 8
    failed = study_run(config, tmp_path / "failed").run()
    assert failed.accuracy.empty
    assert "can't allocate memory" in failed.failures["error"][0]


@pytest.mark.slow
def test_a_training_of_halved_batches_is_gone_on_with_as_it_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, config = train.fit, tiny_config(stems=["none"])

    def small_machine(network: torch.nn.Module, loader: Any, *rest: Any, **options: Any) -> None:
        if options["accumulate_grad_batches"] == 1:
            raise MemoryError
        real(network, loader, *rest, **options)

    monkeypatch.setattr(train, "fit", small_machine)
    whole = study_run(config, tmp_path / "whole").run()
    with monkeypatch.context() as patched:
        kill_at_step(patched, 11)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            study_run(config, tmp_path / "again").run()
    monkeypatch.setattr(train, "fit", real)  # there is memory now
    again = study_run(config, tmp_path / "again").run()
    assert set(again.accuracy["batch"]) == {"16 x 2"}
    same_results(again, whole)


def test_two_processes_share_one_folder(finished: Study, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(SCRIPT), str(out)]
    both = [subprocess.Popen(command) for _ in range(2)]
    codes = [process.wait(timeout=300) for process in both]
    assert 0 in codes
    study = run_here(out)
    same_results(study, finished)
    done = units_done(out)
    assert len(done) == len(set(done)) == 2


def test_identity_is_of_what_decides_the_result(finished: Study) -> None:
    def identities(**options: Any) -> list[str]:
        units = tiny_config(**options).units(finished.store.outcomes())
        return [unit.identity for unit in units]

    first, second = identities()
    assert first != second
    assert identities() == [first, second]
    for changes in (
        {"seeds": ["1,"]},
        {"precision": "bf16"},
        {"changes": {"shift": 0}},
        {"changes": {"scaling": "none"}},
        {"models": ["digits_convnet"]},
    ):
        assert first not in identities(**changes)
    # Options at their defaults are the same stem, however they are written.
    assert identities(stems=["none,neurn:k=3,border=reflect"]) == [first, second]
    # What the trainings are called does not count, nor which others there are.
    assert first in identities(sources_named=["optdigits,print"], seeds=["3"])


def test_identity_does_not_hang_on_files_that_no_training_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a domain that is no source, the training images do not count and may be missing."""
    rng = np.random.default_rng(0)
    for domain in ("mnist", "mnistm", "svhn", "usps"):
        for part in ("train", "test"):
            if (domain, part) != ("usps", "train"):
                np.savez_compressed(
                    tmp_path / f"{domain}_{part}.npz",
                    images=rng.integers(0, 256, (40, 16, 16), dtype=np.uint8),
                    labels=np.arange(40) % 10,
                )
    options: dict[str, Any] = {
        "suite": "digits", "data_dir": tmp_path, "sources_named": ["mnist"],
        "changes": {"batch_size": 8},
    }  # fmt: skip
    (unit, _) = tiny_config(**options).units(Study(tmp_path).store.outcomes())
    np.savez_compressed(
        tmp_path / "usps_train.npz",
        images=np.zeros((40, 16, 16), np.uint8), labels=np.arange(40) % 10,
    )  # fmt: skip
    (with_file, _) = tiny_config(**options).units(Study(tmp_path).store.outcomes())
    assert with_file.identity == unit.identity
    np.savez_compressed(
        tmp_path / "usps_test.npz",
        images=np.ones((40, 16, 16), np.uint8), labels=np.arange(40) % 10,
    )  # fmt: skip
    (other_test, _) = tiny_config(**options).units(Study(tmp_path).store.outcomes())
    assert other_test.identity != unit.identity


def test_the_configuration_runs_again(finished: Study) -> None:
    assert BenchConfig.read(finished.config_path) == tiny_config()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"changes": {"batch_size": 5000}}, "batch_size 5000 is larger than the 340 training"),
        ({"models": ["own_networks:Failing"]}, "own_networks:Failing cannot take images"),
        ({"models": ["own_networks:Maps"]}, "must give logits"),
        ({"stems": ["own_stems:blow_up"]}, "own_stems:blow_up|finite"),
        ({"stems": ["own_stems:Halved"]}, "both must be kept"),
    ],
)
def test_what_cannot_run_is_told_before_the_first_training(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        study_run(tiny_config(**options), tmp_path / "out").run()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sources_named": ["mars"]}, "source 'mars' is not a domain of builtin"),
        ({"targets": ["mars"]}, "target 'mars' is not a domain of builtin"),
        ({"sources_named": ["print+print"]}, "names a domain twice"),
        ({"stems": ["neurm"]}, "did you mean 'neurn'"),
        ({"stems": [","]}, "no stem; name one"),
        ({"algorithms": ["erm2"]}, "did you mean 'erm'"),
        ({"budget": "quik"}, "did you mean 'quick'"),
        ({"precision": "16"}, "precision is '16'"),
        ({"models": ["resnet81"]}, "resnet81"),
        ({"seeds": ["0"]}, "seeds are '0'"),
        ({"seeds": ["a,b"]}, "seeds are 'a,b'"),
        ({"seeds": ["1001"]}, "at most 1,000"),
        ({"changes": {"epoch": 3}}, "did you mean 'epochs'"),
        ({"changes": {"epochs": -1}}, "epochs is -1"),
        ({"changes": {"learning_rate": float("nan")}}, "learning_rate is nan"),
        ({"changes": {"scaling": "imagenet"}}, "scaling is 'imagenet'"),
    ],
)
def test_options_that_cannot_be_used_are_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        tiny_config(**options)
    assert "\n" not in str(error.value)


def test_another_grid_in_the_same_folder_is_refused(finished: Study) -> None:
    with pytest.raises(InputError, match=r"seeds: \[0\] -> \[0, 1\]"):
        study_run(tiny_config(seeds=["2"]), finished.folder)
    with pytest.raises(InputError, match=r"stems: \[none.*\] -> \[neurn:k=5\]"):
        study_run(tiny_config(stems=["neurn:k=5"]), finished.folder)


def test_a_grid_grows_and_keeps_what_it_has(finished: Study, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    register_stem("own_sobel", lambda: create_stem("sobel"))
    grid = study_run(tiny_config(stems=["own_sobel,none"]), tmp_path / "out", extend=True)
    left = [unit.title for unit in grid.left(grid.study.store.outcomes())]
    assert left == ["lcnet_050, own_sobel, optdigits, seed 0"]
    stems = ["none", "neurn", "own_sobel"]
    assert [str(stem) for stem in grid.config.stems] == stems
    study = finish(grid)
    table = study.accuracy
    assert list(dict.fromkeys(table["stem"])) == stems
    pd.testing.assert_frame_equal(table[table["stem"] != "own_sobel"], finished.accuracy)
    assert BenchConfig.read(study.config_path) == grid.config
    # All that is made of the rows shows every stem.
    overall = pd.read_csv(study.folder / "tables" / "overall.csv")
    assert list(overall["stem"]) == stems[1:]  # each against none


def test_a_grid_grows_by_what_is_named_and_no_more(finished: Study, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    more = {"stems": ["sobel"], "algorithms": ["erm,ema"], "seeds": ["0,3"]}
    grid = study_run(tiny_config(**more), tmp_path / "out", extend=True)
    left = [unit.title for unit in grid.left(grid.study.store.outcomes())]
    assert left == [
        "lcnet_050, sobel, optdigits, seed 0",
        "lcnet_050, sobel, ema, optdigits, seed 0",
        "lcnet_050, sobel, optdigits, seed 3",
        "lcnet_050, sobel, ema, optdigits, seed 3",
    ]
    grid.config.write(tmp_path / "config.yaml", {})
    assert BenchConfig.read(tmp_path / "config.yaml") == grid.config
    # What is there already adds nothing, and what makes a product of two grids joins them.
    assert grid.config.added_to(grid.config) == grid.config
    assert tiny_config(stems=["none"]).added_to(grid.config) == grid.config
    assert len(tiny_config(**{**more, "stems": ["grey"]}).added_to(grid.config).further) == 1


def test_a_smaller_grid_that_runs_on_takes_nothing_back(finished: Study, tmp_path: Path) -> None:
    """Processes that began before a study was extended, and two that extend it at once."""
    shutil.copytree(finished.folder, tmp_path / "out")
    older = study_run(tiny_config(), tmp_path / "out")
    first, second = (
        study_run(tiny_config(stems=[stem]), tmp_path / "out", extend=True)
        for stem in ("sobel", "grey")
    )
    first.run()
    older.run()
    stems = ["none", "neurn", "sobel"]
    assert list(dict.fromkeys(older.study.accuracy["stem"])) == stems
    second.run()
    first.run()
    assert list(dict.fromkeys(older.study.accuracy["stem"])) == [*stems, "grey"]


def test_the_order_of_what_is_asked_for_makes_no_other_study(
    finished: Study, tmp_path: Path
) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    config = tiny_config(stems=["neurn", "none"])
    run = study_run(config, tmp_path / "out")
    assert run.config.stems == tiny_config().stems
    assert run.left(run.study.store.outcomes()) == []


def test_another_version_of_a_library_is_told_as_such(finished: Study, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    config = tiny_config()
    (one,) = config.architectures
    other = config.model_copy(update={"architectures": (one.model_copy(update={"version": "9"}),)})
    told = rf"holds another study \(architectures: {one.name}: version {one.version} -> 9\)"
    with pytest.raises(InputError, match=told):
        study_run(other, tmp_path / "out")


def test_what_an_older_library_finished_stands_beside_what_is_added(
    finished: Study, tmp_path: Path
) -> None:
    """The networks that are left must be those of the installed library, and no others."""
    shutil.copytree(finished.folder, tmp_path / "out")
    study, config = Study(tmp_path / "out"), tiny_config()
    (one,) = config.architectures
    old = config.model_copy(update={"architectures": (one.model_copy(update={"version": "9"}),)})
    done = study.store.outcomes()
    identities = {
        now.identity: before.identity
        for now, before in zip(config.units(done), old.units(done), strict=True)
    }
    for path in (study.folder / "store").glob("*.jsonl"):
        text = path.read_text()
        for now, before in identities.items():
            text = text.replace(now, before)
        path.write_text(text)
    old.write(study.config_path, {})

    grid = study_run(tiny_config(models=["mobilenetv3_small_050"]), study.folder, extend=True)
    left = grid.left(grid.study.store.outcomes())
    assert {unit.title.partition(",")[0] for unit in left} == {"mobilenetv3_small_050"}
    grid.check(left)
    told = rf"{one.name} is another network than in the study \(version 9 -> {one.version}\)"
    with pytest.raises(InputError, match=told):
        study_run(tiny_config(seeds=["2"]), study.folder, extend=True)
    with pytest.raises(InputError, match=rf"{one.name} is planned as that of timm 9, and "):
        grid.check(old.units(done))


@pytest.mark.slow
def test_of_two_studies_that_begin_in_one_folder_one_is_refused(tmp_path: Path) -> None:
    config = tiny_config(stems=["none"], changes={"epochs": 1})
    first, second = study_run(config, tmp_path), study_run(tiny_config(), tmp_path)
    first.run()
    told = r"holds another study \(protocol.epochs: 1 -> 3\); choose another --out$"
    with pytest.raises(InputError, match=told):  # which --extend would not take either
        second.run()
    assert BenchConfig.read(first.study.config_path) == config


def test_of_two_that_extend_a_study_at_once_each_finds_what_the_other_added(
    finished: Study, tmp_path: Path
) -> None:
    """The second looks at the folder only once the first has written."""
    shutil.copytree(finished.folder, tmp_path / "out")
    first, second = (
        study_run(tiny_config(stems=[stem]), tmp_path / "out", extend=True)
        for stem in ("sobel", "grey")
    )
    with first.study.alone("config"):
        waiting = threading.Thread(target=second._write_config)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        first.config.write(first.study.config_path, {})
    waiting.join()
    stems = [str(stem) for stem in BenchConfig.read(first.study.config_path).stems]
    assert stems == ["none", "neurn", "sobel", "grey"]


def test_a_study_that_was_planned_without_its_images_is_not_run(tmp_path: Path) -> None:
    config = tiny_config()
    unread = config.model_copy(update={"content": dict.fromkeys(config.content, "unknown")})
    run = study_run(unread, tmp_path / "out")
    run.check(run.left(run.study.store.outcomes()))
    with pytest.raises(InputError, match="planned without reading its images"):
        run.run()
    assert not (tmp_path / "out" / "config.yaml").exists()


def test_a_missing_extra_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'nasneurn\[ray\]'"):
        study_run(tiny_config(), tmp_path / "out", engine="ray", workers=2)
    assert not (tmp_path / "out").exists()


def test_a_grid_grows_by_no_other_way_of_training(finished: Study) -> None:
    other = tiny_config(seeds=["2"], changes={"epochs": 8})
    with pytest.raises(InputError, match=r"protocol.epochs: 3 -> 8") as told:
        study_run(other, finished.folder, extend=True)
    assert "seeds" not in str(told.value)
    assert BenchConfig.read(finished.config_path) == tiny_config()


def test_images_that_changed_are_refused(finished: Study, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    path = tmp_path / "out" / "config.yaml"
    digest = tiny_config().content["train:optdigits"]
    path.write_text(path.read_text().replace(digest, OTHER_DIGEST))
    told = rf"images of optdigits .*train:optdigits {OTHER_DIGEST} -> "
    with pytest.raises(InputError, match=told):
        study_run(tiny_config(), tmp_path / "out")


def test_a_configuration_whose_images_are_others_is_refused(
    finished: Study, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    digest = tiny_config().content["test:print"]
    path.write_text(finished.config_path.read_text().replace(digest, OTHER_DIGEST))
    with pytest.raises(InputError, match=r"images of print are not those of the study"):
        run_config(path, execution=Execution(device="cpu")).run()
    assert not (tmp_path / "store").exists()


def test_status_counts_the_units_of_the_study_alone(finished: Study, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    study = Study(tmp_path / "out")
    study.store.finish("0" * 16, {"accuracy": []}, {})
    study.store.fail("1" * 16, "of other images", "", {})
    outcomes = study.store.outcomes()
    counts = progress_of(BenchConfig.read(study.config_path).units(outcomes), outcomes)
    assert counts == {"lcnet_050": (2, 2, 0)}


@pytest.mark.slow
def test_several_sources_are_one_training(tmp_path: Path) -> None:
    config = tiny_config(sources_named=["optdigits+print"], stems=["none"], changes={"epochs": 1})
    study = study_run(config, tmp_path).run()
    assert set(study.accuracy["source"]) == {"optdigits+print"}
    assert len(study.accuracy) == 4


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """What a command ends with: its exit code, its output and its errors."""
    return lambda *words: (run_command(monkeypatch, *words), *capfd.readouterr())


def test_status_and_figures_by_command(
    finished: Study, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    code, told, _ = command("status", finished.folder)
    assert code == 0
    assert "lcnet_050" in told
    figure = next((finished.folder / "figures").glob("*.png"))
    figure.unlink()
    assert command("figures", finished.folder)[0] == 0
    assert figure.exists()
    for arguments in (["status", tmp_path], ["figures", tmp_path], ["experiment", "x"]):
        code, _, refused = command(*arguments)
        assert code == 2
        assert len(refused.splitlines()) == 1


@pytest.mark.slow
def test_a_plan_by_command(tmp_path: Path) -> None:
    planned = subprocess.run(
        [sys.executable, "-m", "nasneurn", "bench", "--models", "lcnet_050", "--seeds", "2",
         "--sources", "print", "--dry-run", "--out", str(tmp_path / "out")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert planned.returncode == 0, planned.stderr
    assert "4 trainings" in planned.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", ["bench", "search --weights scratch", "search-quality"])
def test_a_dry_run_refuses_what_a_run_refuses(
    words: str, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    if words != "bench":
        pytest.importorskip("nni")
    given = ["--sources", "print", "--set", "batch_size=9000", "--out", tmp_path / "out"]
    code, _, refused = command(*words.split(), *given, "--dry-run")
    assert code == 2
    assert "batch_size 9000 is larger than the" in refused
    assert not (tmp_path / "out").exists()


def test_a_configuration_runs_by_command_and_overrules_nothing(
    finished: Study, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, refused = command("bench", "--config", finished.config_path, "--seeds", "5")
    assert code == 2
    assert "--config decides all that --seeds would" in refused
    shutil.copytree(finished.folder, tmp_path / "out")
    code, told, errors = command("bench", "--config", tmp_path / "out" / "config.yaml", "--json")
    assert code == 0, errors
    rows = pd.DataFrame(json.loads(told)["accuracy"])
    assert list(rows["accuracy"]) == list(finished.accuracy["accuracy"])


def test_a_configuration_that_names_code_is_not_run_unasked(
    finished: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[..., tuple[int, str, str]],
) -> None:
    text = finished.config_path.read_text()
    assert "- name: neurn" in text
    path = tmp_path / "config.yaml"
    path.write_text(text.replace("- name: neurn", "- name: evil_module:Stem", 1))
    (tmp_path / "evil_module.py").write_text("open('was_run', 'w')")
    monkeypatch.chdir(tmp_path)
    code, _, refused = command("bench", "--config", path)
    assert code == 2
    assert "evil_module:Stem" in refused
    assert "--trust-code" in refused
    assert not (tmp_path / "was_run").exists()


def test_weights_are_those_of_the_other_stem(finished: Study) -> None:
    """Differences between stems are paired: same weights at the start, whatever the stem."""
    place = Place(load_suite("builtin").handle, Path("unused"))
    first, second = (
        train._Work(unit, place, halves=1)._network()[0]  # type: ignore[arg-type]
        for unit in tiny_config().units(finished.store.outcomes())
    )
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert np.array_equal(one.detach().numpy(), other.detach().numpy())
    assert str(first[0]) != str(second[0])


@pytest.mark.slow
def test_a_compiled_training_gives_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[torch.nn.Module] = []

    def compile_(network: torch.nn.Module) -> None:
        compiled.append(network)  # what the compiler makes of it is PyTorch's affair
        network._compiled_call_impl = torch.compile(network._call_impl, backend="eager")

    # NeuRN has another path under a compiler, the same to rounding only.
    config = tiny_config(stems=["none"])
    plain = study_run(config, tmp_path / "plain").run()
    monkeypatch.setattr(torch.nn.Module, "compile", compile_)
    fast = study_run(config, tmp_path / "fast", compiled=True).run()
    assert len(compiled) == 1
    same_results(plain, fast)


def test_rows_call_their_protocol_as_it_is_called_now(
    finished: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    run = study_run(tiny_config(), tmp_path / "out")
    monkeypatch.setitem(BUDGETS, "quick", run.config.protocol)
    study = run.run()
    assert set(study.accuracy["protocol"]) == {"quick"}
    assert set(finished.accuracy["protocol"]) != {"quick"}
    rest = [table.drop(columns="protocol") for table in (study.accuracy, finished.accuracy)]
    pd.testing.assert_frame_equal(*rest)
