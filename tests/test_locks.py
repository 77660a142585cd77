"""Locks: of several processes one has a unit, and a dead one's is free."""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from nasneurn.errors import InputError
from nasneurn.studies import locks as module
from nasneurn.studies.locks import STALE, Locks, Owner

FORK = multiprocessing.get_context("fork")


def write_lock(path: Path, owner: Owner, age: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(owner)))
    moment = path.stat().st_mtime - age
    os.utime(path, (moment, moment))
    return path


def dead_owner() -> Owner:
    """A process of this machine that has ended."""
    process = FORK.Process(target=int)
    process.start()
    process.join()
    assert process.pid is not None
    return replace(Owner.of_this_process(), pid=process.pid)


def elsewhere() -> Owner:
    """A process of another machine."""
    return replace(Owner.of_this_process(), machine="another-machine", pid=1)


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.01)
    return False


# ---------------------------------------------------------------- take and release


def test_a_lock_is_one_processs_alone(tmp_path: Path) -> None:
    first, second = Locks(tmp_path / "new"), Locks(tmp_path / "new")
    assert first.take("a")
    assert not second.take("a")
    assert not first.take("a")
    assert second.take("b")
    second.release("a")  # not its own
    assert not second.take("a")
    first.release("a")
    assert second.take("a")


def test_all_can_be_given_back_and_nothing_is_left(tmp_path: Path) -> None:
    locks = Locks(tmp_path)
    write_lock(tmp_path / "b.json", dead_owner())
    assert [locks.take(unit) for unit in "abc"] == [True] * 3
    assert locks.held_by_others() == []
    assert Locks(tmp_path).held_by_others() == ["a", "b", "c"]
    locks.release_all()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        Locks(tmp_path / "file" / "locks").take("a")
    assert Locks(tmp_path / "none").held_by_others() == []


def test_a_lock_that_cannot_be_written_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(InputError, match="No space left"):
            Locks(tmp_path).take("a")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- void locks


def test_a_dead_processs_lock_is_void_at_once(tmp_path: Path) -> None:
    write_lock(tmp_path / "a.json", dead_owner())
    locks = Locks(tmp_path)
    assert locks.held_by_others() == []
    assert locks.take("a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_zombie_is_dead(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        Locks(tmp_path).take("a")
        os._exit(0)
    assert eventually(lambda: (tmp_path / "a.json").exists() and Locks(tmp_path).take("a"))
    os.waitpid(child, 0)


def test_a_living_processs_lock_holds_however_old(tmp_path: Path) -> None:
    write_lock(tmp_path / "a.json", Owner.of_this_process(), age=10 * STALE)
    assert not Locks(tmp_path).take("a")


@pytest.mark.parametrize(("age", "free"), [(0, False), (STALE / 2, False), (STALE * 2, True)])
def test_a_process_id_given_to_another_process_blocks_no_unit(
    tmp_path: Path, age: float, free: bool
) -> None:
    owner = Owner.of_this_process()
    write_lock(tmp_path / "a.json", replace(owner, started=owner.started - 3600), age)
    assert Locks(tmp_path).take("a") == free


def test_clocks_that_differ_a_little_make_no_other_process(tmp_path: Path) -> None:
    owner = Owner.of_this_process()
    write_lock(tmp_path / "a.json", replace(owner, started=owner.started + 0.5), age=2 * STALE)
    assert not Locks(tmp_path).take("a")


@pytest.mark.parametrize(("age", "free"), [(STALE / 2, False), (STALE * 2, True)])
def test_another_machines_lock_is_void_without_a_sign_of_life(
    tmp_path: Path, age: float, free: bool
) -> None:
    write_lock(tmp_path / "a.json", elsewhere(), age)
    locks = Locks(tmp_path)
    assert locks.held_by_others() == ([] if free else ["a"])
    assert locks.take("a") == free


@pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="needs namespaces")
def test_another_container_of_one_host_name_is_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Owner.of_this_process()
    assert socket.gethostname() in mine.machine
    real = os.readlink
    module._this_machine.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(os, "readlink", lambda path: "pid:[7]" if "ns" in path else real(path))
        theirs = replace(Owner.of_this_process(), pid=dead_owner().pid)
    module._this_machine.cache_clear()
    assert theirs.machine != mine.machine
    write_lock(tmp_path / "a.json", theirs)  # dead here, but who knows there
    assert not Locks(tmp_path).take("a")
    os.utime(tmp_path / "a.json", (1, 1))
    assert Locks(tmp_path).take("a")


def test_a_lock_dated_in_the_future_is_void_unless_it_is_touched(tmp_path: Path) -> None:
    path = write_lock(tmp_path / "a.json", elsewhere(), age=-1e6)
    locks = Locks(tmp_path, stale=0.3)
    assert not locks.take("a")
    assert abs(path.stat().st_mtime - time.time()) < 60
    assert not locks.take("a")
    time.sleep(0.4)
    assert locks.take("a")


def test_whoever_holds_units_is_told_in_one_line(tmp_path: Path) -> None:
    locks = Locks(tmp_path)
    assert locks.told() == ""
    write_lock(tmp_path / "a.json", elsewhere(), age=40)
    write_lock(tmp_path / "b.json", elsewhere(), age=20)
    write_lock(tmp_path / "c.json", elsewhere(), age=10 * STALE)  # void
    (tmp_path / "d.json").write_text("{")
    told = locks.told()
    assert "\n" not in told
    assert told.startswith("3 units of work are left to other processes")
    assert "process 1 of another-machine, 20 s ago" in told
    assert "one whose lock cannot be read, 0 s ago" in told
    assert "takes its work over 90 s after" in told
    write_lock(tmp_path / "a.json", elsewhere(), age=-1e6)  # dated in the future
    assert "process 1 of another-machine, " in locks.told()
    assert "-" not in locks.told().replace("another-machine", "")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"host": "old", "pid": 7}',
        '{"machine": 1, "pid": 1, "started": 1, "token": 1}',
        '{"machine": "m", "pid": 1' + "0" * 30 + ', "started": 1.0, "token": "a"}',
        '{"machine": "m", "pid": 1, "started": 1.0, "token": "../../x"}',
    ],
    ids=["empty", "torn", "list", "other", "types", "large", "path"],
)
def test_a_half_written_lock_is_let_be_until_it_is_old(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    assert not Locks(tmp_path).take("a")
    os.utime(path, (1, 1))
    assert Locks(tmp_path).take("a")


# ---------------------------------------------------------------- signs of life


def test_locks_give_signs_of_life_while_they_are_held(tmp_path: Path) -> None:
    locks = Locks(tmp_path, heartbeat=0.02)
    path = tmp_path / "a.json"
    for _ in range(3):  # also after a time with nothing to hold
        assert locks.take("a")
        os.utime(path, (1, 1))
        assert eventually(lambda: path.stat().st_mtime > 1)
        locks.release("a")
        time.sleep(0.05)


def test_a_lock_lost_to_another_is_neither_touched_nor_removed(tmp_path: Path) -> None:
    locks = Locks(tmp_path, heartbeat=0.02)
    assert locks.take("a")
    path = write_lock(tmp_path / "a.json", elsewhere(), age=1e6)
    before = path.stat().st_mtime_ns
    time.sleep(0.2)
    locks.release("a")
    assert path.stat().st_mtime_ns == before


def test_a_forked_child_has_none_of_its_parents_locks(tmp_path: Path) -> None:
    locks = Locks(tmp_path, heartbeat=0.02)
    assert locks.take("a")

    def child() -> None:
        locks.release("a")
        locks.release_all()
        assert locks.held_by_others() == ["a"]
        assert not locks.take("a")
        assert locks.take("b")
        os.utime(tmp_path / "b.json", (1, 1))
        assert eventually(lambda: (tmp_path / "b.json").stat().st_mtime > 1)
        locks.release("b")

    process = FORK.Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert [path.name for path in tmp_path.glob("*.json")] == ["a.json"]


def test_a_killed_process_frees_its_locks(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from nasneurn.studies.locks import Locks\n"
        "Locks(Path(sys.argv[1])).take('a'); print('taken', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"taken\n"
    locks = Locks(tmp_path)
    assert not locks.take("a")
    owner.send_signal(signal.SIGSTOP)  # stopped is not dead
    assert not locks.take("a")
    owner.kill()
    owner.wait()
    assert locks.take("a")


# ---------------------------------------------------------------- races


def test_of_many_racing_processes_one_gets_each_unit(tmp_path: Path) -> None:
    taken, stay = FORK.Queue(), FORK.Event()

    def take_all() -> None:
        mine = Locks(tmp_path)
        taken.put([unit for unit in range(100) if mine.take(str(unit))])
        stay.wait(60)  # a dead process has no lock

    racers = [FORK.Process(target=take_all) for _ in "abcd"]
    for racer in racers:
        racer.start()
    units = [unit for _ in racers for unit in taken.get(timeout=30)]
    stay.set()
    for racer in racers:
        racer.join()
    assert sorted(units) == list(range(100))


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: a disk is slow, and hides races."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.mark.slow
def test_a_void_lock_is_taken_over_by_one(in_memory: Path) -> None:
    """Processes take over the lock of a dead one, work, and leave a dead one's lock again."""
    folder, dead = in_memory, dead_owner()
    write_lock(folder / "a.json", dead)
    turns, broken = FORK.Queue(), FORK.Event()
    until = time.monotonic() + 3

    def contend(number: int) -> None:
        mine, count = 0, 0
        inside = folder / "inside"
        while time.monotonic() < until and not broken.is_set():
            locks = Locks(folder, heartbeat=60)
            if not locks.take("a"):
                continue
            try:  # the witness: a file that one alone can make
                os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                broken.set()
                break
            mine += 1
            inside.unlink()
            # As if this process died: at once, there is a void lock for all others to race for.
            draft = folder / f"dead-{number}"
            token = f"{number}x{count}"
            write_lock(draft, replace(dead, token=token))
            count += 1
            draft.replace(folder / "a.json")
        turns.put(mine)

    racers = [FORK.Process(target=contend, args=(number,)) for number in range(4)]
    for racer in racers:
        racer.start()
    counts = [turns.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join()
    assert not broken.is_set(), "two processes had one unit"
    assert sum(counts) > 50
    assert sum(count > 0 for count in counts) > 1


def test_a_process_that_died_while_taking_over_blocks_no_unit(tmp_path: Path) -> None:
    void, guard = dead_owner(), dead_owner()
    write_lock(tmp_path / "a.json", void)
    write_lock(tmp_path / f".{void.token}.guard", guard)
    write_lock(tmp_path / f".{guard.token}.guard", dead_owner())
    assert Locks(tmp_path).take("a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_whoever_judged_a_lock_void_too_early_does_not_remove_the_next(tmp_path: Path) -> None:
    write_lock(tmp_path / "a.json", dead_owner())
    late, quick = Locks(tmp_path), Locks(tmp_path)
    judge = late._is_void

    def judge_and_sleep(path: Path, lock: module._Seen) -> bool:
        void = judge(path, lock)
        assert quick.take("a")  # meanwhile
        return void

    late._is_void = judge_and_sleep  # type: ignore[method-assign]
    assert not late.take("a")
    assert not Locks(tmp_path).take("a")
    quick.release("a")
    assert list(tmp_path.iterdir()) == []
