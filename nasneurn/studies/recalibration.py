"""Batch norms of a training's network with the statistics of its source images."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from nasneurn.errors import InputError
from nasneurn.seeds import stream
from nasneurn.training.fine_tuning import Body
from nasneurn.training.images import ShuffledBatches, SourceImages
from search_spaces.batch_norms import batch_norms, recalibrate

if TYPE_CHECKING:
    from nasneurn.studies.training_unit import Training

#: Batches that statistics are averaged over, at most.
MOST_BATCHES = 200


def check_recalibration(training: "Training", body: Body) -> None:
    """See that there are batch norms to recalibrate, and that they may be changed.

    Raises:
        InputError: there are none, or they are frozen and were to be changed at the end.
    """
    when, name = training.protocol.recalibrate, training.architecture.name
    kept = {part: one for part, one in body.network.named_modules() if one in _kept(body.network)}
    if not kept:
        raise InputError(
            f"recalibrate is {when!r}, and {name} has no batch norm with statistics; leave it out, "
            "or choose a network with batch norms"
        )
    frozen = training.protocol.frozen
    resting = [part for part in kept if body.is_frozen(part, frozen)]
    if when == "end" and resting:
        raise InputError(
            f"recalibrate is 'end', and frozen keeps {resting[0]} of {name} as it is; say "
            "recalibrate=start, after which frozen layers stay as they then are"
        )


def _kept(network: nn.Module) -> list[nn.Module]:
    """The batch norms that keep statistics."""
    return [norm for norm in batch_norms(network) if norm.running_mean is not None]


def recalibrate_training(
    training: "Training", network: nn.Module, images: SourceImages, batch_size: int
) -> None:
    """Set the batch-norm statistics of a network to those of its source images, in place.

    Batches are drawn as those of the training are, one pass of them or :data:`MOST_BATCHES`; their
    images are not augmented. At the start the stem is as in training, at the end as it is when the
    network is measured. The network keeps its mode; PyTorch's generator is left as it was.

    Args:
        training: what it is trained by.
        network: what stands in front, and the body.
        images: those of the sources.
        batch_size: images of a batch.
    """
    front, body = network.children()
    protocol, seed = training.protocol, stream(training.seed, "recalibration")
    count = min(MOST_BATCHES, len(images.fit) // batch_size)
    batches = ShuffledBatches(
        images.fit, batch_size, count, seed, sizes=images.sizes, balanced=protocol.balanced
    )
    mode = network.training
    front.train(protocol.recalibrate == "start")
    devices = [one for one in (_device(network),) if one.type == "cuda"]
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(seed)
        recalibrate(body, (front(batch[0]) for batch in batches))
    network.train(mode)


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
