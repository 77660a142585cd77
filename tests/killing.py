"""Processes that are killed without warning, at chosen moments and at random ones."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

#: How often a study that two processes share is killed. ``NASNEURN_KILLS=10 pytest -m slow -k
#: killed_at_random -rP`` kills each ten times, in a study that grows with it, and tells when.
KILLS = int(os.environ.get("NASNEURN_KILLS", "3"))
#: Seeds of such a study. Each has two units, so that after every kill there is one left to do.
SEEDS = KILLS // 2 + 1
#: Most that a process computes before it is killed, in seconds of a core from when it begins to
#: work; other work on the machine does not count.
SECONDS = 7.0
#: Seconds until a process must have come to a moment, also on a machine that has much else to do.
LONGEST = 600.0
#: What a process prints when it begins to work.
BEGUN = "begun"


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


def computed(process: subprocess.Popen[str]) -> float:
    """Seconds of a core that a process has used; 0 where it has ended."""
    if process.poll() is not None:
        return 0.0
    used = psutil.Process(process.pid).cpu_times()
    return used.user + used.system


def kill_two_at_random(command: Sequence[str], folder: Path, seed: int) -> None:
    """Start two processes on one folder and kill both at once, :data:`KILLS` times.

    The moment is drawn, and comes sooner where the next kill would find no unit left to do.
    """
    draw, units = random.Random(seed), 2 * SEEDS
    for left in range(KILLS, 0, -1):
        both = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for _ in range(2)
        ]
        try:
            assert [process.stdout.readline() for process in both if process.stdout] == (
                2 * [f"{BEGUN}\n"]
            )
            end = draw.uniform(0, SECONDS)
            begun = [computed(process) for process in both]
            living, spent = both, 0.0
            while living and spent < end and len(units_done(folder)) < units - left:
                time.sleep(0.01)
                spent = max(
                    computed(process) - start for process, start in zip(both, begun, strict=True)
                )
                living = [process for process in both if process.poll() is None]
            for process in living:
                process.kill()
            locks = len(list((folder / "state" / "locks").glob("*.json")))
            print(
                f"killed {len(living)} after {spent:.2f} s: {locks} locks left, "
                f"{len(units_done(folder))} of {units} units done"
            )
        finally:
            for process in both:
                process.kill()
                process.communicate()
        assert living, "both processes ended before they were killed"
