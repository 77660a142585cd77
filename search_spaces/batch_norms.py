"""Batch norms with the statistics of images that are put through their network."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def recalibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the batch-norm statistics of ``network`` to those of ``batches`` (N, C, H, W), in place.

    Each becomes the mean over the batches. A supernet's running statistics are averages over all
    paths, useless for any one of them (Guo et al., ECCV 2020, section 3.4); those of a pretrained
    network are of the images that it was trained on. Leaves the network in evaluation mode, also if
    it fails on a batch.
    """
    network.eval()
    norms = batch_norms(network)
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a cumulative average over the batches
            norm.train()
        for images in batches:
            network(images)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """The batch norms of a network."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]
