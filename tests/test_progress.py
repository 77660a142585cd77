"""Progress of long work: how fast, how long yet, on terminals of any width and elsewhere."""

import io
import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nasneurn import progress
from nasneurn.progress import Meter, Remaining, duration, following, meter, time_left
from nasneurn.progress_notes import ProgressNote


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    return clock


def work(shown: Meter, clock: Clock, steps: int, seconds: float, note: str = "") -> None:
    for _ in range(steps):
        clock.now += seconds
        shown.advance(1, note)


def test_lines_say_how_fast_and_how_long_yet(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with meter("3/24 resnet18", 100, per_step=64) as shown:
        work(shown, clock, 50, 0.5, "loss 0.31")
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "3/24 resnet18: 40/100  128 images/s  30 s left  loss 0.31"
    with meter("evolution", 10) as shown:
        work(shown, clock, 10, 1.0, "best 90.0%")
    assert capsys.readouterr().err.splitlines()[-1] == "evolution: 10/10  best 90.0%"


def test_what_was_done_before_counts_for_no_speed(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with meter("resumed", 1000, per_step=10) as shown:
        clock.now += 30  # reading images
        shown.skip(900)
        work(shown, clock, 20, 1.0)
    assert "911/1000  10 images/s  1 min 29 s left" in capsys.readouterr().err


def test_logs_of_hours_stay_short(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with meter("long", 7200) as shown:
        work(shown, clock, 7200, 1.0)
    lines = capsys.readouterr().err.splitlines()
    assert 100 < len(lines) < 180, "two hours: a line every ten seconds at first, then a minute"
    with meter("short", 10) as shown:
        work(shown, clock, 10, 0.1)
    assert capsys.readouterr().err.splitlines() == ["short: 10/10"]
    with meter("in a worker", 10, shown=False) as shown:
        work(shown, clock, 10, 60.0)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_terminals_of_any_width_show_the_time_left(
    width: int, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, color_system=None)
    monkeypatch.setattr(progress, "console", console)
    name = "3/24 torchvision:resnet18, neurn:k=5, mnist+svhn, seed 0"
    with meter(name, 40, per_step=64) as shown:
        work(shown, clock, 20, 1.0)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    lines = text.replace("\r", "\n").splitlines()
    assert all(len(line) <= width for line in lines)
    assert any("20/40 64 images/s, 20 s left" in line for line in lines)
    assert name[:20] in text


def test_no_color_is_kept(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    screen = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=screen, force_terminal=True, width=120))
    with meter("work", 4) as shown:
        work(shown, clock, 4, 1.0)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", screen.getvalue())


def test_durations_are_told_in_units_that_fit() -> None:
    assert [duration(s) for s in (5, 61, 7500)] == ["5 s", "1 min 01 s", "2 h 05 min"]
    assert [time_left(s) for s in (0, 9, 10, 61)] == [
        "0 s left", "9 s left", "10 s left", "1 min 01 s left",
    ]  # fmt: skip


def test_what_is_left_follows_what_was_done(clock: Clock) -> None:
    expected = {"small": 10.0, "large": 30.0, "other": 20.0}
    left = Remaining(expected, workers=2)
    assert left.seconds(expected) == 30.0
    clock.now += 5
    left.done("small")  # twice as fast as expected
    assert left.seconds(["large", "other"]) == pytest.approx(25)
    assert left.seconds(["unknown"]) == pytest.approx(10), "the mean of what is known"
    assert Remaining({}).seconds(["a"]) is None
    blind = Remaining({})
    clock.now += 4
    blind.done("a")
    assert blind.seconds(["b", "c"]) == pytest.approx(8)


def test_what_others_do_and_what_takes_longer_counts_for_what_is_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of four units another process has one, and the last takes three times as long."""
    expected = {"first": 10.0, "second": 10.0, "long": 30.0}
    left, ahead = Remaining(expected, workers=1), dict(expected)
    with meter("units of work", 4, left=lambda: left.seconds(ahead)) as shown:
        clock.now += 11
        shown.advance(1)  # which another process has
        clock.now += 9
        left.done("first")
        del ahead["first"]
        clock.now += 11
        shown.advance(1, "first")
    assert capsys.readouterr().err.splitlines() == [
        "units of work: 1/4  39 s left",
        "units of work: 2/4  2 min 04 s left  first",
    ]


def test_a_worker_notes_how_far_it_is_and_shows_nothing(
    clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "state" / "unit.progress"
    with meter("resnet18", 100, shown=False, per_step=64, noted=path) as worker:
        work(worker, clock, 50, 0.5, "loss 0.31")
    note = ProgressNote.read(path)
    assert str(note) == "resnet18: 50/100  128 images/s  25 s left  loss 0.31"
    assert capsys.readouterr().err == ""


def test_lines_tell_how_far_workers_are(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    notes = {Path(name): ProgressNote(name, 3, 10, ("7 s left",)) for name in ("first", "second")}
    with meter("units of work", 4) as parent:
        parent.show_beside(notes)
        assert capsys.readouterr().err == "", "not as often as workers are looked at"
        clock.now += 11
        parent.show_beside(notes)
        parent.show_beside(notes)
    assert capsys.readouterr().err.splitlines() == [
        "units of work: 0/4", "first: 3/10  7 s left", "second: 3/10  7 s left",
    ]  # fmt: skip


def test_bars_of_workers_stand_below_that_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=140, color_system=None)
    monkeypatch.setattr(progress, "console", console)
    monkeypatch.setattr(progress, "NOTE_INTERVAL", 0.01)
    paths = [tmp_path / name for name in ("first", "second", "not begun")]
    for path in paths[:2]:
        ProgressNote(f"[{path.name}]", 3, 10, ("64 images/s", "7 s left")).write(path)
    paths[2].write_text('{"descr')  # being written
    with meter("units of work", 4) as parent, following(parent, lambda: paths):
        deadline = time.monotonic() + 60
        while "[second]" not in screen.getvalue():
            assert time.monotonic() < deadline
            parent.advance(0)
            time.sleep(0.01)
    text = screen.getvalue()
    assert all(part in text for part in ("3/10", "64 images/s, 7 s left", "[first]"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"descr',
        b"[1, 2]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"description": "a", "done": Infinity, "total": 2, "told": []}',
        b'{"description": "a", "done": "1", "total": 2, "told": []}',
        b'{"description": "a", "done": 1, "total": 2, "told": "b"}',
    ],
    ids=lambda content: content[:12],
)
def test_damaged_notes_are_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "unit.progress"
    path.write_bytes(content)
    assert ProgressNote.read(path) is None


def test_nobody_waits_for_a_note(tmp_path: Path) -> None:
    assert ProgressNote.read(tmp_path / "none") is None
    os.mkfifo(tmp_path / "pipe")
    assert ProgressNote.read(tmp_path / "pipe") is None


def test_a_note_that_cannot_be_written_stops_no_work(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with meter("work", 4, shown=False, noted=tmp_path / "file" / "unit.progress") as worker:
        work(worker, clock, 4, 1.0)


@given(st.dictionaries(st.text(), st.floats(0.1, 1e6), min_size=1))
def test_nothing_left_takes_no_time(expected: dict[str, float]) -> None:
    left = Remaining(expected)
    for piece in expected:
        left.done(piece)
    assert left.seconds([]) == 0
