"""How alike networks are in what they compute before any training: linear CKA of random weights.

The features of a network are what enters the last linear layer or convolution that runs; a map is
averaged over its places. Batch norm takes the statistics of the batch, as at the start of a
training; dropout is off. Two networks are compared by the debiased linear CKA of their features,
which few images do not raise (Kornblith et al., "Similarity of neural network representations
revisited", 2019; Nguyen, Raghu and Kornblith, "Do wide and deep networks learn the same things?",
2021): the mean over all pairs of two different seeds.
"""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from nasneurn.errors import InputError
from nasneurn.networks.architectures import Adapting, Architecture
from nasneurn.networks.build import create_network

Values = npt.NDArray[np.float64]

CLASSES = 10


def sample_images(size: int, count: int) -> torch.Tensor:
    """So many training images of each built-in domain, (N, 3, size, size) in [0, 1]."""
    from nasneurn.domains.loading import load_suite

    suite = load_suite("builtin", size=size)
    parts = [np.asarray(suite.images(name, "train").images)[:count] for name in suite.domains]
    return torch.from_numpy(np.concatenate(parts)).permute(0, 3, 1, 2).float() / 255


def random_features(
    architecture: Architecture,
    seed: int,
    images: torch.Tensor,
    adapting: Adapting = "as-published",
) -> Values:
    """(N, F), what enters the last linear layer or convolution of a network with random weights.

    PyTorch's generator is left as it was.

    Args:
        architecture: built for images of this size.
        seed: of its weights.
        images: (N, 3, S, S).
        adapting: see :func:`nasneurn.networks.build.create_network`.

    Raises:
        InputError: it cannot be built, or no layer of it is called as a module.
    """
    seen: list[torch.Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        seen[:] = [inputs[0]]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network, _ = create_network(architecture, CLASSES, images.shape[-1], adapting)
        network.eval()
        for module in network.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.train()
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                module.register_forward_pre_hook(keep)
        with torch.no_grad():
            network(images)
    if not seen:
        raise InputError(f"{architecture.name} calls no linear layer or convolution as a module")
    last = seen[0].mean((2, 3)) if seen[0].ndim == 4 else seen[0].flatten(1)
    return last.double().numpy()


def centred_products(features: Values) -> Values:
    """(N, N), the products of all pairs of images, centred without the bias of few images.

    U-centring: Szekely and Rizzo, "Partial distance correlation with methods for dissimilarities",
    2014; its products are the estimator of Song et al., "Feature selection via dependence
    maximization", 2012.

    Args:
        features: (N, F), of at least 4 images.
    """
    centred = features - features.mean(0)
    centred = centred / max(float(np.abs(centred).max()), 1e-30)
    products: Values = centred @ centred.T
    np.fill_diagonal(products, 0.0)
    n = len(products)
    rows = products.sum(0) / (n - 2)
    products += products.sum() / ((n - 1) * (n - 2)) - rows[:, None] - rows
    np.fill_diagonal(products, 0.0)
    return products


def debiased_cka(one: Values, other: Values) -> float:
    """Debiased linear CKA of two :func:`centred_products`; 1 for equal ones up to a factor."""
    return float((one * other).sum() / np.sqrt((one * one).sum() * (other * other).sum()))


def cka_over_seeds(one: Sequence[Values], other: Sequence[Values]) -> list[float]:
    """The CKA of two networks for each two different seeds; their draws would be shared in one."""
    return [debiased_cka(one[i], other[j]) for i, j in permutations(range(len(one)), 2)]
