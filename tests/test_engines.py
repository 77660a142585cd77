"""Engines: every payload once, failures as answers, and no process left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import engine_work
import psutil
import pytest

from alignment import cores
from nasneurn.engines import Failure, available_cores, local, on_ray, run, threads_each, working
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


@pytest.mark.slow
def test_workers_stay_from_round_to_round_and_end_with_the_last() -> None:
    with working("local", engine_work.process, 2) as do:
        rounds = [{pid for _, pid in do(iter(range(4)))} for _ in range(2)]
        assert rounds[0] == rounds[1]
        assert len(rounds[0]) == 2
        assert all(psutil.pid_exists(pid) for pid in rounds[0])
    assert not any(psutil.pid_exists(pid) for pid in rounds[0])


@pytest.mark.slow
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


@pytest.mark.slow
def test_workers_that_die_after_their_answers_are_replaced() -> None:
    answers = []
    for _, answer in run("local", engine_work.answer_and_die, iter(range(5)), 2):
        answers.append(answer)
        time.sleep(0.6)  # both are dead now: one idle, one with its answer in the pipe
    assert sorted(answers) == list(range(5))


def test_a_dead_worker_is_noticed_though_its_child_holds_the_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "LOOK", 0.2)
    marker = tmp_path / "marker"
    began = time.monotonic()
    answers = list(run("local", engine_work.leave_a_child_and_die_once, iter([str(marker)]), 1))
    assert answers == [(str(marker), "survived")]
    assert time.monotonic() - began < 20
    os.kill(int(marker.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_what_cannot_be_pickled_is_a_failure_and_the_others_are_done(engine: str) -> None:
    payloads = [0, engine_work.CannotLeave(), 1, engine_work.CannotArrive(), None, 2]
    answers = list(run(engine, engine_work.same, iter(payloads), 2))
    done = [answer for _, answer in answers if not isinstance(answer, Failure)]
    assert sorted(done, key=str) == [0, 1, 2, None]
    told = {type(payload): why.error for payload, why in answers if isinstance(why, Failure)}
    assert told == {
        engine_work.CannotLeave: "the payload cannot be pickled: TypeError: stays here",
        engine_work.CannotArrive: "OSError: not this one",
    }
    answers = dict(run(engine, engine_work.odd_answer, iter(["a", "leave", "arrive", "b"]), 1))
    assert (answers["a"], answers["b"]) == ("a", "b")
    assert answers["leave"].error == "the answer cannot be pickled: TypeError: stays here"
    assert answers["arrive"].error == "the answer cannot be unpickled: OSError: not this one"


def test_work_may_start_processes_of_its_own() -> None:
    assert list(run("local", engine_work.in_a_process_of_its_own, iter([3]), 1)) == [(3, 9)]


def test_whoever_stops_reading_leaves_no_process() -> None:
    answers = run("local", engine_work.process, iter(range(9)), 2)
    next(answers)
    assert len(multiprocessing.active_children()) == 2
    answers.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


def test_an_error_of_the_payloads_leaves_no_process() -> None:
    def payloads() -> Iterator[int]:
        yield 1
        raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        list(run("local", engine_work.square, payloads(), 2))
    assert multiprocessing.active_children() == []


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    list(run("local", engine_work.square, iter([1]), 1))
    assert dict(os.environ) == before


@pytest.mark.slow
def test_gpus_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-5e")
    seen = dict(run("local", engine_work.gpu, iter(range(4)), 3)).values()
    assert set(seen) == {"3", "GPU-5e"}


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


@pytest.mark.slow
def test_a_command_ends_though_nobody_closed_its_results(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "engine_work.py"), str(tmp_path), "--leave"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


SCRIPT = """
import math
from nasneurn.engines import run

def work():
    print(sorted(answer for _, answer in run("local", math.sqrt, iter([4.0, 9.0]), 2)))

{call}
"""


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("work()", "line 8 would begin the work anew"),
        ("for _ in range(1):\n    work()", "line 9 would begin"),
        ("if __name__ == '__main__':\n    work()", ""),
        ("import threading\nif '__main__' == __name__:\n    work()", ""),
    ],
)
def test_a_script_without_a_guard_is_told_before_workers_start(
    call: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(call=call))
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60)
    assert done.stdout == ("" if told else "[2.0, 3.0]\n")
    assert told in done.stderr
    assert ("InputError" in done.stderr) == bool(told)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_cores_are_those_that_the_process_may_use() -> None:
    code = (
        "import os; from nasneurn.engines import available_cores, threads_each\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from nasneurn.domains.pixels import threads\n"
        "import alignment.sequences\n"
        "print(available_cores(), threads_each(1), threads_each(8), threads())\n"
        "print(alignment.sequences.available_cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"] * 5


def test_one_function_counts_cores() -> None:
    for package in ("nasneurn", "alignment", "search_spaces"):
        for path in (HERE.parent / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            counts = "cpu_count(" in text or "sched_getaffinity(" in text
            # The doctor tells how many the machine has beside how many may be used.
            assert not counts or path.name in ("cores.py", "machine.py"), path


@pytest.mark.parametrize(("quota", "given", "told"), [(2, None, "2"), (2, "1", "1"), (9, None, "")])
def test_libraries_start_no_more_threads_than_a_quota_has_cores(
    monkeypatch: pytest.MonkeyPatch, quota: int, given: str | None, told: str
) -> None:
    for name in cores.THREAD_VARIABLES:
        monkeypatch.setenv(name, given or "")
        if given is None:
            monkeypatch.delenv(name)
    monkeypatch.setattr(cores, "_by_affinity", lambda: 8)
    monkeypatch.setattr(cores, "available_cores", lambda: min(8, quota))
    cores.bound_threads()
    assert [os.environ.get(name, "") for name in cores.THREAD_VARIABLES] == [told] * 3


@pytest.mark.slow
def test_a_task_asks_for_no_more_cores_than_a_machine_of_the_cluster_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    monkeypatch.setattr(on_ray, "threads_each", lambda workers: 4)
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        assert dict(run("ray", engine_work.square, iter([3]), 1)) == {3: 9}
    finally:
        ray.shutdown()


@pytest.mark.slow
def test_rays_sockets_have_room_where_temporary_files_lie_deep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("t" * max(1, 130 - len(str(tmp_path)) - 1))
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    monkeypatch.setattr(tempfile, "tempdir", None)
    before = set(Path("/tmp").glob("r*"))
    answers = dict(run("ray", engine_work.square, iter([3]), 1))
    assert answers == {3: 9}
    assert set(Path("/tmp").glob("r*")) <= before


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "20000 100000\n"}, 1),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ("0::/a/b\n", {"cpu.max": "300000 100000\n"}, 3),  # the names of another mount
        (
            "5:cpuset:/\n3:cpu,cpuacct:/a\n",
            {
                "cpu,cpuacct/a/cpu.cfs_quota_us": "400000",
                "cpu,cpuacct/a/cpu.cfs_period_us": "100000",
            },
            4,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ("0::/\n", {"cpu.max": "garbage\n"}, 64),
        ("", {}, 64),
    ],
)
def test_cores_are_bounded_by_control_groups(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    membership: str,
    files: dict[str, str],
    cores: int,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    (tmp_path / "membership").write_text(membership)
    for name, content in files.items():
        path = tmp_path / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert available_cores(tmp_path / "mount", tmp_path / "membership") == cores


def test_mistakes_are_told() -> None:
    with pytest.raises(InputError, match="did you mean 'local'"):
        list(run("locl", engine_work.square, iter([1]), 1))
    with pytest.raises(InputError, match="workers is 0"):
        list(run("local", engine_work.square, iter([1]), 0))


def test_without_ray_its_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"nasneurn\[ray\]"):
        list(run("ray", engine_work.square, iter([1]), 1))
