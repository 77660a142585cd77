"""Saving the state of a training every so often, so that a killed one loses little."""

import os
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl


class TimedCheckpoint(pl.Callback):
    """Save the whole training state after a step, every so many seconds."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._last = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save, then rename, so that a run killed in between leaves the former state."""
        # Gradients of a step that is not complete are in no checkpoint.
        complete = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        due = complete and time.monotonic() - self._last >= self._seconds
        # Clocks of ranks differ, and all must take part: the first decides.
        if not (trainer.strategy.broadcast(due) if trainer.world_size > 1 else due):
            return
        partial = self._path.with_suffix(".part")
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            os.replace(partial, self._path)
        self._last = time.monotonic()
