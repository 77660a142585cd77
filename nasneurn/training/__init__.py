"""Training: one LightningModule for fixed networks and supernets, on data that sits in memory."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from nasneurn.errors import InputError
from nasneurn.progress import Meter
from nasneurn.training.images import DeviceImages, ShuffledBatches, SourceImages, as_pixels
from search_spaces.quiet import quiet


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto`` is the first GPU, where there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device is 'cuda', but PyTorch finds no GPU here; use 'cpu' or 'auto'")
    if name not in ("cpu", "cuda"):
        raise InputError(f"device is {name!r}, must be 'auto', 'cpu' or 'cuda'")
    return torch.device(name)


@dataclass(frozen=True)
class Machines:
    """Where one training runs: ``devices`` on each of ``nodes``, joined by a Lightning strategy.

    ``strategy`` is any that Lightning knows; "auto" is distributed data parallel for several.
    """

    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"

    @property
    def several(self) -> bool:
        """Whether more than one process trains."""
        return self.devices * self.nodes > 1

    @property
    def trainer_options(self) -> dict[str, Any]:
        """Options of ``pytorch_lightning.Trainer``."""
        strategy = self.strategy
        if strategy == "auto" and self.several:
            # A path leaves most of a supernet without gradients.
            strategy = "ddp_find_unused_parameters_true"
        return {"devices": self.devices, "num_nodes": self.nodes, "strategy": strategy}


#: What Lightning calls each precision.
LIGHTNING_PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
}

#: One device of one machine.
ALONE = Machines()


def process_rank() -> int:
    """The rank of this process among those that train together, by the environment; 0 if alone."""
    return int(getattr(rank_zero_only, "rank", 0))


def shifted(images: Tensor, most: int) -> Tensor:
    """Each image (of N, C, H, W) moved by up to ``most`` pixels either way, its border repeated."""
    if most == 0:
        return images
    count, _, height, width = images.shape
    device = images.device
    rows = torch.arange(height, device=device) + torch.randint(
        -most, most + 1, (count, 1), device=device
    )
    columns = torch.arange(width, device=device) + torch.randint(
        -most, most + 1, (count, 1), device=device
    )
    picked = images.permute(0, 2, 3, 1)[
        torch.arange(count, device=device)[:, None, None],
        rows.clamp(0, height - 1)[:, :, None],
        columns.clamp(0, width - 1)[:, None, :],
    ]
    return picked.permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: AdamW (Adam, where ``weight_decay`` is 0).

    ``schedule`` is ``"cosine"``, a linear warm-up over a tenth of the steps and a cosine behind
    it, or ``"constant"``. ``shift`` moves each training image by up to so many pixels.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    schedule: Literal["cosine", "constant"] = "cosine"
    label_smoothing: float = 0.0
    shift: int = 0


class ClassificationModule(pl.LightningModule):
    """Trains ``model`` (N, 3, H, W) -> (N, classes) on the cross-entropy of labelled batches.

    All that is random in a step (augmentation, a stem's draws, dropout) is a function of ``seed``
    and the batch, so that a resumed run draws what it would have drawn.

    Parameters
    ----------
    recipe:
        Optimizer, schedule and augmentation.
    steps:
        Optimizer steps of the whole training, which the schedule spans.
    seed:
        Of the draws in the steps; weights are drawn by whoever makes the network.
    """

    def __init__(self, recipe: Recipe, steps: int, seed: int) -> None:
        super().__init__()
        self._recipe = recipe
        self._steps = steps
        self._seed = seed

    @property
    def model(self) -> nn.Module:
        """The network under training."""
        return self._model

    def set_model(self, model: nn.Module) -> None:
        """Choose the network to train."""
        self._model = model

    def forward(self, x: Tensor) -> Tensor:
        """The network's logits."""
        return self._model(x)  # type: ignore[no-any-return]

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of one batch; of several ranks, each takes its share of the images."""
        rank, ranks = self.trainer.global_rank, self.trainer.world_size
        images, labels = (part[rank::ranks] for part in batch)
        stream = np.random.SeedSequence([self._seed, batch_idx, *([rank] if rank else [])])
        torch.manual_seed(int(stream.generate_state(1, np.uint64)[0]))
        logits = self(shifted(images, self._recipe.shift))
        loss = F.cross_entropy(logits, labels, label_smoothing=self._recipe.label_smoothing)
        if not torch.isfinite(loss.detach()):
            raise InputError(
                f"the loss is {loss.item()} at step {self.trainer.global_step}; "
                f"a learning rate below {self._recipe.learning_rate} may help"
            )
        return loss

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer with its schedule, advanced at every step."""
        optimizer = torch.optim.AdamW(
            self.parameters(),
            lr=self._recipe.learning_rate,
            weight_decay=self._recipe.weight_decay,
            fused=True,
        )
        if self._recipe.schedule == "constant":
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


def averaging(decay: float) -> list[pl.Callback]:
    """Lightning's running average of the weights, which takes their place at the end; 0 is none.

    Buffers are left alone: batch-norm statistics of a supernet mean nothing, averaged or not.
    """
    if not decay:
        return []
    return [EMAWeightAveraging(decay=decay, use_buffers=False)]


class MeterCallback(pl.Callback):
    """Shows the batches done and the loss on a progress meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._loss = math.nan

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count what a resumed run did before."""
        self._meter.advance(trainer.fit_loop.batch_idx + 1)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Count one batch."""
        if isinstance(outputs, dict) and batch_idx % 10 == 0:
            self._loss = float(outputs["loss"])
        self._meter.advance(1, f"loss {self._loss:.2f}")


def fit(
    network: nn.Module,
    loader: ShuffledBatches,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    progress: Meter,
    *,
    callbacks: Sequence[pl.Callback] = (),
    resume_from: Path | None = None,
    **trainer_options: Any,
) -> None:
    """Train a fixed network on each batch of ``loader`` in turn, in place.

    Args:
        callbacks: more of Lightning's callbacks.
        resume_from: a checkpoint that one of them wrote; training continues behind it.
        trainer_options: further options of ``pytorch_lightning.Trainer``, such as ``precision``.
    """
    module = ClassificationModule(recipe, len(loader), seed)
    module.set_model(network)
    with quiet("pytorch_lightning", "lightning_fabric"):
        trainer = pl.Trainer(
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[MeterCallback(progress), *callbacks],
            accelerator=device.type,
            devices=1,
            **trainer_options,
        )
        trainer.fit(module, loader, ckpt_path=resume_from)
