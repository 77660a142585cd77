"""An architecture as a network for a size of image, and what it costs."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nasneurn.errors import InputError, one_line
from nasneurn.networks.adaptation import adaptation_of, build_library
from nasneurn.networks.architectures import Adapting, Architecture
from nasneurn.networks.own import create_own
from nasneurn.networks.strides import lose_strides


def create_network(
    architecture: Architecture,
    classes: int,
    image_size: int,
    adapting: Adapting = "as-published",
    *,
    fresh: bool = True,
) -> tuple[nn.Module, str]:
    """The network (N, 3, S, S) -> (N, classes), and how it was adapted to images of that size.

    Weights are drawn from PyTorch's generator as it stands. Without ``fresh`` they are to be
    loaded, and most found architectures are built without NNI.

    Raises:
        InputError: the architecture cannot be built, or cannot take such images.
    """
    if architecture.library == "own":
        return create_own(architecture.own, classes, image_size), "as published"
    if architecture.found is not None:
        space = architecture.found.space_choice
        resized = space.resized(classes, image_size)
        adapted = "as found" if resized.image_size == space.image_size else f"for {image_size}"
        build = resized.network if fresh else resized.bare_network
        return build(architecture.found.choices), adapted
    adaptation = adaptation_of(architecture, classes, image_size, adapting)
    network = build_library(architecture, classes, adaptation.options)
    lose_strides(network, adaptation.unstrided)
    if adaptation.upsampled is not None:
        enlarge = nn.Upsample(size=adaptation.upsampled, mode="bilinear", align_corners=False)
        network = nn.Sequential(enlarge, network)
    return network, str(adaptation)


def published(network: nn.Module) -> nn.Module:
    """A library's network without what enlarges its images, so that names are the library's."""
    if isinstance(network, nn.Sequential) and len(network) == 2:
        enlarge, within = network
        if isinstance(enlarge, nn.Upsample):
            return within
    return network


@dataclass(frozen=True)
class Description:
    """What is known of a network before it is trained.

    Attributes:
        adaptation: how it was made to take images of the size.
        params: its weights.
        flops: multiply-adds of convolutions and matrix products for one image: half of what
            PyTorch's own counter gives, and what papers print as FLOPs.
    """

    adaptation: str
    params: int
    flops: int


@lru_cache(maxsize=256)
def describe(
    architecture: Architecture,
    classes: int,
    image_size: int,
    adapting: Adapting = "as-published",
) -> Description:
    """Build a network once, on the meta device, and see that it gives logits.

    Draws nothing from PyTorch's generator.

    Raises:
        InputError: it cannot be built, fails, or gives something else than logits (N, classes).
    """
    name = architecture.name
    try:
        with torch.random.fork_rng(devices=[]):
            with torch.device("meta"):
                network, adaptation = create_network(architecture, classes, image_size, adapting)
            params = sum(weight.numel() for weight in network.parameters())
            images = torch.empty(2, 3, image_size, image_size, device="meta")
            with torch.device("meta"), torch.no_grad():
                network.train()(images)
                logits, flops = multiply_adds(network.eval(), images)
    except InputError:
        raise
    except Exception as error:  # whatever a network of the user's own raises
        told = one_line(error)
        raise InputError(
            f"{name} cannot take images of {image_size} pixels ({told}); it must give logits "
            f"(N, {classes}) for images (N, 3, {image_size}, {image_size}), also on the meta device"
        ) from error
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, classes):
        given = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise InputError(f"{name} gives {given} for two images, must give logits (2, {classes})")
    return Description(adaptation, params, flops)


def multiply_adds(network: nn.Module, images: torch.Tensor) -> tuple[Any, int]:
    """What a network answers to images, and its multiply-adds for one of them."""
    with FlopCounterMode(display=False) as counter:
        answer = network(images)
    return answer, counter.get_total_flops() // 2 // len(images)
