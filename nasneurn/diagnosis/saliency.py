"""Which places of what a network sees speak for a class: integrated gradients."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from nasneurn.diagnosis.activations import batches

#: Steps from nothing to the image.
STEPS = 32

MISSING = "no saliency beside images; it comes with captum, pip install 'nasneurn[diagnose]'"


def has_captum() -> bool:
    """Whether saliency can be computed."""
    return find_spec("captum") is not None


def saliency(
    network: nn.Sequential,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer[Any]],
    device: torch.device,
) -> npt.NDArray[np.float32]:
    """Integrated gradients of the label's logit (Sundararajan et al., ICML 2017), by captum.

    Those of what enters the network after the stem and its scaling, and not of the pixels: a stem
    that takes contrast away answers alike all the way from black to the image, so all gradients
    along it are 0. The way begins at 0, which is the mean of the source's images there.

    Args:
        network: a stem and a body, in evaluation mode.
        images: uint8 (N, H, W, 3).
        labels: (N,).

    Returns:
        (N, H, W), summed over channels; each image's sum is the logit less that of 0.
    """
    from captum.attr import IntegratedGradients

    stem, body = network
    method = IntegratedGradients(body)
    found = []
    start = 0
    for part in batches(images, device):
        with torch.no_grad():
            seen = stem(part).contiguous()
        wanted = torch.as_tensor(labels[start : start + len(part)], device=device)
        given = method.attribute(
            seen, target=wanted, n_steps=STEPS, internal_batch_size=max(len(part), 64)
        )
        found.append(given.detach().sum(dim=1).float().cpu().numpy())
        start += len(part)
    return np.concatenate(found)
