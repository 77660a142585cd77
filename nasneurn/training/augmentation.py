"""What is done to training images of every algorithm alike."""

import torch
from torch import Tensor


def shifted(images: Tensor, most: int) -> Tensor:
    """Each image (of N, C, H, W) moved by up to ``most`` pixels either way, its border repeated.

    Draws from torch's global generator.
    """
    if most == 0:
        return images
    count, _, height, width = images.shape
    device = images.device
    rows = torch.arange(height, device=device) + torch.randint(
        -most, most + 1, (count, 1), device=device
    )
    columns = torch.arange(width, device=device) + torch.randint(
        -most, most + 1, (count, 1), device=device
    )
    picked = images.permute(0, 2, 3, 1)[
        torch.arange(count, device=device)[:, None, None],
        rows.clamp(0, height - 1)[:, :, None],
        columns.clamp(0, width - 1)[:, None, :],
    ]
    return picked.permute(0, 3, 1, 2)
