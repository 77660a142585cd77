"""Trainings that break off after a batch, with a checkpoint of it."""

from pathlib import Path
from typing import Any

import pytest

from nasneurn.studies import train
from nasneurn.training.fit import StepMonitor
from search_spaces.checkpointing import TimedCheckpoint


class Stop(BaseException):
    pass


class StopAt(TimedCheckpoint):
    """Checkpoints after every batch, and breaks off after one."""

    def __init__(self, path: Path, at: int) -> None:
        super().__init__(path, 0.0)
        self._at = at

    def on_train_batch_end(self, *arguments: Any) -> None:
        super().on_train_batch_end(*arguments)
        if arguments[-1] == self._at:
            raise Stop


def kill_at_step(monkeypatch: pytest.MonkeyPatch, number: int) -> list[Any]:
    """Let any training end at a step, once; what it gives back grows by one for each step."""
    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", 0.0)
    plain, steps = StepMonitor.on_train_batch_end, list[Any]()

    def killed(self: StepMonitor, *given: Any) -> None:
        steps.append(given)
        if len(steps) == number:
            raise KeyboardInterrupt
        plain(self, *given)

    monkeypatch.setattr(StepMonitor, "on_train_batch_end", killed)
    return steps
