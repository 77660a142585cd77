"""Mixing of amplitudes: the phase holds the shapes, the amplitude the style."""

import torch
from torch import Tensor, nn

from nasneurn.algorithms.full_precision import augmenting
from nasneurn.algorithms.interface import Criterion
from nasneurn.stems.stem_checks import check_number


class Fourier:
    """Images with a part of the amplitude spectrum of another one.

    Xu, Zhang, Zhang, Wang and Tian, "A Fourier-based Framework for Domain Generalization",
    CVPR 2021, arXiv 2105.11120, section 3.2: amplitude mix (AM), without its teacher.

    The amplitudes of an image x and of another one x' of the batch are mixed, (1 - s) |F(x)| +
    s |F(x')|, with s from U(0, ``strength``) for each image, and put together with the phase of x.
    As in the authors' code this is done before anything is standardized, and what leaves [0, 1] is
    clipped. The loss is the mean of those of the images as they are and mixed; FACT's consistency
    with a teacher is no part of this.

    Args:
        strength: the greatest share of the other amplitude, eta in the paper: 1.0 on digits and on
            PACS.
    """

    def __init__(self, strength: float = 1.0) -> None:
        check_number("strength", strength, lambda x: 0 < x <= 1, "above 0 and at most 1")
        self.strength = strength

    def loss(
        self, network: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion
    ) -> Tensor:
        """See :class:`nasneurn.algorithms.Algorithm`."""
        both = network(torch.cat([images, self.augment(images)]))
        return criterion(both, labels.repeat(2))

    @augmenting
    def augment(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1], each with a part of another one's amplitude."""
        others = torch.randperm(len(images)).to(images.device)
        shares = self.strength * torch.rand(len(images), 1, 1, 1).to(images)
        spectrum = torch.fft.rfft2(images)
        amplitude = spectrum.abs()
        mixed = torch.lerp(amplitude, amplitude[others], shares)
        changed = torch.polar(mixed, spectrum.angle())
        back: Tensor = torch.fft.irfft2(changed, s=images.shape[2:])
        return back.clamp(0, 1)
