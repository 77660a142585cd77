"""The store: whole units are read back whoever wrote them, and what was torn does not count."""

import errno
import json
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasneurn.errors import InputError
from nasneurn.studies import store as module
from nasneurn.studies.store import Store

ROWS = [{"target": "mnist", "accuracy": 0.5}, {"target": "svhn", "accuracy": 0.25}]
TABLES = {"accuracy": ROWS, "history": [{"epoch": 1, "loss": 2.0}]}


def done(unit: str, moment: float, accuracy: float = 0.5) -> str:
    tables = {"accuracy": [{"accuracy": accuracy}]}
    record = {"unit": unit, "status": "done", "time": moment, "tables": tables}
    return json.dumps(record) + "\n"


# ---------------------------------------------------------------- what is kept


def test_what_was_kept_is_read_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "store")
    store.finish("a", TABLES, {"title": "unit a"})
    store.fail("b", "ValueError: x", "Traceback ...", {"title": "unit b", "unit": "taken"})
    found = Store(tmp_path / "new" / "store").outcomes()
    assert found.done["a"]["title"] == "unit a"
    assert found.done["a"]["tables"] == TABLES
    assert found.failed.keys() == {"b"}
    assert found.failed["b"]["error"] == "ValueError: x"
    assert found.failed["b"]["details"] == "Traceback ..."


def test_rows_come_in_the_order_of_the_units(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number, unit in enumerate("abc"):
        store.finish(unit, {"accuracy": [{"n": number}, {"n": number + 10}]}, {})
    store.fail("d", "x", "", {})
    found = store.outcomes()
    rows = found.rows("accuracy", ["c", "d", "none", "a"])
    assert [row["n"] for row in rows] == [2, 12, 0, 10]
    assert found.rows("history", ["a"]) == []
    rows[0]["n"] = 99  # the rows are the caller's
    assert store.outcomes().rows("accuracy", ["c"])[0]["n"] == 2


def test_a_unit_that_succeeds_at_last_has_not_failed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.fail("a", "first", "", {})
    store.fail("a", "second", "", {})
    assert store.outcomes().failed["a"]["error"] == "second"
    store.finish("a", TABLES, {})
    store.fail("a", "late", "", {})
    assert store.outcomes().failed == {}


def test_numbers_survive(tmp_path: Path) -> None:
    row = {
        "nan": math.nan,
        "inf": -math.inf,
        "int": np.int64(3),
        "float": np.float32(0.5),
        "bool": np.bool_(True),
        "text": "Größe 模型 \u2028 \udcff",
    }
    Store(tmp_path).finish("a", {"accuracy": [row]}, {"size": np.int32(7)})
    found = Store(tmp_path).outcomes()
    (read,) = found.rows("accuracy", ["a"])
    assert math.isnan(read.pop("nan"))
    assert read == {"inf": -math.inf, "int": 3, "float": 0.5, "bool": True, "text": row["text"]}
    assert found.done["a"]["size"] == 7


def test_records_are_plain_lines_of_json_in_utf_8(tmp_path: Path) -> None:
    Store(tmp_path).finish("a", TABLES, {"title": "für α"})
    (path,) = tmp_path.iterdir()
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert "für α" in line
    assert json.loads(line)["tables"] == TABLES


def test_what_json_cannot_hold_is_refused_before_it_is_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(TypeError, match="PosixPath"):
        store.finish("a", {"accuracy": [{"path": Path("x")}]}, {})
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- torn lines and damage


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2000), units=st.integers(1, 4))
def test_cut_anywhere_the_whole_units_remain_and_can_be_done_again(
    tmp_path_factory: pytest.TempPathFactory, cut: int, units: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    store = Store(folder)
    for unit in range(units):
        store.finish(str(unit), TABLES, {})
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    complete = whole[:cut].count(b"\n")
    assert set(Store(folder).outcomes().done) == {str(unit) for unit in range(complete)}
    # Done again after a torn line, by the same process and by another, every unit counts.
    for unit in range(complete, units):
        (store if unit % 2 else Store(folder)).finish(str(unit), TABLES, {})
    found = Store(folder).outcomes()
    everything = [str(unit) for unit in range(units)]
    assert found.rows("accuracy", everything) == ROWS * units


def record(**changed: Any) -> bytes:
    return json.dumps({**json.loads(done("x", 1.0)), **changed}).encode()


DAMAGED = [
    b"garbage",
    b"[1]",
    b"7",
    b"\xff\xfe{}",
    b"[" * 100_000,
    b'{"unit": "x", "status": "done"}',
    b'{"unit": "x", "status": "failed", "time": 1.0, "error": 7, "details": ""}',
    record(unit=7),
    record(unit=["x"]),
    record(status="running"),
    record(status=[]),
    record(tables=[]),
    record(tables={"accuracy": {}}),
    record(tables={"accuracy": [1]}),
    record(time="now"),
    record(time=math.nan),
    record(time=10**400),
    record(time=True),
]


def test_damage_in_the_middle_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.jsonl"
    path.write_bytes(b"\n".join([*DAMAGED, b"", done("a", 1.0).encode(), b"more\n"]))
    store = Store(tmp_path)
    assert set(store.outcomes().done) == {"a"}
    (told,) = capsys.readouterr().err.splitlines()
    assert f"{len(DAMAGED) + 1} lines (1, 2, 3, 4, 5, ...) are damaged, left out" in told
    with path.open("a") as file:
        file.write("bad\n" + done("b", 1.0))
    assert set(store.outcomes().done) == {"a", "b"}
    (told,) = capsys.readouterr().err.splitlines()
    assert f"{path}: line {len(DAMAGED) + 5} is damaged" in told
    path.write_text("bad\n")
    assert store.outcomes().done == {}  # all was read again, and nothing new is to tell
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("damaged", DAMAGED)
def test_no_damage_ends_in_a_traceback(
    tmp_path: Path, damaged: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.jsonl").write_bytes(damaged + b"\n")
    found = Store(tmp_path).outcomes()
    assert (found.done, found.failed) == ({}, {})
    assert "line 1 is damaged" in capsys.readouterr().err


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").mkdir()
    with pytest.raises(InputError, match=r"one\.jsonl: cannot be read \(Is a directory\)"):
        Store(tmp_path).outcomes()


# ---------------------------------------------------------------- reading on


def test_only_what_is_new_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[bytes] = []
    real: Callable[[bytes], Any] = module._record
    monkeypatch.setattr(module, "_record", lambda line: lines.append(line) or real(line))
    mine, others = Store(tmp_path), Store(tmp_path)
    for number in range(5):
        (mine if number % 2 else others).finish(str(number), TABLES, {})
        assert set(mine.outcomes().done) == {str(one) for one in range(number + 1)}
    assert len(lines) == 5


def test_an_outcome_stays_what_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path)
    before = store.outcomes()
    store.finish("a", TABLES, {})
    assert before.done == {}


def test_a_line_that_is_just_being_written_counts_when_it_is_whole(tmp_path: Path) -> None:
    path, line = tmp_path / "one.jsonl", done("a", 1.0)
    store = Store(tmp_path)
    path.write_text(line[:20])
    assert store.outcomes().done == {}
    with path.open("a") as file:
        file.write(line[20:] + done("b", 1.0)[:10])
    assert set(store.outcomes().done) == {"a"}


def test_files_that_shrink_vanish_or_change_are_read_again(tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    one.write_text(done("a", 1.0) + done("b", 1.0))
    two.write_text(done("c", 1.0) + done("a", 2.0, 0.25))
    store = Store(tmp_path)
    assert set(store.outcomes().done) == set("abc")
    one.write_text(done("a", 1.0))  # shrank
    assert set(store.outcomes().done) == set("ac")
    one.write_text(done("d", 1.0) + done("e", 1.0))  # another, and longer
    assert set(store.outcomes().done) == set("cade")
    assert store.outcomes().rows("accuracy", ["a"]) == [{"accuracy": 0.25}]
    two.unlink()
    assert set(store.outcomes().done) == set("de")


# ---------------------------------------------------------------- a unit done twice


@settings(max_examples=60, deadline=None)
@given(
    records=st.lists(
        st.tuples(st.sampled_from("pq"), st.sampled_from("ab"), st.sampled_from([1.0, 2.0, 3.0])),
        max_size=8,
    ),
    stops=st.sets(st.integers(0, 8)),
)
def test_all_readers_agree_on_a_unit_done_twice(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[str, str, float]],
    stops: set[int],
) -> None:
    folder = tmp_path_factory.mktemp("store")
    reader = Store(folder)
    first: dict[str, tuple[float, str, int]] = {}
    for number, (file, unit, moment) in enumerate(records):
        if number in stops:
            reader.outcomes()
        with (folder / f"{file}.jsonl").open("a") as opened:
            opened.write(done(unit, moment, number))
        first[unit] = min(first.get(unit, (9.0, "", 0)), (moment, file, number))
    for store in (reader, Store(folder)):
        found = store.outcomes()
        assert found.done.keys() == first.keys()
        for unit, (_, _, number) in first.items():
            assert found.rows("accuracy", [unit]) == [{"accuracy": number}]


# ---------------------------------------------------------------- disks and signals


class SmallDisk:
    """``os.write`` that ends after so many bytes, in an error or a signal."""

    def __init__(self, left: int, error: BaseException) -> None:
        self.left, self.error, self.real = left, error, os.write

    def __call__(self, descriptor: int, data: bytes) -> int:
        if self.left == 0:
            raise self.error
        written = self.real(descriptor, data[: self.left])
        self.left -= written
        return written


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("cut", [0, 40])
def test_a_full_disk_loses_nothing_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    store = Store(tmp_path)
    store.finish("a", TABLES, {})
    (path,) = tmp_path.iterdir()
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", SmallDisk(cut, FULL))
        with pytest.raises(InputError, match="No space left on device"):
            store.finish("b", TABLES, {})
        with pytest.raises(InputError, match="No space left on device"):
            store.fail("b", "x", "", {})
    assert path.read_bytes() == before
    store.finish("b", TABLES, {})
    assert set(store.outcomes().done) == {"a", "b"}


def test_a_torn_line_that_stays_swallows_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int, length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    store = Store(tmp_path)
    store.finish("a", TABLES, {})
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", SmallDisk(40, FULL))
        patch.setattr(os, "ftruncate", broken)
        with pytest.raises(InputError, match="Input/output error"):
            store.finish("b", TABLES, {})
    store.finish("b", TABLES, {})
    store.finish("c", TABLES, {})
    assert set(Store(tmp_path).outcomes().done) == set("abc")


def test_a_signal_in_the_middle_leaves_no_torn_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.finish("a", TABLES, {})
    (path,) = tmp_path.iterdir()
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", SmallDisk(40, KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            store.finish("b", TABLES, {})
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        Store(tmp_path / "file" / "store").finish("a", TABLES, {})


# ---------------------------------------------------------------- several processes


def _write_for_ever(folder: str, name: str) -> None:
    store = Store(Path(folder))
    for number in range(10_000):
        store.finish(f"{name}-{number}", TABLES, {})


def test_processes_killed_while_writing_leave_whole_units(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [
        context.Process(target=_write_for_ever, args=(str(tmp_path), name)) for name in "abc"
    ]
    for writer in writers:
        writer.start()
    reader = Store(tmp_path)
    deadline = time.monotonic() + 30
    while len({unit[0] for unit in reader.outcomes().done}) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    for writer in writers:
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
    found = reader.outcomes()
    assert found == Store(tmp_path).outcomes()
    assert {unit[0] for unit in found.done} == set("abc")
    for name in "abc":  # none is missing before the last
        numbers = sorted(int(unit[2:]) for unit in found.done if unit[0] == name)
        assert numbers == list(range(len(numbers)))


def test_a_forked_child_has_a_file_of_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.finish("a", TABLES, {})
    child = multiprocessing.get_context("fork").Process(target=store.finish, args=("b", TABLES, {}))
    child.start()
    child.join()
    assert len(list(tmp_path.iterdir())) == 2
    assert set(store.outcomes().done) == {"a", "b"}
