"""Early stopping: keep the weights that do best on held-out source images, or the last."""

import copy
import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from nasneurn.training.evaluation import accuracy
from nasneurn.training.fit import batch_loss
from nasneurn.training.images import Images
from nasneurn.training.module import ClassificationModule


class HeldOutSelection(pl.Callback):
    """Measures the network after each pass over the data, and stops when it no longer improves.

    The held-out images are of the source: no target is seen. Of equal accuracies the earlier
    counts. The state, with the best weights, is part of Lightning's checkpoints.

    Args:
        held_out: the images that select.
        every: batches in a pass ("epoch" below).
        patience: passes without a better accuracy after which training stops.
        last: keep the last weights whatever their accuracy, and stop at the end alone.

    Attributes:
        history: one record a pass: ``epoch`` (from 1), ``loss`` (mean of its batches),
            ``held_out_accuracy`` and ``seconds``.
        best: the record of the pass whose weights are the best.
    """

    def __init__(self, held_out: Images, every: int, patience: int, *, last: bool = False) -> None:
        self._last = last
        self._held_out = held_out
        self._every = every
        self._patience = patience
        self._losses: list[Tensor] = []
        self._weights: dict[str, Tensor] = {}
        self.history: list[dict[str, float]] = []
        self.best: dict[str, float] = {"epoch": 0, "held_out_accuracy": -1.0}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock; a run killed after its last pass is over."""
        self._mark = time.monotonic()
        trainer.should_stop = self._over

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Note the loss; after the last batch of a pass, measure."""
        self._losses.append(batch_loss(trainer, outputs))
        if (batch_idx + 1) % self._every == 0:
            self._measure(pl_module)
            trainer.should_stop = self._over

    def _measure(self, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, ClassificationModule)
        network = pl_module.measured.eval()
        record = {
            "epoch": len(self.history) + 1,
            "loss": float(torch.stack(self._losses).double().mean()),
            "held_out_accuracy": accuracy(network, self._held_out),
            "seconds": time.monotonic() - self._mark,
        }
        network.train()
        self._mark = time.monotonic()
        self._losses = []
        self.history.append(record)
        self._note_best()
        if self.best is record and not self._last:
            self._weights = copy.deepcopy(network.state_dict())

    def _note_best(self) -> None:
        # Of equal accuracies the earlier.
        kept = self.history[-1:] if self._last else self.history
        self.best = max(kept, key=lambda record: record["held_out_accuracy"])

    @property
    def _over(self) -> bool:
        since = len(self.history) - self.best["epoch"]
        return not self._last and since >= self._patience

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the network its best weights."""
        assert isinstance(pl_module, ClassificationModule)
        if self._last:
            if self._losses:  # of a pass that was not whole
                self._measure(pl_module)
            self._weights = pl_module.measured.state_dict()
        pl_module.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"losses": self._losses, "weights": self._weights, "history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self._losses = state_dict["losses"]
        self._weights = state_dict["weights"]
        self.history = state_dict["history"]
        if self.history:
            self._note_best()
