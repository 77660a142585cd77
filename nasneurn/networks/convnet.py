"""The small network that the literature on single-source digits shares."""

from torch import nn


def digits_convnet(num_classes: int = 10, image_size: int = 32) -> nn.Module:
    """Two convolutions and two hidden layers, without batch norm, for small images.

    conv 5 x 5, 64; ReLU; max-pool 2; conv 5 x 5, 128; ReLU; max-pool 2; linear 1024; ReLU; linear
    1024; ReLU; linear ``num_classes``. That of Volpi et al., "Generalizing to Unseen Domains via
    Adversarial Data Augmentation" (NeurIPS 2018), as in the code of M-ADA, PDEN and RandConv.

    >>> import torch
    >>> digits_convnet()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """
    side = ((image_size - 4) // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(3, 64, 5),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 5),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128 * side * side, 1024),
        nn.ReLU(inplace=True),
        nn.Linear(1024, 1024),
        nn.ReLU(inplace=True),
        nn.Linear(1024, num_classes),
    )
