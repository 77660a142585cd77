"""Claims: of several processes one has a job, and a dead one's is free."""

import json
import multiprocessing
import os
import socket
from pathlib import Path

import pytest

from nasneurn.studies import locks as claims
from nasneurn.studies.locks import Claims


def test_a_claim_is_one_processs_alone(tmp_path: Path) -> None:
    first, second = Claims(tmp_path), Claims(tmp_path)
    assert first.take("a")
    assert not second.take("a")
    assert second.take("b")
    first.release("a")
    assert second.take("a")


def _take_all(folder: str, count: int, taken: "multiprocessing.Queue[list[int]]") -> None:
    mine = Claims(Path(folder))
    taken.put([job for job in range(count) if mine.take(str(job))])
    taken.put([])
    while taken.qsize() > 0:  # stay alive: a dead process has no claim
        pass


def test_of_many_racing_processes_one_gets_each_job(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    taken = context.Queue()
    racers = [context.Process(target=_take_all, args=(str(tmp_path), 100, taken)) for _ in "abcd"]
    for racer in racers:
        racer.start()
    jobs = [job for _ in range(8) for job in taken.get(timeout=30)]
    for racer in racers:
        racer.kill()
        racer.join()
    assert sorted(jobs) == list(range(100))


def claim_of(folder: Path, host: str, pid: int, age: float) -> Path:
    path = folder / "a.json"
    path.write_text(json.dumps({"host": host, "pid": pid}))
    moment = path.stat().st_mtime - age
    os.utime(path, (moment, moment))
    return path


def dead_process() -> int:
    process = multiprocessing.get_context("fork").Process(target=int)
    process.start()
    process.join()
    assert process.pid is not None
    return process.pid


def test_a_dead_processs_claim_is_void_at_once(tmp_path: Path) -> None:
    claim_of(tmp_path, socket.gethostname(), dead_process(), age=0)
    assert Claims(tmp_path).take("a")


def test_a_living_processs_claim_holds_however_old(tmp_path: Path) -> None:
    claim_of(tmp_path, socket.gethostname(), os.getpid(), age=10 * claims.STALE)
    assert not Claims(tmp_path).take("a")


@pytest.mark.parametrize(("age", "free"), [(claims.STALE / 2, False), (claims.STALE * 2, True)])
def test_another_machines_claim_is_void_without_a_sign_of_life(
    tmp_path: Path, age: float, free: bool
) -> None:
    claim_of(tmp_path, "another-machine", 1, age)
    assert Claims(tmp_path).take("a") == free


def test_claims_give_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(claims, "HEARTBEAT", 0.02)
    mine = Claims(tmp_path)
    mine.take("a")
    path = tmp_path / "a.json"
    os.utime(path, (1, 1))
    deadline = time.monotonic() + 10
    while path.stat().st_mtime == 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    mine.release("a")


def test_a_half_written_claim_is_let_be_until_it_is_old(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("")
    assert not Claims(tmp_path).take("a")
    os.utime(path, (1, 1))
    assert Claims(tmp_path).take("a")
