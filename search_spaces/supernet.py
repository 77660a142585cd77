"""Seeded one-shot training of a supernet through NNI; saving, loading, and measuring its paths."""

import copy
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import Lightning, LightningModule, Trainer
from nni.nas.experiment import NasExperimentConfig
from nni.nas.nn.pytorch import ModelSpace
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from search_spaces.batch_norms import batch_norms, recalibrate
from search_spaces.checkpointing import TimedCheckpoint, readable_state
from search_spaces.errors import SpaceError
from search_spaces.interface import activate, checked_architecture, choices, freeze
from search_spaces.nni_fixes import LocalExperiment, SeededRandomOneShot
from search_spaces.quiet import quiet
from search_spaces.sampling import PathRule

#: Loggers that remark on what a user of this module cannot change.
CHATTY = ("nni", "pytorch_lightning", "lightning_fabric")


def train_supernet(
    space: ModelSpace,
    module: LightningModule,
    loader: Iterable[Any],
    *,
    path_of: PathRule,
    folder: Path,
    accumulate: int = 1,
    callbacks: Sequence[pl.Callback] = (),
    checkpoint_seconds: float = 20.0,
    **trainer_options: Any,
) -> ModelSpace:
    """Train ``space`` as a supernet by path sampling, as one NNI experiment.

    Each batch activates one path (Guo et al., ECCV 2020, section 3.2). The space is turned into
    the supernet in place and returned. The training state is kept in ``folder``: called again with
    the same arguments, training continues from there and ends in the same weights as a run that
    was never interrupted, on the same machine.

    Args:
        space: an NNI model space. Where it has a method ``initialize``, that draws its weights.
        module: NNI Lightning module with the loss and the optimizer; it is given the supernet.
        loader: all batches of the training, in order. To be continued, it has a ``state_dict`` and
            a ``load_state_dict`` that hold its position.
        path_of: the path of each batch, by its number: see :mod:`search_spaces.sampling`.
        folder: where the state of the training is kept.
        accumulate: batches, each on a path of its own, whose gradients make one step.
        callbacks: further callbacks of Lightning.
        checkpoint_seconds: time between two savings of the state.
        trainer_options: further options of ``pytorch_lightning.Trainer``, such as ``accelerator``.

    Returns:
        The supernet, on the device that it was trained on.

    Raises:
        SpaceError: a path is no architecture of the space.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / "training.ckpt"
    resume: dict[str, Any] = {}
    if readable_state(state):
        resume = {"ckpt_path": str(state), "weights_only": True}
    values = choices(space)
    strategy = SeededRandomOneShot(lambda batch: checked_architecture(values, path_of(batch)))
    with quiet(*CHATTY):
        trainer = Trainer(
            max_epochs=1,
            accumulate_grad_batches=accumulate,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            callbacks=[*callbacks, TimedCheckpoint(state, checkpoint_seconds)],
            **trainer_options,
        )
        evaluator = Lightning(module, trainer, loader, [], fit_kwargs=resume)
        config = NasExperimentConfig.default(space, evaluator, strategy)
        config.experiment_working_directory = str(folder / "nni")
        experiment = LocalExperiment(space, evaluator, strategy, config)
        try:
            experiment.run()
        finally:
            experiment.stop()
    return space


def as_supernet(space: ModelSpace) -> ModelSpace:
    """Turn a space into an untrained supernet, in place."""
    with quiet(*CHATTY):
        return SeededRandomOneShot().mutate_model(space)


def subnet(supernet: ModelSpace, architecture: Mapping[str, Any]) -> nn.Module:
    """One path as a network of its own that shares no tensor with the supernet.

    Its outputs equal those of the supernet on this path, bit for bit.

    Args:
        supernet: a trained one, as :func:`load_supernet` gives it.
        architecture: the value of each choice, by label.

    Raises:
        SpaceError: it is no architecture of the space.
    """
    return copy.deepcopy(freeze(supernet, architecture))


@contextmanager
def recalibrated(
    supernet: ModelSpace, architecture: Mapping[str, Any], batches: Iterable[Tensor]
) -> Iterator[nn.Module]:
    """The supernet on one path with batch-norm statistics of its own, while the context lasts.

    Only the statistics are copied, and put back at the end; the weights are the supernet's.
    """
    buffers = [
        (buffer, buffer.clone()) for norm in batch_norms(supernet) for buffer in norm.buffers()
    ]
    activate(supernet, architecture)
    try:
        recalibrate(supernet, batches)
        yield supernet
    finally:
        with torch.no_grad():
            for buffer, saved in buffers:
                buffer.copy_(saved)


def save_supernets(path: Path, supernets: Mapping[str, Mapping[str, Tensor]], about: Any) -> None:
    """Write the weights of one or more supernets, by name, as one safetensors file.

    ``about`` is plain data, kept in the file's header as JSON.
    """
    tensors = {
        f"{name}/{key}": tensor.detach()
        .cpu()
        .contiguous()
        .clone()  # safetensors holds no shared ones
        for name, state in supernets.items()
        for key, tensor in state.items()
    }
    partial = path.with_name(f".{path.stem[:20]}-{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        partial.write_bytes(save(tensors, metadata={"about": json.dumps(about)}))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load_weights(path: Path, name: str) -> dict[str, Tensor]:
    """Read the weights of the supernet ``name`` from a file of :func:`save_supernets`.

    Raises:
        SpaceError: the file is no such file, or holds no supernet of that name.
    """
    try:
        if path.exists() and not path.is_file():  # a named pipe would let it wait for ever
            raise OSError("not a regular file")
        held = load(path.read_bytes())  # opened by its name, that would have to be in UTF-8
    except (SafetensorError, OSError) as error:
        raise SpaceError(f"{path} is not a readable supernet checkpoint: {error}") from None
    weights = {
        key.removeprefix(f"{name}/"): value
        for key, value in held.items()
        if key.startswith(f"{name}/")
    }
    if not weights:
        names = sorted({key.split("/", 1)[0] for key in held})
        raise SpaceError(f"{path} holds no supernet {name!r}; it holds {', '.join(names)}")
    return weights


def load_supernet(path: Path, name: str, space: ModelSpace) -> ModelSpace:
    """Turn ``space`` into the supernet ``name`` of a file of :func:`save_supernets`, in place.

    Args:
        path: the file.
        name: which of its supernets; of a search, the supernet's hash.
        space: a fresh space of the class and settings that the supernet had.

    Raises:
        SpaceError: the weights are of another space.
    """
    supernet = as_supernet(space)
    try:
        supernet.load_state_dict(load_weights(path, name))
    except RuntimeError:
        raise SpaceError(
            f"{path}: supernet {name!r} is of another space than {type(space).__name__} "
            "with these settings"
        ) from None
    return supernet
