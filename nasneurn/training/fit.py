"""Training one fixed network, and what watches the steps of any training."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging
from torch import Tensor, nn

from nasneurn.algorithms import Algorithm, Task
from nasneurn.algorithms.interface import capturable, hook
from nasneurn.algorithms.watching import evaluating
from nasneurn.errors import InputError
from nasneurn.progress import Meter
from nasneurn.training.fine_tuning import Body
from nasneurn.training.images import ShuffledBatches
from nasneurn.training.memory import out_of_memory
from nasneurn.training.module import ClassificationModule
from nasneurn.training.protocol import Optimization
from search_spaces.quiet import quiet

#: Seconds between two looks at the loss; each waits for the device.
LOOK_SECONDS = 1.0


class UnfitState(Exception):
    """A saved state that is whole, and that this training cannot go on from."""

    def __init__(self, path: Path, error: BaseException) -> None:
        super().__init__(f"{path}: {error}")
        self.path = path
        self.error = error


class StepMonitor(pl.Callback):
    """Shows the batches done and the loss on a progress meter, and refuses losses not finite.

    Args:
        meter: counts the batches.
        learning_rate: what the refusal names.
    """

    def __init__(self, meter: Meter, learning_rate: float) -> None:
        self._meter = meter
        self._learning_rate = learning_rate
        self._note = ""
        self._finite: Tensor | None = None
        self._looked = -math.inf
        #: Whether training goes on, from its beginning or from a state that fits it.
        self.begun = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count what a resumed run did before."""
        self.begun = True
        self._meter.skip(trainer.fit_loop.batch_idx + 1)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Count one batch; look at the loss once in a while."""
        if isinstance(outputs, dict):
            loss = batch_loss(trainer, outputs)
            finite = torch.isfinite(loss)
            self._finite = finite if self._finite is None else self._finite & finite
            if time.monotonic() - self._looked > LOOK_SECONDS:
                self._look(trainer)
                self._note = f"loss {float(loss):.2f}"
                self._looked = time.monotonic()
        self._meter.advance(1, self._note)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look a last time."""
        self._look(trainer)

    def _look(self, trainer: pl.Trainer) -> None:
        if self._finite is not None and not bool(self._finite):
            raise InputError(
                f"the loss is no longer finite at step {trainer.global_step}; "
                f"a learning rate below {self._learning_rate} may help"
            )


def batch_loss(trainer: pl.Trainer, outputs: dict[str, Any]) -> Tensor:
    """The mean loss of a batch, which Lightning divides by the batches that make a step."""
    loss: Tensor = outputs["loss"].detach()
    return loss * trainer.accumulate_grad_batches


def averaging(decay: float) -> list[pl.Callback]:
    """Lightning's running average of the weights, which takes their place at the end; 0 is none.

    Buffers are left alone: batch-norm statistics of a supernet mean nothing, averaged or not.
    """
    if not decay:
        return []
    return [EMAWeightAveraging(decay=decay, use_buffers=False)]


def _can_capture(algorithm: Algorithm, device: torch.device) -> bool:
    return device.type == "cuda" and capturable(algorithm)


def fit(
    network: nn.Module,
    loader: ShuffledBatches,
    optimization: Optimization,
    algorithm: Algorithm,
    seed: int,
    device: torch.device,
    progress: Meter,
    *,
    body: Body | None = None,
    callbacks: Sequence[pl.Callback] = (),
    resume_from: Path | None = None,
    capture: bool = False,
    **trainer_options: Any,
) -> None:
    """Train a fixed network on each batch of ``loader`` in turn, in place, on ``device``.

    Args:
        body: the part of the network whose layers ``optimization`` names, if it names any.
        callbacks: more of Lightning's callbacks.
        resume_from: a checkpoint that one of them wrote; training continues after it.
        capture: take the steps as CUDA graphs, if this is a GPU and the algorithm says that its
            loss can be captured.
        trainer_options: further options of ``pytorch_lightning.Trainer``, such as ``precision``.

    Raises:
        InputError: the loss is not finite.
        UnfitState: training cannot go on from ``resume_from``.
        CannotCapture: the network's steps cannot be captured.
    """
    parts = trainer_options.get("accumulate_grad_batches", 1)
    steps = len(loader) // parts
    captured = capture and parts == 1 and _can_capture(algorithm, device)
    module = ClassificationModule(optimization, algorithm, steps, seed, body, captured=captured)
    module.set_model(network)
    if hook(algorithm, "prepare") is not None:  # else no one asks how many classes there are
        with torch.no_grad(), evaluating(network):
            classes = network(loader.data.pixels(np.arange(2))).shape[1]
        module.prepare(Task(loader.data, classes, loader.sources, steps))
    monitor = StepMonitor(progress, optimization.learning_rate)
    with quiet("pytorch_lightning", "lightning_fabric"):
        trainer = pl.Trainer(
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[monitor, *callbacks],
            accelerator=device.type,
            devices=1,
            **trainer_options,
        )
        try:
            trainer.fit(module, loader, ckpt_path=resume_from, weights_only=True)
        except Exception as error:
            if resume_from is not None and not monitor.begun and not out_of_memory(error):
                raise UnfitState(resume_from, error) from error
            raise
