"""Where the stages of a network end, by one rule for any network of maps."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from nasneurn.algorithms.watching import evaluating, hooked
from nasneurn.errors import InputError

#: A side that falls by less is that of a convolution without padding.
FALL = 1.5


@dataclass
class _Call:
    module: nn.Module
    side: int
    #: How many convolutions ran in it, and the stride of the first.
    convolutions: int
    strided: bool


def stage_ends(network: nn.Module, images: Tensor, most: int) -> list[nn.Module]:
    """The modules after which the first ``most`` stages of a network end.

    A stage is what lies between two places where the side of the maps falls by a third or more. A
    stage that is one strided convolution is the entry of the network and is not counted. So in a
    ResNet the first two stages are its first two groups of blocks, in a VGG its first two blocks
    before their pooling, in ``digits_convnet`` its two convolutions. Only modules that all data
    pass are looked at: those that a chain of ``nn.Sequential`` calls one after another, and those
    that the network's own ``forward`` calls. The last stage is no end.

    Args:
        network: images -> logits.
        images: to run it with, in evaluation mode.
        most: how many stages.

    Raises:
        InputError: the network has no such place, as one of tokens has not.
    """
    for depth in range(1, 4):
        ends = _ends(_calls(network, images, depth))
        if ends:
            return ends[:most]
    raise InputError(
        f"the {type(network).__name__} has no stage of maps that ends; "
        "mixstyle is for convolutional networks"
    )


def _chain(network: nn.Module, depth: int) -> list[nn.Module]:
    """Modules that all data pass, children before those that hold them."""
    found: list[nn.Module] = []
    for child in network.children():
        if isinstance(child, nn.Sequential):
            found += _chain(child, depth)
        elif depth:
            found += _chain(child, depth - 1)
        found.append(child)
    return found


@torch.no_grad()
def _calls(network: nn.Module, images: Tensor, depth: int) -> list[_Call]:
    calls: list[_Call] = []
    convolutions: list[nn.Conv2d] = []
    passed = _chain(network, depth - 1 if not isinstance(network, nn.Sequential) else depth)
    ids = {id(module) for module in passed}

    def see(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(module, nn.Conv2d):
            convolutions.append(module)
        if id(module) in ids and isinstance(output, Tensor) and output.ndim == 4:
            strided = bool(convolutions) and max(convolutions[0].stride) > 1
            calls.append(_Call(module, output.shape[2], len(convolutions), strided))

    watched = [m for m in network.modules() if id(m) in ids or isinstance(m, nn.Conv2d)]
    with evaluating(network), hooked(network, watched, see):
        network(images)
    return calls


def _ends(calls: list[_Call]) -> list[nn.Module]:
    ends: list[nn.Module] = []
    before = 0
    for call, after in pairwise(calls):
        if call.side < FALL * after.side:
            continue
        convolutions = call.convolutions - before
        entry = before == 0 and convolutions == 1 and call.strided
        if convolutions and not entry and call.side > 1:
            ends.append(call.module)
        before = call.convolutions
    return ends
