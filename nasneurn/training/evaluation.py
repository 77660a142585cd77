"""What a trained network gets right."""

import torch
from torch import Tensor, nn

from nasneurn.training.images import Images
from nasneurn.training.memory import out_of_memory

#: Images in one forward pass, where the memory holds them.
BATCH_SIZE = 512


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


def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """The network's answers to images (N, C, H, W), in as many parts as the memory asks for."""
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
