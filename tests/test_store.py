"""The store: whole lines are read back whoever wrote them, and what was torn does not count."""

import errno
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasneurn.errors import InputError
from nasneurn.studies.store import Store

ROWS = [{"target": "mnist", "accuracy": 0.5}, {"target": "svhn", "accuracy": 0.25}]
EPOCHS = [{"epoch": 1, "loss": 2.0}]


def test_what_was_kept_is_read_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "store")
    store.finish("a", ROWS, EPOCHS, {"title": "job a"})
    store.fail("b", "ValueError: x", {"title": "job b"})
    found = Store(tmp_path / "new" / "store").outcomes()
    assert found.rows == [{**row, "job": "a"} for row in ROWS]
    assert found.history == [{**EPOCHS[0], "job": "a"}]
    assert found.done["a"]["title"] == "job a"
    assert found.failed["b"]["error"] == "ValueError: x"


def test_a_job_that_succeeds_at_last_has_not_failed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.fail("a", "first", {})
    store.fail("a", "second", {})
    assert store.outcomes().failed["a"]["error"] == "second"
    store.finish("a", ROWS, EPOCHS, {})
    store.fail("a", "late", {})
    assert store.outcomes().failed == {}


def test_a_job_done_twice_counts_once(tmp_path: Path) -> None:
    Store(tmp_path).finish("a", ROWS, EPOCHS, {})
    Store(tmp_path).finish("a", ROWS, EPOCHS, {})
    assert len(list(tmp_path.iterdir())) == 2
    assert len(Store(tmp_path).outcomes().rows) == len(ROWS)


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2000), jobs=st.integers(1, 4))
def test_cut_anywhere_the_whole_jobs_remain(
    tmp_path_factory: pytest.TempPathFactory, cut: int, jobs: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    store = Store(folder)
    for job in range(jobs):
        store.finish(str(job), ROWS, EPOCHS, {})
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    path.write_bytes(whole[:cut])
    found = Store(folder).outcomes()
    complete = sum(end <= cut for end in ends[len(ROWS) + len(EPOCHS) :: 4])
    assert set(found.done) == {str(job) for job in range(complete)}
    assert len(found.rows) == complete * len(ROWS)


def test_damage_in_the_middle_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    store.finish("a", ROWS, EPOCHS, {})
    (path,) = tmp_path.iterdir()
    lines = path.read_text().splitlines()
    path.write_text("\n".join(["garbage", *lines, "[1]"]) + "\n")
    assert set(store.outcomes().done) == {"a"}
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "line 1 is damaged" in told[0]
    path.write_text("\n".join([lines[0], "garbage", *lines[2:]]) + "\n")
    assert store.outcomes().done == {}  # a row is lost: the job is not whole


def test_a_full_disk_loses_nothing_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.finish("a", ROWS, EPOCHS, {})
    real, left = os.write, [40]

    def small_disk(descriptor: int, data: bytes) -> int:
        if left[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(descriptor, data[: left[0]])
        left[0] -= written
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", small_disk)
        with pytest.raises(InputError, match="No space left on device"):
            store.finish("b", ROWS, EPOCHS, {})
    assert set(store.outcomes().done) == {"a"}
    store.finish("b", ROWS, EPOCHS, {})
    assert set(store.outcomes().done) == {"a", "b"}


def _write_for_ever(folder: str, name: str) -> None:
    store = Store(Path(folder))
    for number in range(10_000):
        store.finish(f"{name}-{number}", ROWS, EPOCHS, {})


def test_processes_killed_while_writing_leave_whole_jobs(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [
        context.Process(target=_write_for_ever, args=(str(tmp_path), name)) for name in "abc"
    ]
    for writer in writers:
        writer.start()
    deadline = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    for writer in writers:
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
    found = Store(tmp_path).outcomes()
    assert {job[0] for job in found.done} == set("abc")
    assert len(found.rows) == len(ROWS) * len(found.done)
    for name in "abc":  # none is missing before the last
        numbers = sorted(int(job[2:]) for job in found.done if job[0] == name)
        assert numbers == list(range(len(numbers)))


def test_records_are_plain_json_lines(tmp_path: Path) -> None:
    Store(tmp_path).finish("a", ROWS, EPOCHS, {})
    (path,) = tmp_path.iterdir()
    kinds = [json.loads(line)["kind"] for line in path.read_text().splitlines()]
    assert kinds == ["row", "row", "epoch", "done"]
