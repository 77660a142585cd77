"""Supernets trained by several processes together (gloo), and candidates scored by workers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_search import MINUTE, same_search, tiny_config

from nasneurn.errors import InputError
from nasneurn.studies.folder import Study
from nasneurn.studies.run import Execution, StudyRun
from nasneurn.training.devices import Machines

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def trained(space: str, processes: int, out: Path) -> list[dict[str, torch.Tensor]]:
    """The weights that each process of one training ends with."""
    out.mkdir()
    command = [sys.executable, str(HERE / "tiny_ddp.py"), space, str(processes), str(out)]
    subprocess.run(command, check=True, env=ENVIRONMENT, timeout=300, capture_output=True)
    return [torch.load(out / f"rank{rank}.pt", weights_only=True) for rank in range(processes)]


@pytest.mark.slow
@pytest.mark.parametrize("space", ["spos", "autoformer"])
def test_two_processes_train_the_same_weights(space: str, tmp_path: Path) -> None:
    first, second = trained(space, 2, tmp_path / "two")
    learned = [key for key in first if "running" not in key and "num_batches" not in key]
    # Batch-norm statistics are of each rank's own share; all that is learned is the same.
    assert all(torch.equal(first[key], second[key]) for key in learned)
    if space == "autoformer":  # no batch norm: two half batches are the whole one
        (alone,) = trained(space, 1, tmp_path / "one")
        for key, value in alone.items():
            torch.testing.assert_close(first[key], value, rtol=0, atol=1e-3)


@pytest.mark.slow
def test_the_command_trains_on_two_devices(tmp_path: Path) -> None:
    out = tmp_path / "out"
    small = ["steps=3", "population=3", "generations=1", "batch_size=16"]
    changes = [word for change in small for word in ("--set", f"supernet.{change}")]
    command = [
        sys.executable, "-m", "nasneurn", "search", "--space", "autoformer", "--device", "cpu",
        "--devices", "2", *changes, "--out", str(out),
    ]  # fmt: skip
    done = subprocess.run(command, env=ENVIRONMENT, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("written to") == 1
    assert len(Study(out).accuracy) == 4


@pytest.mark.slow
@pytest.mark.parametrize("seeds", ["1", "2"])
def test_workers_give_the_rows_of_one_process(seeds: str, tmp_path: Path) -> None:
    # One supernet: its candidates are shared out. Two: the supernets are.
    changes = {**MINUTE, "supernet.population": 4}
    config = tiny_config(seeds=[seeds], changes=changes)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as each worker has
    try:
        alone = StudyRun(config, tmp_path / "alone", Execution(device="cpu")).run()
        shared = Execution(device="cpu", workers=2)
        together = StudyRun(config, tmp_path / "together", shared).run()
    finally:
        torch.set_num_threads(threads)
    same_search(alone, together)


def test_devices_and_workers_exclude_each_other(tmp_path: Path) -> None:
    both = Execution(device="cpu", workers=2, machines=Machines(2))
    with pytest.raises(InputError, match="not with --workers"):
        StudyRun(tiny_config(), tmp_path / "out", both)
