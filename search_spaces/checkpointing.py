"""Saving the state of a training every so often, so that a killed one loses little.

A state is a help and no more: one that cannot be written or read ends no training.
"""

import os
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from search_spaces.errors import one_line

#: What a whole state holds, of all that Lightning puts into it.
PARTS = frozenset({"state_dict", "optimizer_states", "loops", "global_step"})


def readable_state(path: Path) -> Path | None:
    """The file of a state, if there is one that can be gone on from.

    One that is damaged is told and removed, so that the training begins anew. Only tensors and
    plain data are read: no code in the file is run.
    """
    if not path.is_file():  # a named pipe would let it wait for ever
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # compares the checksums, which PyTorch writes
        if damaged is not None:
            raise ValueError(f"{damaged} is damaged")
        content = torch.load(path, map_location="cpu", weights_only=True)
        lacking = PARTS - set(content)
        if lacking:
            raise ValueError(f"it has no {', '.join(sorted(lacking))}")
    except Exception as error:  # damaged bytes raise nearly anything: zip, pickle, PyTorch
        discard(path, error)
        return None
    return path


def discard(path: Path, error: BaseException) -> None:
    """Remove a state that cannot be gone on from, and tell it."""
    print(f"{path}: cannot be read ({one_line(error)}); the training begins anew", file=sys.stderr)
    with suppress(OSError):
        path.unlink()


class TimedCheckpoint(pl.Callback):
    """Save the whole training state after a step, every so many seconds."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._last = time.monotonic()
        self._told = False

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save, then rename, so that a run killed in between leaves the former state.

        Where that fails, as on a full disk, the training goes on, and it is tried again later.
        """
        # Gradients of a step that is not complete are in no checkpoint.
        complete = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        due = complete and time.monotonic() - self._last >= self._seconds
        # Clocks of ranks differ, and all must take part: the first decides.
        if not (trainer.strategy.broadcast(due) if trainer.world_size > 1 else due):
            return
        partial = self._path.with_suffix(".part")
        try:
            if trainer.is_global_zero:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            trainer.save_checkpoint(partial)
            if trainer.is_global_zero:
                os.replace(partial, self._path)
        except (OSError, RuntimeError) as error:  # PyTorch's writer raises the latter
            if trainer.world_size > 1 and trainer.is_global_zero:
                trainer.strategy.barrier()  # at which the others wait, who write nothing
            with suppress(OSError):
                partial.unlink()
            self._tell(error)
        self._last = time.monotonic()

    def _tell(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            print(
                f"{self._path}: cannot be written ({one_line(error)}); the training goes on, and "
                "would begin anew if it were stopped now",
                file=sys.stderr,
            )
