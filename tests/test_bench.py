"""The grid from end to end, on a budget of seconds: rows, resuming, failures, refusals."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_bench import tiny_config

from alignment.errors import AlignmentError
from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.search.config import StemChoice
from nasneurn.studies import training_job
from nasneurn.studies.config import BenchConfig, parse_stems, plan, training_budget
from nasneurn.studies.grid import Grid, jobs_of
from nasneurn.studies.outputs import ACCURACY, BenchOutputs

SCRIPT = Path(__file__).with_name("tiny_bench.py")
#: What is another in each run of the same training.
CLOCK = ["seconds"]


def run(out: Path, *arguments: str) -> BenchOutputs:
    # Not in a checkout: Ray's workers would import it in place of what is installed.
    command = [sys.executable, str(SCRIPT), str(out), *arguments]
    subprocess.run(command, check=True, cwd=out.parent)
    return BenchOutputs(out)


def same_results(one: BenchOutputs, other: BenchOutputs) -> None:
    """Equal rows, and equal losses to the last bit in every epoch."""
    for table in (BenchOutputs.accuracy, BenchOutputs.history):
        pd.testing.assert_frame_equal(
            table(one).drop(columns=CLOCK), table(other).drop(columns=CLOCK), check_exact=True
        )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> BenchOutputs:
    """A grid that was never interrupted, in a process of its own."""
    return run(tmp_path_factory.mktemp("finished") / "out")


def kill_when(out: Path, ready: Callable[[], bool], *arguments: str) -> None:
    """Run the grid in a process of its own and kill it without warning at a moment."""
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(out), *arguments])
    try:
        deadline = time.monotonic() + 120
        while not ready():
            assert process.poll() is None, "the grid ended before the moment to kill it"
            assert time.monotonic() < deadline, "the moment to kill the grid never came"
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_one_training_gives_a_row_for_every_target(finished: BenchOutputs) -> None:
    table = finished.accuracy()
    stored = pd.read_parquet(finished.folder / "accuracy.parquet")
    pd.testing.assert_frame_equal(stored, table, check_dtype=False)
    assert list(table.columns) == list(ACCURACY)
    suite = load_suite("builtin")
    assert list(table["target"]) == 2 * list(suite.domains)
    assert list(table["stem"]) == 4 * ["none"] + 4 * ["neurn"]
    assert table["job"].nunique() == 2
    for _, row in table.iterrows():
        assert row["n"] == len(suite.load(row["target"]).test)
        correct = row["accuracy"] * row["n"]
        assert correct == pytest.approx(round(correct), abs=1e-6)
    history = finished.history()
    for job, epochs in history.groupby("job"):
        row = table[table["job"] == job].iloc[0]
        assert len(epochs) == row["epochs"]
        assert epochs["held_out_accuracy"].max() == row["held_out_accuracy"]
        best = epochs.set_index("epoch")["held_out_accuracy"].idxmax()
        assert best == row["best_epoch"]


def test_tables_and_figures_are_written(finished: BenchOutputs) -> None:
    figures = sorted((finished.folder / "figures").glob("*.png"))
    assert figures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)
    assert list((finished.folder / "tables").glob("*.csv"))
    assert list((finished.folder / "tables").glob("*.tex"))
    assert not list(finished.state.glob("*.ckpt"))


def test_a_finished_grid_is_not_trained_again(finished: BenchOutputs) -> None:
    before = finished.accuracy()
    grid = Grid(tiny_config(), finished.folder, device="cpu")
    assert grid.left() == []
    grid.run(engine="here", workers=1)
    pd.testing.assert_frame_equal(finished.accuracy(), before)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["in the first training", "between two trainings"])
def test_killed_it_ends_in_the_same_rows(
    finished: BenchOutputs, tmp_path: Path, moment: str
) -> None:
    out = tmp_path / "out"
    first, second = (job.identity for job in Grid(tiny_config(), out, device="cpu").jobs)
    awaited = {"in the first training": first, "between two trainings": second}[moment]
    kill_when(out, lambda: (out / "state" / f"{awaited}.ckpt").exists())
    same_results(run(out), finished)


@pytest.mark.slow
def test_local_workers_give_the_same_rows(finished: BenchOutputs, tmp_path: Path) -> None:
    same_results(run(tmp_path / "out", "local", "2"), finished)


@pytest.mark.slow
def test_ray_gives_the_same_rows(finished: BenchOutputs, tmp_path: Path) -> None:
    same_results(run(tmp_path / "out", "ray", "2"), finished)


def test_a_failing_training_is_recorded_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A learning rate that makes the loss infinite, behind one stem of two."""
    real = training_job.create_stem

    def broken(name: str, **options: object) -> torch.nn.Module:
        if name == "neurn":
            return torch.nn.Threshold(2.0, float("nan"))  # every pixel is below 2
        return real(name, **options)

    grid = Grid(tiny_config(), tmp_path, device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(training_job, "create_stem", broken)
        grid.run(engine="here", workers=1)
    assert set(grid.outputs.accuracy()["stem"]) == {"none"}
    failures = pd.read_csv(grid.outputs.failures_path)
    assert list(failures["stem"]) == ["neurn"]
    assert "the loss is nan at step 0" in failures["error"][0]
    assert grid.left() == []
    assert len(grid.left(retry_failed=True)) == 1
    grid.run(engine="here", workers=1, retry_failed=True)
    assert set(grid.outputs.accuracy()["stem"]) == {"none", "neurn"}
    assert pd.read_csv(grid.outputs.failures_path).empty


def test_out_of_memory_halves_the_batch_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = training_job.fit
    most = 16

    def small_machine(network: torch.nn.Module, loader: object, *rest: object, **options: object):
        images, _ = next(iter(loader))  # type: ignore[call-overload]
        loader.load_state_dict({"next": 0})  # type: ignore[attr-defined]
        if len(images) > most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")
        return real(network, loader, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(training_job, "fit", small_machine)
    stems = (StemChoice(name="none"),)
    grid = Grid(tiny_config(stems=stems), tmp_path / "halved", device="cpu")
    grid.run(engine="here", workers=1)
    assert set(grid.outputs.accuracy()["batch"]) == {"16 x 2"}
    assert "out of memory with batches of 32" in capsys.readouterr().err
    most = 8
    grid = Grid(tiny_config(stems=stems), tmp_path / "failed", device="cpu")
    grid.run(engine="here", workers=1)
    assert grid.outputs.accuracy().empty
    assert "can't allocate memory" in pd.read_csv(grid.outputs.failures_path)["error"][0]


def test_two_processes_share_one_folder(finished: BenchOutputs, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(SCRIPT), str(out)]
    both = [subprocess.Popen(command) for _ in range(2)]
    codes = [process.wait(timeout=300) for process in both]
    assert 0 in codes
    outputs = run(out)
    same_results(outputs, finished)
    done = [record for record in outputs.store.read() if record["kind"] == "done"]
    assert len(done) == 2  # neither training was done twice


def test_identity_is_of_what_decides_the_result() -> None:
    suite = load_suite("builtin")
    config = tiny_config()
    first, second = jobs_of(config, suite)
    assert first.identity != second.identity
    assert [job.identity for job in jobs_of(config, suite)] == [first.identity, second.identity]
    for changes in (
        {"seeds": (1,)},
        {"precision": "bf16"},
        {"budget": config.budget.model_copy(update={"shift": 0})},
    ):
        (other, _) = jobs_of(config.model_copy(update=changes), suite)
        assert other.identity != first.identity


def test_the_configuration_runs_again(tmp_path: Path, finished: BenchOutputs) -> None:
    assert finished.config() == tiny_config()
    assert BenchConfig.read(finished.config_path) == tiny_config()


@pytest.mark.parametrize(
    ("words", "stems"),
    [
        (["none,neurn"], ["none", "neurn"]),
        (["none", "neurn:k=5,border=zero,sobel"], ["none", "neurn:k=5,border=zero", "sobel"]),
        (["none,none", "none"], ["none"]),
    ],
)
def test_stems_are_read(words: list[str], stems: list[str]) -> None:
    assert [str(stem) for stem in parse_stems(words)] == stems


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sources": ("mars",)}, "source 'mars' is not a domain of builtin"),
        ({"stems": (StemChoice(name="neurm"),)}, "neurn"),
        (
            {"budget": training_budget("quick").model_copy(update={"batch_size": 5000})},
            "batch size 5000 is larger than the 850 training images of optdigits",
        ),
    ],
)
def test_what_cannot_run_is_told_before_the_first_training(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        Grid(tiny_config(**changes), tmp_path / "out", device="cpu")
    assert not (tmp_path / "out").exists()


def test_another_grid_in_the_same_folder_is_refused(finished: BenchOutputs) -> None:
    with pytest.raises(InputError, match=r"seeds: \[0\] -> \[0, 1\]"):
        Grid(tiny_config(seeds=(0, 1)), finished.folder, device="cpu")


def test_a_grid_grows_and_keeps_what_it_has(finished: BenchOutputs, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    more = tiny_config(stems=parse_stems(["sobel,none"]))
    grid = Grid(more, tmp_path / "out", device="cpu", extend=True)
    assert [job.title for job in grid.left()] == ["lcnet_050, sobel, optdigits, seed 0"]
    grid.run(engine="here", workers=1)
    table = grid.outputs.accuracy()
    assert list(dict.fromkeys(table["stem"])) == ["none", "neurn", "sobel"]
    pd.testing.assert_frame_equal(table[table["stem"] != "sobel"], finished.accuracy())
    assert grid.outputs.config() == grid.config
    assert [str(stem) for stem in grid.config.stems] == ["none", "neurn", "sobel"]


def test_a_grid_grows_by_no_other_way_of_training(finished: BenchOutputs) -> None:
    other = tiny_config(seeds=(0, 1), budget=training_budget("quick"))
    with pytest.raises(InputError, match=r"budget.max_epochs: 3 -> 8") as told:
        Grid(other, finished.folder, device="cpu", extend=True)
    assert "seeds" not in str(told.value)
    assert finished.config() == tiny_config()


def test_options_that_cannot_be_used_are_told() -> None:
    options: dict[str, object] = {
        "models": ["lcnet_050"], "stems": ["none"], "suite": "builtin", "image_size": None,
        "sources": ["all"], "seeds": 1, "budget": "quick", "changes": {}, "precision": "32",
        "device": "cpu", "data_dir": None,
    }  # fmt: skip
    for change, told in (
        ({"budget": "quik"}, "did you mean 'quick'"),
        ({"precision": "16"}, "precision is '16'"),
        ({"stems": [","]}, "no stems"),
        ({"models": ["resnet81"]}, "resnet81"),
    ):
        with pytest.raises((InputError, AlignmentError), match=told):
            plan(**{**options, **change})  # type: ignore[arg-type]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nasneurn", *arguments], capture_output=True, text=True
    )


def test_status_figures_and_plan_by_command(finished: BenchOutputs, tmp_path: Path) -> None:
    told = command("status", str(finished.folder))
    assert told.returncode == 0
    assert "lcnet_050" in told.stdout
    figure = next((finished.folder / "figures").glob("*.png"))
    figure.unlink()
    remade = command("figures", str(finished.folder))
    assert remade.returncode == 0, remade.stderr
    assert figure.exists()
    planned = command(
        "bench", "--models", "lcnet_050", "--seeds", "2", "--source", "print",
        "--dry-run", "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert planned.returncode == 0, planned.stderr
    assert "4 trainings" in planned.stdout
    assert not (tmp_path / "out").exists()
    for arguments in (["status", str(tmp_path)], ["figures", str(tmp_path)], ["recipe", "vgg"]):
        refused = command(*arguments)
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1


def test_a_suite_of_one_domain_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from nasneurn.studies import grid

    suite = load_suite("builtin")
    monkeypatch.setattr(grid, "load_suite", lambda *_, **__: replace(suite, domains=("optdigits",)))
    with pytest.raises(InputError, match="has one domain"):
        Grid(tiny_config(), tmp_path, device="cpu")


def test_weights_and_order_are_those_of_the_other_stem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Differences between stems are paired: same weights at the start, whatever the stem."""
    suite = load_suite("builtin")
    first, second = (
        training_job._Training(
            training_job.Assignment(job, "builtin", None, Path(), "cpu", "", False), halves=1
        )._network()[0]
        for job in jobs_of(tiny_config(), suite)
    )
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert np.array_equal(one.detach().numpy(), other.detach().numpy())
    assert json.dumps(str(first[0])) != json.dumps(str(second[0]))


def test_a_compiled_training_gives_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[torch.nn.Module] = []

    def compile_(network: torch.nn.Module) -> None:
        compiled.append(network)  # what the compiler makes of it is PyTorch's affair
        network._compiled_call_impl = torch.compile(network._call_impl, backend="eager")

    # NeuRN has another path under a compiler, the same to rounding only.
    config = tiny_config(stems=(StemChoice(name="none"),))
    plain, fast = tmp_path / "plain", tmp_path / "fast"
    Grid(config, plain, device="cpu").run(engine="here", workers=1)
    monkeypatch.setattr(torch.nn.Module, "compile", compile_)
    Grid(config, fast, device="cpu", compiled=True).run(engine="here", workers=1)
    assert len(compiled) == len(config.stems) * len(config.backbones)
    same_results(BenchOutputs(plain), BenchOutputs(fast))
