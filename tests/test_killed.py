"""Every long command, stopped at random moments by every signal and run again: the same files."""

import io
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forking import command, start
from in_process import run_command
from killing import KILLS, LONGEST, computed, wait_until_computed
from PIL import Image

from nasneurn import cli, interruption

ROOT = Path(__file__).parents[1]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
#: What is another in each run of the same training.
CLOCK = ["seconds", "commit"]
#: Of a page: the day, and how long things took.
TIMES = re.compile(rb"\d{4}-\d\d-\d\d|\d+ (h|min|s)\b")


def tables(out: Path) -> dict[str, bytes]:
    """The rows of a study, and what was found, without how long it took."""
    found = {path.name: path.read_bytes() for path in out.glob("architecture.json")}
    for path in sorted(out.glob("*.csv")):
        rows = pd.read_csv(path, dtype=str).drop(columns=CLOCK, errors="ignore")
        found[path.name] = rows.to_csv().encode()
    return found


def all_files(out: Path) -> dict[str, bytes]:
    """All that a folder holds."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def page(out: Path) -> dict[str, bytes]:
    """A page without its times."""
    return {"page": TIMES.sub(b"", (out / "page.html").read_bytes())}


def packs(out: Path) -> dict[str, bytes]:
    """The arrays of the files of a domain."""
    found = {}
    for path in sorted(out.glob("mnistm_*.npz")):
        with np.load(path) as arrays:
            whole = io.BytesIO()
            for name in sorted(arrays):
                np.save(whole, arrays[name])
        found[path.name] = whole.getvalue()
    return found


def drafts(out: Path) -> list[Path]:
    """Files that were not finished, but for those of units, which go with these."""
    return [path for path in out.rglob(".*") if path.is_file()]


def wait_until_alone(group: int) -> None:
    """See that no process is left of those that a command has started; they may take a moment."""
    deadline = time.monotonic() + 20
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, "a process is left behind"
        time.sleep(0.05)


@dataclass(frozen=True)
class Case:
    """A command that is stopped: its words, what it is given, and what it must leave."""

    words: str
    left: Callable[[Path], Mapping[str, bytes]]
    given: Callable[[Path], None] = lambda folder: None


def digits_and_photos(folder: Path) -> None:
    """A small MNIST and photos, of which MNIST-M is made."""
    random_pixels = np.random.default_rng(0)
    folder.mkdir()
    for split, images_of in (("train", 3000), ("test", 1000)):
        images = np.zeros((images_of, 28, 28), np.uint8)
        images[:, 8:20, 8:20] = random_pixels.integers(0, 256, (images_of, 12, 12))
        np.savez(folder / f"mnist_{split}.npz", images=images, labels=np.arange(images_of) % 10)
    (folder / "photos").mkdir()
    for number in range(10):
        pixels = random_pixels.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")


CASES = {
    "bench": Case(
        "bench --models lcnet_050 --adaptation as-published --stems none,neurn --sources optdigits "
        "--seeds 1 --set train_images=400 --set epochs=3 --set batch_size=32 --device cpu "
        "--out {out}",
        tables,
    ),
    "search": Case(
        "search --space spos:width=0.25,blocks=[1,1,1,1] --stems neurn --sources optdigits "
        "--seeds 1 --set supernet.steps=20 --set supernet.population=4 --set supernet.parents=2 "
        "--set supernet.generations=2 --set supernet.calibration_images=64 --device cpu "
        "--out {out}",
        tables,
    ),
    "align": Case("align --models resnet18,vgg11,mobilenetv2_050,lcnet_050 --out {out}", all_files),
    "prepare": Case(
        "data prepare mnistm --data-dir {out} --photos {out}/photos", packs, digits_and_photos
    ),
    "report": Case(
        f"report {ROOT / 'results' / 'small-images' / 'fit'} --out {{out}}/page.html", page
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_killed_at_random_it_leaves_the_same_files(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, draw, log = CASES[name], random.Random(name), tmp_path / "log"

    def words(out: Path) -> list[str]:
        return case.words.format(out=out).split()

    def run_to_the_end(out: Path) -> float:
        """Seconds of a core that it took."""
        process = start(command, *words(out), log=log)
        seconds = 0.0
        while process.is_alive():
            seconds = max(seconds, computed(process))
            process.join(0.01)
        assert process.exitcode == 0, log.read_text()
        return seconds

    monkeypatch.setenv("NASNEURN_CACHE", str(tmp_path / "cache"))
    folders = (tmp_path / str(number) for number in count())

    def new_folder() -> Path:
        folder = next(folders) / "out"
        folder.parent.mkdir()
        case.given(folder)
        return folder

    whole, out, killed = new_folder(), new_folder(), 0
    seconds = run_to_the_end(whole)
    expected = case.left(whole)
    while killed < KILLS:
        process = start(command, *words(out), log=log)
        moment, number = draw.uniform(0, seconds), draw.choice(SIGNALS)
        if wait_until_computed(process, moment):
            os.kill(process.pid or 0, number)
            killed += 1
        process.join(LONGEST)
        print(f"{name}: {number.name} after {moment:.2f} s, exit code {process.exitcode}")
        told = log.read_text()
        assert process.exitcode in (0, 130, -number), told
        assert "Traceback" not in told
        wait_until_alone(process.pid or 0)
        for draft in drafts(out):
            os.utime(draft, (0, 0))  # long ago
        if process.exitcode == 0 or killed == KILLS:
            run_to_the_end(out)
            assert case.left(out) == expected
            assert not drafts(out)
            out = new_folder()


def test_a_signal_that_an_import_makes_an_error_of_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise ImportError("an extension failed to import")

    monkeypatch.setattr(interruption, "_requested", True)
    monkeypatch.setattr(cli, "app", fail)
    assert run_command(monkeypatch, "align") == 130
    assert capsys.readouterr().err.splitlines() == [
        "nasneurn: interrupted; run the same command again to continue"
    ]


IN_A_DESTRUCTOR = """
import os, signal, time
from nasneurn.interruption import Interrupted, raise_on_signals

class Ends:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)

raise_on_signals()
raise_on_signals()
one = Ends()
try:
    del one
    time.sleep(30)
    print("went on")
except Interrupted:
    print("stopped")
"""


def test_a_signal_where_nothing_can_be_broken_off_stops_the_command_a_moment_later() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_DESTRUCTOR], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr, done.returncode) == ("stopped\n", "", 0)
