"""AugMix: mixtures of chains of image operations, and answers that agree on them."""

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from nasneurn.algorithms.auto_augment import of_bytes
from nasneurn.algorithms.divergence import jensen_shannon
from nasneurn.algorithms.full_precision import augmenting
from nasneurn.algorithms.interface import Criterion
from nasneurn.errors import InputError
from nasneurn.stems.stem_checks import check_number


class AugMix:
    """Answers that agree on an image and on two random mixtures of it.

    Hendrycks, Mu, Cubuk, Zoph, Gilmer and Lakshminarayanan, "AugMix: A Simple Data Processing
    Method to Improve Robustness and Uncertainty", ICLR 2020, arXiv 1912.02781, section 3.

    The network sees each image as it is and in two mixtures: of ``width`` chains of up to three
    image operations, and of the original, with shares from Dirichlet and Beta distributions
    (torchvision's ``AugMix``, with nearest pixels as the authors have). The loss is that of the
    images as they are plus ``consistency`` times the Jensen-Shannon divergence of the three
    answers.

    Args:
        consistency: weight of the divergence, lambda in the paper; with 0 the network sees each
            image in one mixture alone.
        severity: strength of the operations, 1 to 10.
        width: how many chains are mixed.
        depth: operations in a chain; -1 is drawn from 1 to 3 for each.
        alpha: of the Dirichlet and Beta distributions.
        all_ops: also brightness, contrast, colour and sharpness, which the authors leave out.
    """

    def __init__(
        self,
        consistency: float = 12.0,
        severity: int = 3,
        width: int = 3,
        depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = False,
    ) -> None:
        check_number("consistency", consistency, lambda x: x >= 0, "0 or more")
        check_number("severity", severity, lambda x: 1 <= x <= 10 and x == int(x), "1 to 10")
        check_number("width", width, lambda x: x >= 1 and x == int(x), "a whole number from 1 up")
        check_number("depth", depth, lambda x: x in (-1, 1, 2, 3), "-1, 1, 2 or 3")
        check_number("alpha", alpha, lambda x: x > 0, "above 0")
        if not isinstance(all_ops, bool):
            raise InputError(f"all_ops is {all_ops!r}; it must be true or false")
        self.consistency = consistency
        self._mixture = v2.AugMix(
            severity=int(severity),
            mixture_width=int(width),
            chain_depth=int(depth),
            alpha=float(alpha),
            all_ops=all_ops,
            interpolation=v2.InterpolationMode.NEAREST,
        )

    def loss(
        self, network: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion
    ) -> Tensor:
        """See :class:`nasneurn.algorithms.Algorithm`."""
        if not self.consistency:
            return criterion(network(self.augment(images)), labels)
        # In one pass, as the authors do.
        seen = torch.cat([images, self.augment(images), self.augment(images)])
        logits = network(seen).chunk(3)
        return criterion(logits[0], labels) + self.consistency * jensen_shannon(logits)

    @augmenting
    def augment(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1], each in a mixture of its own."""
        return of_bytes(self._mixture, images)
