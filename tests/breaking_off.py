"""Trainings that break off after a batch, with a checkpoint of it."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl

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
    """Let any training end at a step, once; what it gives back grows by one for each step.

    Steps that are only timed, for an estimate, do not count: they leave no checkpoints.
    """
    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", 0.0)
    plain, steps = StepMonitor.on_train_batch_end, list[Any]()

    def killed(self: StepMonitor, trainer: pl.Trainer, *given: Any) -> None:
        if any(isinstance(one, TimedCheckpoint) for one in trainer.callbacks):
            steps.append(given)
            if len(steps) == number:
                raise KeyboardInterrupt
        plain(self, trainer, *given)

    monkeypatch.setattr(StepMonitor, "on_train_batch_end", killed)
    return steps
