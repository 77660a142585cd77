"""What long commands say: before they start, while they run, and of what others run."""

import io
import re
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from in_process import refusal, run_command
from one_thread import one_thread
from tiny_bench import tiny_config
from torch import Tensor, nn

from nasneurn.algorithms import ERM
from nasneurn.choices import Choice
from nasneurn.cli import study_commands
from nasneurn.cli.bench_commands import _print_plan
from nasneurn.errors import InputError
from nasneurn.networks.build import describe
from nasneurn.programs import outlook
from nasneurn.programs.outlook import foresee
from nasneurn.progress_notes import ProgressNote
from nasneurn.studies import estimate, standing, timing
from nasneurn.studies.bench_config import BenchConfig
from nasneurn.studies.estimate import Expected, estimates, expected_seconds
from nasneurn.studies.folder import Study
from nasneurn.studies.run import Execution, StudyRun
from nasneurn.studies.standing import Standing
from nasneurn.studies.timing import Pace
from nasneurn.training.captured import CannotCapture
from nasneurn.training.devices import LIGHTNING_PRECISION
from nasneurn.training.fit import fit

CPU = Execution(device="cpu")


@pytest.fixture(scope="module")
def config() -> BenchConfig:
    """Four trainings of a very small network."""
    return tiny_config(models=["digits_convnet"], seeds=["2"], changes={"epochs": 1})


@pytest.fixture
def run(config: BenchConfig, tmp_path: Path) -> StudyRun:
    return StudyRun(config, tmp_path / "out", CPU)


def units(run: StudyRun) -> list[Any]:
    return run.left(run.study.store.outcomes())


def finish(run: StudyRun, unit: Any) -> None:
    run.study.store.finish(unit.identity, {"accuracy": []}, {"title": unit.title})


# ---------------------------------------------------------------- before the first training


def test_how_many_and_how_long_is_told_first(
    run: StudyRun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with one_thread():
        expected = foresee(run, units(run))
    told = capsys.readouterr().err
    assert told.startswith("nasneurn: 4 trainings to do, at most about ")
    assert told.endswith(f"; results go to {run.study.folder}\n")
    assert set(expected) == {unit.identity for unit in units(run)}
    assert all(seconds > 0 for seconds in expected.values())
    finish(run, units(run)[0])
    monkeypatch.setattr(estimate, "expected_seconds", lambda run, left: said(left, 2400.0))
    foresee(run, units(run))
    assert "3 trainings to do, at most about 2 h 00 min" in capsys.readouterr().err
    foresee(run, [])
    assert capsys.readouterr().err == f"nasneurn: nothing is left to train in {run.study.folder}\n"


@pytest.mark.parametrize(
    ("selection", "told"),
    [("held_out", "at most 8 h 00 min with 1 at once; early stopping makes it less"),
     ("last", "about 8 h 00 min with 1 at once\n")],
)  # fmt: skip
def test_only_what_may_stop_early_is_told_to(
    selection: str,
    told: str,
    config: BenchConfig,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    protocol = config.protocol.changed({"selection": selection}, "protocol")
    monkeypatch.setattr(estimate, "expected_seconds", lambda run, left: said(left, 7200.0))
    monkeypatch.setattr(StudyRun, "check", lambda run, left: None)
    changed = config.model_copy(update={"protocol": protocol})
    _print_plan(StudyRun(changed, tmp_path / "out", CPU))
    assert told in capsys.readouterr().out


def test_an_estimate_that_fails_ends_nothing(
    run: StudyRun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(outlook, "_expected", fail)
    assert foresee(run, units(run)) == {}
    assert f"4 trainings to do; results go to {run.study.folder}" in capsys.readouterr().err
    monkeypatch.setattr(estimate, "expected_seconds", fail)
    _print_plan(run)
    assert "4 trainings to do" in capsys.readouterr().err


def said(left: list[Any], seconds: float, untimed: str = "") -> Expected:
    return Expected(
        {one.identity: seconds for one in left}, tuple(map(Choice.parse, untimed.split()))
    )


@pytest.mark.parametrize(
    ("untimed", "told"),
    [
        ("", "2 at once"),
        ("me_ada ada", "longer with ada and me_ada, 2 at once"),
        ("ada me_ada own:X", "longer with ada and me_ada and others, 2 at once"),
    ],
)
def test_slower_algorithms_and_workers_are_told(
    untimed: str,
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny_config(models=["digits_convnet"], algorithms=["erm,randconv"])
    run = StudyRun(config, tmp_path, Execution(device="cpu", workers=2))
    monkeypatch.setattr(estimate, "expected_seconds", lambda run, left: said(left, 60.0, untimed))
    foresee(run, units(run))
    line = capsys.readouterr().err
    assert f"4 trainings to do, at most about 2 min 00 s, {told}; results go to" in line


def test_what_is_not_timed_is_told_by_its_multiply_adds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(models=["digits_convnet,lcnet_050"], stems=["none"])
    run = StudyRun(config, tmp_path, CPU)
    monkeypatch.setattr(estimate, "NETWORK_SECONDS", -1.0)
    monkeypatch.setattr(estimate, "NETWORK_SHARE", -1.0)
    monkeypatch.setattr(estimate, "pace_of", lambda run, network: Pace(1e-3, 1e-4))
    monkeypatch.setattr(estimate, "stem_seconds", lambda run, stem: 0.0)
    trainings = units(run)
    first, second = (expected_seconds(run, trainings).seconds[one.identity] for one in trainings)
    flops = [describe(one.architecture, 10, 32).flops for one in trainings]
    assert first / second == pytest.approx(flops[0] / flops[1])


def test_what_the_first_network_takes_to_get_ready_leaves_others_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(models=["digits_convnet,lcnet_050"], stems=["none"])
    run = StudyRun(config, tmp_path, CPU)
    timed: list[Pace] = []

    def pace(run: StudyRun, network: nn.Module) -> Pace:
        if not timed:
            time.sleep(0.3)
        timed.append(Pace(1e-3, 1e-4))
        return timed[-1]

    monkeypatch.setattr(estimate, "NETWORK_SECONDS", 0.2)
    monkeypatch.setattr(estimate, "pace_of", pace)
    monkeypatch.setattr(estimate, "stem_seconds", lambda run, stem: 0.0)
    expected = expected_seconds(run, units(run)).seconds.values()
    assert len(timed) == len(expected) == 2
    assert len(set(expected)) == 1


def test_all_networks_are_timed_where_that_is_little_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks of ever more multiply-adds, equally fast, as small ones on a GPU are."""
    names = "test_byobnet,lcnet_050,digits_convnet"
    run = StudyRun(tiny_config(models=[names], stems=["none"]), tmp_path, CPU)
    monkeypatch.setattr(estimate, "NETWORK_SECONDS", -1.0)
    monkeypatch.setattr(estimate, "pace_of", lambda run, network: Pace(0.1, 0.01))
    monkeypatch.setattr(estimate, "stem_seconds", lambda run, stem: 0.0)
    expected = expected_seconds(run, units(run)).seconds.values()
    assert len(set(expected)) == 1


class SlowStem(nn.Module):
    """Takes a hundredth of a second for each batch."""

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.01)
        return x


class SlowSteps(ERM):
    """Takes half a second for each step."""

    def loss(self, *batch: Any) -> Tensor:
        time.sleep(0.5)
        return super().loss(*batch)


class Particular(ERM):
    """Takes no random images."""

    def loss(self, *batch: Any) -> Tensor:
        raise ValueError


@pytest.mark.slow
def test_stem_and_algorithm_are_in_the_estimate(tmp_path: Path) -> None:
    config = tiny_config(
        models=["digits_convnet"],
        stems=[f"none,{__name__}:SlowStem"],
        algorithms=[f"erm,ada,{__name__}:SlowSteps,{__name__}:Particular"],
        changes={"epochs": 1, "train_images": 200},
    )
    run = StudyRun(config, tmp_path / "out", CPU)
    trainings = units(run)
    with one_thread():
        expected = expected_seconds(run, trainings)
    seconds = {
        (one.stem.name.rpartition(":")[2], one.algorithm.name.rpartition(":")[2]):
        expected.seconds[one.identity] for one in trainings
    }  # fmt: skip
    counts, size = estimate.image_counts(run), config.protocol.batch_size
    seen = counts.fit // size * size + counts.held_out + counts.test
    assert seconds["SlowStem", "erm"] - seconds["none", "erm"] >= 0.9 * 0.01 * seen / size
    slower = seconds["none", "SlowSteps"] - seconds["none", "erm"]
    assert slower >= 0.25 * (counts.fit // size)  # the plain step is timed anew each time
    assert [str(one).rpartition(":")[2] for one in expected.untimed] == ["ada", "Particular"]
    assert seconds["none", "ada"] == seconds["none", "erm"]
    (one,) = estimates(run, trainings, expected)
    assert one.trainings == 8
    assert one.seconds == pytest.approx(sum(seconds.values()) / 8)


@pytest.mark.parametrize(
    ("precision", "sources", "domains"), [("bf16", "optdigits", 0), ("32", "optdigits+print", 2)]
)
def test_steps_are_timed_as_they_will_be(
    precision: str,
    sources: str,
    domains: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny_config(
        models=["digits_convnet"], sources_named=[sources], stems=["none"], precision=precision
    )
    run = StudyRun(config, tmp_path / "out", CPU)
    seen: list[tuple[str, int]] = []

    def watched(network: nn.Module, loader: Any, *rest: Any, **options: Any) -> None:
        batch = next(iter(loader))
        seen.append((options["precision"], len(batch[2].unique()) if len(batch) > 2 else 0))
        loader.load_state_dict({"next": 0})
        fit(network, loader, *rest, **options)

    monkeypatch.setattr(timing, "fit", watched)
    expected_seconds(run, units(run))
    assert set(seen) == {(LIGHTNING_PRECISION[precision], domains)}


def test_what_cannot_be_captured_is_timed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(models=["digits_convnet"], sources_named=["optdigits"], stems=["none"])
    run = StudyRun(config, tmp_path / "out", CPU)
    asked: list[bool] = []

    def refusing(*given: Any, capture: bool, **options: Any) -> None:
        asked.append(capture)
        if capture:
            raise CannotCapture("it waits for the device")
        fit(*given, **options)

    monkeypatch.setattr(timing, "fit", refusing)
    assert all(0 < seconds < 60 for seconds in expected_seconds(run, units(run)).seconds.values())
    assert asked == [False, True, False]


@pytest.mark.slow
def test_estimates_draw_nothing(run: StudyRun) -> None:
    import torch

    torch.manual_seed(3)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    expected_seconds(run, units(run)[:1])
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_a_search_tells_of_what_comes_after_its_supernets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nni")
    import tiny_search

    config = tiny_search.tiny_config()
    run = StudyRun(config, tmp_path / "out", CPU)
    left = units(run)
    with one_thread():
        expected = foresee(run, left)
    told = capsys.readouterr().err
    after = len(left) * len(config.weights)
    assert f"{len(left)} supernet" in told
    assert f"to do, then {after} training" in told
    assert "of what they find, at most about" in told
    assert set(expected) == {unit.identity for unit in left}


# ---------------------------------------------------------------- while it runs


@pytest.mark.slow
def test_curves_for_tensorboard_change_no_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = tiny_config(
        models=["digits_convnet"],
        stems=["none"],
        targets=["optdigits"],
        changes={"epochs": 2, "train_images": 160},
    )
    tables = []
    with one_thread():
        for asked in (False, True):
            out = tmp_path / str(asked)
            run = StudyRun(config, out, Execution(device="cpu", tensorboard=asked))
            study = run.run(foresee)
            tables.append(study.accuracy.drop(columns=["seconds", "commit"]))
            assert (out / "tensorboard").exists() == asked
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert "1/1 digits_convnet, none, optdigits, seed 0: " in capsys.readouterr().err
    (curves,) = (tmp_path / "True" / "tensorboard").iterdir()
    assert curves.name.startswith("digits_convnet__none__optdigits__seed_0-")
    read = accumulator.EventAccumulator(str(curves))
    read.Reload()
    assert {"held_out_accuracy", "mean_loss"} <= set(read.Tags()["scalars"])
    shown = [event.value for event in read.Scalars("held_out_accuracy")]
    assert shown == pytest.approx(list(study.history["held_out_accuracy"]), abs=1e-6)


@pytest.mark.slow
def test_a_search_ends_its_line_with_the_best_score_and_leaves_curves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nni")
    pytest.importorskip("tensorboard")
    import tiny_search

    run = StudyRun(
        tiny_search.tiny_config(), tmp_path / "out", Execution(device="cpu", tensorboard=True)
    )
    with one_thread():
        study = run.run()
    best = study.evolution["held_out_accuracy"].max()
    (line,) = [one for one in capsys.readouterr().err.splitlines() if "evolution: " in one]
    assert line.endswith(f"24/24  best {best:.1%}")
    (curves,) = (tmp_path / "out" / "tensorboard").iterdir()
    assert curves.name.startswith("spos_supernet__neurn__optdigits__seed_0-")


def test_curves_without_the_extra_are_refused_first(
    config: BenchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'nasneurn\[tensorboard\]'"):
        StudyRun(config, tmp_path / "out", Execution(device="cpu", tensorboard=True))
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- status


def test_the_status_tells_what_is_done_failed_and_in_work(
    run: StudyRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run._write_config()
    first, second, third, fourth = units(run)
    finish(run, first)
    run.study.store.fail(second.identity, "ValueError: no", "", {"title": second.title})
    monkeypatch.setattr(
        "nasneurn.studies.locks.Locks.held_by_others", lambda self: [third.identity, "0" * 16]
    )
    assert run_command(monkeypatch, "status", run.study.folder) == 0
    out = capsys.readouterr().out
    first_line, last = out.splitlines()[0], out.splitlines()[-1]
    assert first_line == f"{run.study.folder}: bench, builtin, budget quick"
    assert "1 of 4 done, 1 failed, 1 in work" in out
    assert last == f"failed: {second.title}: ValueError: no"
    now = standing.standing(Study(run.study.folder), run.config)
    assert (now.units, now.done, now.left, now.in_work) == (4, 1, 2, (third.title,))
    assert fourth.title not in str(now)
    note = ProgressNote(f"3/4 (1 min left) {third.title}", 7, 10, ("5 s left",))
    note.write(run.study.note_of(third.identity))
    assert run_command(monkeypatch, "status", run.study.folder) == 0
    assert f"in work: {third.title}: 7/10  5 s left" in capsys.readouterr().out


def test_the_time_left_is_by_what_the_last_ones_took() -> None:
    times = [0.0, 100, 200, 300]
    assert standing._seconds_left(times, 5, now=300) == pytest.approx(500)
    assert standing._seconds_left(times, 5, now=350) == pytest.approx(450)
    assert standing._seconds_left([0.0, 100, 90_000, 90_100, 90_200], 2, now=90_200) == 200
    assert standing._seconds_left([5.0], 2) is None
    assert standing._seconds_left(times, 1, now=1000) is None, "it takes longer than others"


def test_watching_ends_when_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = [{"a": (3, done, 0)} for done in (0, 0, 2, 3)]
    looks = iter([Standing(kind, (), ("a, seed 1",), None) for kind in kinds])
    study_commands._watch(lambda: next(looks), every=0.001)
    assert capsys.readouterr().out.splitlines() == [
        "0 of 3 done, 1 in work", "2 of 3 done, 1 in work", "3 of 3 done",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("every", "told"),
    [("nan", "--every.*0.1"), ("0", "--every.*0.1"), ("inf", "--every is inf.*at most 86400"),
     ("1e9", "--every is 1000000000.0.*at most 86400")],
)  # fmt: skip
def test_looks_that_never_come_are_refused(
    every: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    line = refusal(monkeypatch, capfd, "status", tmp_path, "--watch", "--every", every)
    assert re.search(told, line)


def test_watching_on_a_terminal_shows_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    screen = io.StringIO()
    monkeypatch.setattr(
        "nasneurn.progress.plain_console",
        lambda: Console(file=screen, force_terminal=True, width=60),
    )
    looks = iter(
        [
            Standing({"a": (2, 1, 0)}, (), ("a, seed 1",), 61.0),
            Standing({"a": (2, 1, 0)}, (("a, seed 1", "it broke"),), (), None),
        ]
    )
    study_commands._watch(lambda: next(looks), every=0.001)
    text = screen.getvalue()
    assert "1 of 2 done, 1 in work, about 1 min 01 s left" in text
    assert "failed: a, seed 1: it broke" in text


def test_who_has_seen_enough_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    from nasneurn.interruption import Interrupted

    def interrupt(seconds: float) -> None:
        raise Interrupted

    monkeypatch.setattr(time, "sleep", interrupt)
    study_commands._watch(lambda: Standing({"a": (1, 0, 0)}, (), (), None), every=1.0)
