"""Random convolutions: textures are random, shapes stay."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasneurn.algorithms.divergence import jensen_shannon
from nasneurn.algorithms.full_precision import augmenting
from nasneurn.algorithms.interface import Criterion
from nasneurn.errors import InputError
from nasneurn.stems.stem_checks import check_number, check_odd


class RandConv:
    """Batches through one random convolution each, with answers that agree on several.

    Xu, Liu, Yang, Raffel and Niethammer, "Robust and Generalizable Visual Representation
    Learning via Random Convolutions", ICLR 2021, arXiv 2007.13003, section 3, algorithm 1.

    A batch x is convolved with one random kernel of C to C channels: its side k is drawn from
    ``kernel_sizes``, its weights from N(0, 1 / (C k^2)), and beyond the image there are zeros. With
    ``mix`` the network sees alpha x + (1 - alpha) conv(x) with alpha from U(0, 1) (RC_mix);
    without, conv(x) or, in one of two batches, x itself (RC_img with p = 0.5). The loss is that of
    the first of three such draws, plus ``consistency`` times the Jensen-Shannon divergence of the
    answers to the three (section 3.3). The authors' images are standardized by 0.5 and 0.5, so the
    kernels see them from -1 to 1 here too.

    In the authors' code the second and the third draw are of the first, not of the images, so that
    two random convolutions follow each other (``chained``); their published figures are by that
    code.

    Args:
        kernel_sizes: odd sides, of which one is drawn.
        mix: whether the original is mixed in.
        consistency: weight of the divergence, lambda in the paper (10 for RC_mix on digits, 5 for
            RC_img); with 0 one draw is made.
        chained: whether the further draws are of the first, as in the authors' code, or of the
            images, as in the paper.
    """

    def __init__(
        self,
        kernel_sizes: Sequence[int] = (1, 3, 5, 7),
        mix: bool = True,
        consistency: float = 10.0,
        chained: bool = False,
    ) -> None:
        if not isinstance(kernel_sizes, list | tuple) or not kernel_sizes:
            raise InputError(f"kernel_sizes is {kernel_sizes!r}; a list of odd integers is needed")
        for size in kernel_sizes:
            check_odd("kernel size", size, 1)
        for name, value in (("mix", mix), ("chained", chained)):
            if not isinstance(value, bool):
                raise InputError(f"{name} is {value!r}; it must be true or false")
        check_number("consistency", consistency, lambda x: x >= 0, "0 or more")
        self.kernel_sizes = tuple(kernel_sizes)
        self.mix = mix
        self.consistency = consistency
        self.chained = chained

    def loss(
        self, network: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion
    ) -> Tensor:
        """See :class:`nasneurn.algorithms.Algorithm`."""
        if not self.consistency:
            draws = self.draws(images, 1)
        elif self.chained:
            first = self.draws(images, 1)
            draws = first + self.draws(first[0], 2)
        else:
            draws = self.draws(images, 3)
        # Each by itself, as the authors do: batch norm sees one texture at a time.
        logits = [network(draw) for draw in draws]
        loss = criterion(logits[0], labels)
        return loss + self.consistency * jensen_shannon(logits) if self.consistency else loss

    def augment(self, images: Tensor) -> Tensor:
        """One draw of images (N, C, H, W) in [0, 1]; its values may leave that range."""
        return self.draws(images, 1)[0]

    @augmenting
    def draws(self, images: Tensor, count: int) -> list[Tensor]:
        """Several draws, by one convolution.

        A kernel of side k in the middle of a larger one of zeros does what it does alone, so
        kernels of different sides are the output channels of one convolution.
        """
        channels = images.shape[1]
        drawn = torch.randint(len(self.kernel_sizes), (count,)).tolist()
        sizes = [self.kernel_sizes[one] for one in drawn]
        side = max(sizes)
        kernels = torch.cat([random_kernel(channels, size, side) for size in sizes])
        alphas = self._shares(count)
        centred = 2 * images - 1
        convolved = F.conv2d(centred, kernels.to(images), padding=side // 2)
        mixed = [
            alpha * centred + (1 - alpha) * one
            for alpha, one in zip(alphas, convolved.split(channels, dim=1), strict=True)
        ]
        return [(one + 1) / 2 for one in mixed]

    def _shares(self, count: int) -> list[float]:
        """How much of the original is in each draw."""
        drawn = torch.rand(count)
        return (drawn if self.mix else (drawn < 0.5).float()).tolist()


def random_kernel(channels: int, size: int, side: int) -> Tensor:
    """Weights (C, C, side, side) from N(0, 1 / (C size^2)) in the middle, and zeros around."""
    kernel = torch.randn(channels, channels, size, size) / (size * math.sqrt(channels))
    return F.pad(kernel, ((side - size) // 2,) * 4)
