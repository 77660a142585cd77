"""Processes that are killed without warning, at chosen moments and at random ones."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
from forking import start

#: How often each is killed that is killed at random moments. ``NASNEURN_KILLS=20 pytest -m slow
#: -k killed_at_random -rP`` kills each twenty times, and tells when.
KILLS = int(os.environ.get("NASNEURN_KILLS", "2"))
#: Seeds of a study that two processes share. Each has two units, so that after every kill there is
#: one left to do.
SEEDS = KILLS // 2 + 1
#: Most that a process of these computes before it is killed, in seconds of a core; other work on
#: the machine does not count.
SECONDS = 7.0
#: Seconds until a process must have come to a moment, also on a machine that has much else to do.
LONGEST = 600.0


def kill_when(command: Sequence[str], ready: Callable[[], bool]) -> None:
    """Start a process and kill it at the moment that something is so."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + LONGEST
        while not ready():
            assert process.poll() is None, "the process ended before the moment to kill it"
            assert time.monotonic() < deadline, "the moment to kill the process never came"
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def units_done(folder: Path) -> list[str]:
    """The units that the store of a study holds as finished, each as often as it was."""
    lines = [
        json.loads(line)
        for path in (folder / "store").glob("*.jsonl")
        for line in path.read_text().split("\n")[:-1]
    ]
    return [line["unit"] for line in lines if line["status"] == "done"]


def computed(process: BaseProcess) -> float:
    """Seconds of a core that a process has used; those of one that has ended are no more."""
    try:
        used = psutil.Process(process.pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return used.user + used.system


def wait_until_computed(process: BaseProcess, seconds: float) -> bool:
    """Wait until a process has computed for so long; whether it still lives then."""
    deadline = time.monotonic() + LONGEST
    while process.is_alive() and computed(process) < seconds:
        assert time.monotonic() < deadline, "the process does not compute"
        time.sleep(0.005)
    return process.is_alive()


def kill_two_at_random(
    work: Callable[..., Any], arguments: Sequence[str], folder: Path, seed: int
) -> None:
    """Start two processes on one folder and kill both at once, :data:`KILLS` times.

    The moment is drawn, and comes sooner where the next kill would find no unit left to do.
    """
    draw, units = random.Random(seed), 2 * SEEDS
    for left in range(KILLS, 0, -1):
        both = [
            start(work, *arguments, log=folder.with_name(f"{number}.log")) for number in range(2)
        ]
        try:
            end, spent, living = draw.uniform(0, SECONDS), 0.0, both
            while living and spent < end and len(units_done(folder)) < units - left:
                time.sleep(0.01)
                spent = max(map(computed, both))
                living = [process for process in both if process.is_alive()]
        finally:
            for process in both:
                process.kill()
                process.join()
        locks = len(list((folder / "state" / "locks").glob("*.json")))
        print(
            f"killed {len(living)} after {spent:.2f} s: {locks} locks left, "
            f"{len(units_done(folder))} of {units} units done"
        )
        assert living, "both processes ended before they were killed"
