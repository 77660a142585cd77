"""Engines: every payload once, failures as answers, and no process left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import engine_work
import pytest

from nasneurn.engines import Failure, run, threads_each
from nasneurn.errors import InputError

HERE = Path(__file__).parent

ENGINES = ["here", pytest.param("local"), pytest.param("ray", marks=pytest.mark.slow)]


@pytest.fixture(autouse=True)
def workers_find_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_payload_is_done_once_and_exceptions_are_answers(engine: str) -> None:
    answers = dict(run(engine, engine_work.square, iter([3, -1, 5, 7, -2]), 2))
    assert {key: answers[key] for key in (3, 5, 7)} == {3: 9, 5: 25, 7: 49}
    for number in (-1, -2):
        failure = answers[number]
        assert isinstance(failure, Failure)
        assert failure.error == f"ValueError: {number} is negative"
        assert "engine_work" in failure.details


@pytest.mark.parametrize("engine", ["here", "local"])
def test_payloads_are_taken_when_a_worker_is_free(engine: str) -> None:
    taken: list[int] = []

    def payloads() -> Iterator[int]:
        for number in range(6):
            taken.append(number)
            yield number

    most = 1 if engine == "here" else 2
    for done, _ in enumerate(run(engine, engine_work.square, payloads(), 2)):
        assert len(taken) <= done + most
    assert taken == list(range(6))


def test_workers_are_several_processes_with_their_share_of_threads() -> None:
    pids = [pid for _, pid in run("local", engine_work.process, iter(range(4)), 2)]
    assert len(set(pids)) == 2
    assert os.getpid() not in pids
    told = [count for _, count in run("local", engine_work.threads, iter(range(2)), 2)]
    assert told == [str(threads_each(2))] * 2


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_work_whose_worker_dies_is_done_again(engine: str, tmp_path: Path) -> None:
    markers = [str(tmp_path / name) for name in "ab"]
    answers = dict(run(engine, engine_work.die_once, iter(markers), 2))
    assert answers == dict.fromkeys(markers, "survived")


def test_work_that_kills_every_worker_fails() -> None:
    ((_, failure),) = run("local", engine_work.die_always, iter(["x"]), 1)
    assert failure == Failure("worker died (signal 9), and another on the same work")


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that still run (a zombie does not)."""
    running = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            continue
        if state != "Z":
            running.append(pid)
    return running


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to see processes")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, str(HERE / "engine_work.py"), str(tmp_path)])
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2:
        assert parent.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    parent.send_signal(how)
    assert parent.wait(timeout=10) == (130 if how == signal.SIGINT else -9)
    deadline = time.monotonic() + 10
    while alive(workers):
        assert time.monotonic() < deadline, "workers were left behind"
        time.sleep(0.05)


def test_mistakes_are_told() -> None:
    with pytest.raises(InputError, match="did you mean 'local'"):
        list(run("locl", engine_work.square, iter([1]), 1))
    with pytest.raises(InputError, match="workers is 0"):
        list(run("local", engine_work.square, iter([1]), 0))


def test_without_ray_its_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"nasneurn\[ray\]"):
        list(run("ray", engine_work.square, iter([1]), 1))
