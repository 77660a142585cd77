"""The LightningModule that trains fixed networks and supernets alike."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from nasneurn.algorithms import Algorithm, Task
from nasneurn.algorithms.interface import hook, takes_domains
from nasneurn.training.augmentation import shifted
from nasneurn.training.captured import CapturedStep
from nasneurn.training.fine_tuning import Body, freeze, parameter_groups
from nasneurn.training.protocol import Optimization

#: By the name that :class:`nasneurn.training.protocol.Protocol` has.
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adamw": partial(torch.optim.AdamW, fused=True),
    "sgd": partial(torch.optim.SGD, momentum=0.9, fused=True),
}


class ClassificationModule(pl.LightningModule):
    """Trains ``model`` (N, 3, H, W) -> (N, classes) by an algorithm, on labelled batches.

    All that is random in a step (augmentation, an algorithm's draws, dropout) is a function of
    ``seed`` and the batch, so that a resumed run draws what it would have drawn. No step waits for
    the device: whether losses are finite is for :class:`nasneurn.training.fit.StepMonitor` to see.

    Args:
        optimization: optimizer, schedule and augmentation.
        algorithm: gives the loss of a batch.
        steps: optimizer steps of the whole training, which the schedule spans.
        seed: of the draws in the steps; weights are drawn by whoever makes the network.
        body: the part of ``model`` whose layers ``optimization`` names, if it names any.
        captured: whether steps are CUDA graphs; see :mod:`nasneurn.training.captured`.
    """

    def __init__(
        self,
        optimization: Optimization,
        algorithm: Algorithm,
        steps: int,
        seed: int,
        body: Body | None = None,
        *,
        captured: bool = False,
    ) -> None:
        super().__init__()
        self._optimization = optimization
        self._algorithm = algorithm
        self._criterion = partial(F.cross_entropy, label_smoothing=optimization.label_smoothing)
        self._with_domains = takes_domains(algorithm)
        self._steps = steps
        self._seed = seed
        self._captured = captured
        #: Takes whole steps, where they are captured.
        self._step: CapturedStep | None = None
        self._body = body if optimization.tunes_layers else None
        #: Batch norms that stay in evaluation mode, whoever sets the network to training.
        self._resting = freeze(body, optimization.frozen) if body and optimization.frozen else []
        #: The algorithm's own part: trained beside the network, and in each checkpoint.
        self.own: nn.Module | None = None

    @property
    def model(self) -> nn.Module:
        """The network under training."""
        return self._model

    def set_model(self, model: nn.Module) -> None:
        """Choose the network to train."""
        self._model = model

    def prepare(self, task: Task) -> None:
        """Let the algorithm get ready for this task; its own part is drawn by the seed."""
        prepare = hook(self._algorithm, "prepare")
        if prepare is not None:
            torch.manual_seed(self._seed)
            self.own = prepare(self._model, task)

    @property
    def measured(self) -> nn.Module:
        """What is measured: the network, or what its algorithm makes of it."""
        measured = hook(self._algorithm, "measured")
        network: nn.Module = self._model if measured is None else measured(self._model)
        return network

    def cpu(self) -> Self:
        """Stay on the device: Lightning's teardown would take the network to the CPU."""
        return self

    def forward(self, x: Tensor) -> Tensor:
        """The network's logits."""
        return self._model(x)  # type: ignore[no-any-return]

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """The loss of one batch; of several ranks, each takes its share of the images."""
        rank, ranks = self.trainer.global_rank, self.trainer.world_size
        images, labels, *domains = (part[rank::ranks] for part in batch)
        stream = np.random.SeedSequence([self._seed, batch_idx, *([rank] if rank else [])])
        torch.manual_seed(int(stream.generate_state(1, np.uint64)[0]))
        images = shifted(images, self._optimization.shift)
        for norm in self._resting:
            norm.eval()
        begin = hook(self._algorithm, "before_step")
        if begin is not None and batch_idx % self.trainer.accumulate_grad_batches == 0:
            with torch.autocast(images.device.type, enabled=False):
                begin(self._model, batch_idx // self.trainer.accumulate_grad_batches)
        if self._captured:
            if self._step is None:
                optimizer = self.optimizers(use_pl_optimizer=False)
                assert isinstance(optimizer, Optimizer)
                self._step = CapturedStep(self._loss, optimizer)
            return self._step(images, labels)
        given = {}
        if self._with_domains:
            given["domains"] = domains[0] if domains else torch.zeros_like(labels)
        return self._loss(images, labels, **given)

    def _loss(self, images: Tensor, labels: Tensor, **given: Tensor) -> Tensor:
        return self._algorithm.loss(self, images, labels, self._criterion, **given)

    def backward(self, loss: Tensor, *rest: Any, **options: Any) -> None:
        """Compute the gradients, unless a captured step has used them already."""
        if not self._captured:
            super().backward(loss, *rest, **options)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Drop the gradients, which a captured step does by itself."""
        if not self._captured:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Take a step, and tell the algorithm of it."""
        if self._captured:
            assert optimizer_closure is not None
            optimizer_closure()
        else:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        end = hook(self._algorithm, "after_step")
        if end is not None:
            end(self._model, (batch_idx + 1) // self.trainer.accumulate_grad_batches)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer with its schedule, advanced at every step."""
        weights = self.parameters()
        optimizer = OPTIMIZERS[self._optimization.optimizer](
            parameter_groups(self, self._body, self._optimization) if self._body else weights,
            lr=self._optimization.learning_rate,
            weight_decay=self._optimization.weight_decay,
        )
        if self._optimization.schedule == "constant":
            return optimizer
        # Not the trainer's estimate of the steps: asking for it sets up the loader before a
        # checkpoint is read, and the loader's position in the checkpoint is then passed over.
        warm_up = max(1, self._steps // 10)

        def factor(step: int) -> float:
            if step < warm_up:
                return (step + 1) / warm_up
            done = (step - warm_up) / max(1, self._steps - warm_up)
            return 0.5 * (1 + math.cos(math.pi * done))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
