"""What a trained network gets right."""

import torch
from torch import nn

from nasneurn.training import DeviceImages

#: Images in one forward pass.
BATCH_SIZE = 512


@torch.inference_mode()
def accuracy(network: nn.Module, data: DeviceImages) -> float:
    """Share of ``data`` whose highest logit is that of the label, in [0, 1].

    The network is used as it stands: put it in evaluation mode first.
    """
    correct = sum(
        int((network(images).argmax(dim=1) == labels).sum())
        for images, labels in data.batches(BATCH_SIZE)
    )
    return correct / len(data)
