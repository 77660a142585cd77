"""Curves of a training for TensorBoard, while it runs; an extra, and off unless asked for."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl

from nasneurn.errors import InputError
from nasneurn.training.fit import batch_loss

if TYPE_CHECKING:
    from nasneurn.training.early_stopping import HeldOutSelection

#: Steps between two points of the loss; each waits for the device.
EVERY = 20


def need_tensorboard() -> None:
    """See that the extra is there.

    Raises:
        InputError: it is not.
    """
    from importlib.util import find_spec

    if find_spec("tensorboard") is None:
        raise InputError("--tensorboard needs an extra: pip install 'nasneurn[tensorboard]'")


class Curves(pl.Callback):
    """Writes the loss, the images a second and held-out accuracy by step; changes no training.

    Args:
        folder: of all curves of a study.
        title: the training in words.
        identity: its hash, so that no two trainings share a curve.
        batch_size: images of a batch.
        selection: what measures after each pass; of a supernet nothing does.
    """

    def __init__(
        self,
        folder: Path,
        title: str,
        identity: str,
        batch_size: int,
        selection: "HeldOutSelection | None" = None,
    ) -> None:
        from pytorch_lightning.loggers import TensorBoardLogger

        words = "".join(letter if letter.isalnum() or letter in "-=." else "_" for letter in title)
        # Names of files have at most 255 bytes.
        self._logger = TensorBoardLogger(
            str(folder), name="", version=f"{words[:80]}-{identity[:8]}"
        )
        self._batch_size = batch_size
        self._selection = selection
        self._told = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock; passes of a run that was broken off are there already."""
        self._mark, self._step = time.monotonic(), trainer.global_step
        self._told = len(self._selection.history) if self._selection else 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Write what is new."""
        step = trainer.global_step
        if isinstance(outputs, dict) and (batch_idx + 1) % EVERY == 0:
            seconds = max(time.monotonic() - self._mark, 1e-9)
            shown = (step - self._step) * trainer.accumulate_grad_batches * self._batch_size
            values = {"loss": float(batch_loss(trainer, outputs)), "images/s": shown / seconds}
            self._logger.log_metrics(values, step)
            self._mark, self._step = time.monotonic(), step
        self._write_passes(step)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what was measured at the end, and close the file."""
        self._write_passes(trainer.global_step)
        self._logger.finalize("success")

    def _write_passes(self, step: int) -> None:
        history = self._selection.history if self._selection else []
        for record in history[self._told :]:
            values = {"held_out_accuracy": record["held_out_accuracy"], "mean_loss": record["loss"]}
            self._logger.log_metrics(values, step)
        self._told = len(history)
