"""Sharpness-aware minimization: the loss of the worst weights nearby."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nasneurn.algorithms.interface import Criterion
from nasneurn.algorithms.watching import as_written
from nasneurn.stems.stem_checks import check_number


class SAM:
    """The gradient is taken where the weights have gone a little way uphill.

    Foret, Kleiner, Mobahi and Neyshabur, "Sharpness-Aware Minimization for Efficiently Improving
    Generalization", ICLR 2021, arXiv 2010.01412, section 3, algorithm 1: with g the gradient of the
    batch's loss at the weights w, the loss is that of w + rho g / |g|, and its gradient is the one
    that the optimizer is given for w. Batch norm keeps the statistics of the first pass, as in the
    authors' later code. Where a batch comes in two halves, each goes its own way up.

    Args:
        rho: how far the weights go.
    """

    def __init__(self, rho: float = 0.05) -> None:
        check_number("rho", rho, lambda x: x > 0, "above 0")
        self.rho = rho

    def loss(
        self, network: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion
    ) -> Tensor:
        """See :class:`nasneurn.algorithms.Algorithm`."""
        weights = {name: one for name, one in network.named_parameters() if one.requires_grad}
        plain = criterion(network(images), labels)
        slopes = torch.autograd.grad(plain, list(weights.values()), allow_unused=True)
        given = [slope for slope in slopes if slope is not None]
        norm = torch.stack([slope.norm() for slope in given]).norm()
        step = self.rho / (norm + 1e-12)
        uphill = {
            name: weight if slope is None else weight + step * slope
            for (name, weight), slope in zip(weights.items(), slopes, strict=True)
        }
        buffers = {name: one.clone() for name, one in network.named_buffers()}
        with as_written(network):
            logits: Tensor = functional_call(network, {**uphill, **buffers}, (images,))
        return criterion(logits, labels)
