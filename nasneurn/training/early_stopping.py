"""Which pass's weights are kept: the best on held-out source images, the last, or an oracle's."""

import copy
import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

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

    def best_for(self, target: str) -> dict[str, float]:
        """The record of the pass whose weights a target is to be measured with."""
        return self.best

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
        if self._losses and (self._last or not self.history):  # of a pass that was not whole
            self._measure(pl_module)
        if self._last:
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


class OracleSelection(HeldOutSelection):
    """Keeps for each target the weights of the pass that did best on images held out of it.

    It looks at the target, and so bounds what a selection of passes could give. The oracle of
    Gulrajani and Lopez-Paz, "In Search of Lost Domain Generalization", ICLR 2021, section 3, is
    less: it looks at the target to choose hyperparameters, and takes the last weights of each. All
    passes are made. Of equal accuracies the earlier counts. The network itself ends with its last
    weights; :meth:`restore` gives it those of a target.

    Args:
        held_out: held-out source images, which are measured as ever and select nothing.
        every: batches in a pass.
        targets: images that select, by target.
    """

    def __init__(self, held_out: Images, every: int, targets: Mapping[str, Images]) -> None:
        super().__init__(held_out, every, patience=1, last=True)
        self._targets = targets
        #: The best pass so far and its accuracy, by target.
        self._chosen: dict[str, tuple[int, float]] = {}
        #: Weights by pass: those of several targets are often of one.
        self._kept: dict[int, dict[str, Tensor]] = {}

    def best_for(self, target: str) -> dict[str, float]:
        """See :class:`HeldOutSelection`."""
        return self.history[self._chosen[target][0] - 1]

    def restore(self, network: nn.Module, target: str) -> None:
        """Give the network the weights of a target."""
        network.load_state_dict(self._kept[self._chosen[target][0]])

    def _measure(self, pl_module: pl.LightningModule) -> None:
        super()._measure(pl_module)
        assert isinstance(pl_module, ClassificationModule)
        network, number = pl_module.measured.eval(), len(self.history)
        for target, images in self._targets.items():
            found = accuracy(network, images)
            if target not in self._chosen or found > self._chosen[target][1]:
                self._chosen[target] = (number, found)
        wanted = {chosen for chosen, _ in self._chosen.values()}
        if number in wanted:
            self._kept[number] = copy.deepcopy(network.state_dict())
        self._kept = {one: weights for one, weights in self._kept.items() if one in wanted}
        network.train()
        self._mark = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {**super().state_dict(), "chosen": self._chosen, "kept": self._kept}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        super().load_state_dict(state_dict)
        self._chosen, self._kept = state_dict["chosen"], state_dict["kept"]
