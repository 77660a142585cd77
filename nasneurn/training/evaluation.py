"""What a trained network answers, and how many of its answers are right."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nasneurn.training.images import Images
from nasneurn.training.memory import out_of_memory

#: Images in one forward pass, where the memory holds them.
BATCH_SIZE = 512
#: On a CPU, whose caches are small: pixels (128 images of 32 pixels) and the fewest images.
CPU_PIXELS, CPU_IMAGES = 2**17, 8


@dataclass(frozen=True)
class Answers:
    """The answers to images, in their order.

    Attributes:
        logits: float32 (N, classes).
        labels: int64 (N,), the right classes.
    """

    logits: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


@torch.inference_mode()
def accuracy(network: nn.Module, data: Images) -> float:
    """Share of ``data`` whose highest logit is that of the label, in [0, 1].

    The network is used as it stands: put it in evaluation mode first. A batch that the memory does
    not hold is halved.
    """
    correct = sum(
        (logits_of(network, images).argmax(dim=1) == labels).sum()
        for images, labels in data.batches(BATCH_SIZE)
    )
    return int(correct) / len(data)


@torch.inference_mode()
def answers(network: nn.Module, data: Images) -> Answers:
    """All logits of ``data``; as for :func:`accuracy`."""
    logits, labels = [], []
    for images, right in data.batches(BATCH_SIZE):
        logits.append(logits_of(network, images).float().cpu())
        labels.append(right.cpu())
    return Answers(torch.cat(logits).numpy(), torch.cat(labels).numpy())


def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """The network's answers to images (N, C, H, W), in as many parts as the memory asks for."""
    size = max(CPU_PIXELS // images[0, 0].numel(), CPU_IMAGES)
    if images.device.type == "cpu" and len(images) > size:
        return torch.cat([logits_of(network, part) for part in images.split(size)])
    try:
        logits: Tensor = network(images)
        return logits
    except (MemoryError, RuntimeError) as error:
        if len(images) == 1 or not out_of_memory(error):
            raise
    if images.is_cuda:
        torch.cuda.empty_cache()
    half = len(images) // 2
    return torch.cat([logits_of(network, images[:half]), logits_of(network, images[half:])])
