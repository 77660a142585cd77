"""What passes through stems and networks: as arrays with a row for each image."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasneurn.algorithms.watching import hooked, last_linear
from nasneurn.tensors import tensor_of
from nasneurn.training.images import as_pixels

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: Images in one forward pass.
BATCH_SIZE = 128
#: Images are compared at this side.
SIDE = 16
#: Maps of a layer are averaged to this side, so that layers of all sizes can be compared.
MAP_SIDE = 4
#: Most layers of a network that are compared.
LAYERS = 10


@dataclass(frozen=True)
class Seen:
    """What a network makes of N images.

    Attributes:
        features: what its last linear layer makes the answer of, (N, D).
        layers: the outputs of its layers with weights, (N, D) each, by name: first and last, and
            others evenly between. Maps are averaged to 4 x 4, and tokens over each other.
    """

    features: Floats
    layers: dict[str, Floats]


def batches(images: Bytes, device: torch.device) -> Iterator[Tensor]:
    """Images (N, H, W, 3) as float batches (n, 3, H, W) in [0, 1] on the device."""
    for start in range(0, len(images), BATCH_SIZE):
        part = tensor_of(np.asarray(images[start : start + BATCH_SIZE]))
        yield as_pixels(part.permute(0, 3, 1, 2).to(device))


@torch.inference_mode()
def stem_answers(stem: nn.Module, images: Bytes, device: torch.device) -> Floats:
    """What a stem makes of images (N, H, W, 3): (N, C, H, W)."""
    stem = stem.to(device).eval()
    return np.concatenate([stem(part).float().cpu().numpy() for part in batches(images, device)])


@torch.inference_mode()
def logits(network: nn.Module, images: Bytes, device: torch.device) -> Floats:
    """A network's answers to images (N, H, W, 3): (N, classes)."""
    return np.concatenate([network(part).float().cpu().numpy() for part in batches(images, device)])


def small(images: Floats) -> Floats:
    """Images (N, C, H, W), averaged to 16 x 16, as rows; smaller ones as they are."""
    side = min(SIDE, *images.shape[2:])
    return F.adaptive_avg_pool2d(tensor_of(images), side).flatten(1).numpy()


@torch.inference_mode()
def seen(network: nn.Module, images: Bytes, classes: int, device: torch.device) -> Seen:
    """What a network in evaluation mode makes of images (N, H, W, 3).

    Raises:
        InputError: no linear layer gives its logits, so it has no features.
    """
    first = next(batches(images[:2], device))
    head = last_linear(network, first, classes)
    layers = _layers(network, first)
    features: list[Tensor] = []
    outputs: dict[str, list[Tensor]] = {name: [] for name in layers}
    names = {module: name for name, module in layers.items()}

    def see(module: nn.Module, inputs: Any, output: Tensor) -> None:
        if module is head:
            features.append(inputs[0].flatten(1).float().cpu())
        if module in names:
            outputs[names[module]].append(_row(output).float().cpu())

    with hooked(network, [*dict.fromkeys((head, *layers.values()))], see):
        for part in batches(images, device):
            network(part)
    return Seen(
        torch.cat(features).numpy(),
        {name: torch.cat(parts).numpy() for name, parts in outputs.items()},
    )


def _layers(network: nn.Module, images: Tensor) -> dict[str, nn.Module]:
    """Convolutions and linear layers that are called once, by name, some evenly among all."""
    order: list[nn.Module] = []

    def see(module: nn.Module, inputs: Any, output: Tensor) -> None:
        if len(output) == len(images):
            order.append(module)

    weighted = [one for one in network.modules() if isinstance(one, nn.Linear | nn.Conv2d)]
    with hooked(network, weighted, see):
        network(images)
    once = [one for one in dict.fromkeys(order) if order.count(one) == 1]
    names = {module: name for name, module in network.named_modules()}
    places = np.unique(np.linspace(0, len(once) - 1, min(LAYERS, len(once))).round().astype(int))
    # A network is a stem and a body, whose names begin with 1 and a dot.
    return {names[once[place]].partition(".")[2] or "network": once[place] for place in places}


def _row(output: Tensor) -> Tensor:
    if output.ndim == 4:
        side = (min(MAP_SIDE, output.shape[2]), min(MAP_SIDE, output.shape[3]))
        return F.adaptive_avg_pool2d(output, side).flatten(1)
    return output.flatten(2).mean(dim=1) if output.ndim > 2 else output
