"""Progressive random convolutions: one small random block, applied again and again."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasneurn.algorithms.full_precision import augmenting
from nasneurn.algorithms.interface import Criterion
from nasneurn.stems.stem_checks import check_number

#: Side of the kernels.
SIDE = 3
#: Deviations are drawn from here upwards; the paper calls it a small value.
LEAST = 1e-4
#: The power by which the spectrum of the fields of offsets falls; larger is smoother.
FALL = 10


class ProRandConv:
    """A batch as it is, and through one small random block, again and again.

    Choi, Das, Choi, Yang, Park and Yun, "Progressive Random Convolutions for Single Domain
    Generalization", CVPR 2023, arXiv 2304.00424, section 3, algorithm 1.

    For each batch one block is drawn, and applied L times, L from {1, ..., ``most``}:

    1. a deformable convolution of 3 x 3 from C to C channels: weights w exp(-(i^2 + j^2) /
       (2 s^2)) with w from N(0, 1 / (9 C)) and s from U(0, 1) (Gaussian smoothing); each of the 9
       places has an offset field, smooth over the image, of deviation d from U(0, ``offset``);
    2. instance standardization, then gamma x + beta for each channel, gamma and beta from
       N(0, ``contrast``^2);
    3. tanh.

    The loss is the mean of those of the images as they are and as the block leaves them. The block
    sees values from -1 to 1, which is also what tanh gives. The authors have published no code;
    the offsets of a place are a Gaussian random field with a spectrum of |k|^-5 and one scale from
    N(0, d^2), as in the reproductions that are public.

    Args:
        most: the greatest number of times that a block is applied.
        offset: the greatest deviation of offsets in pixels, 0.2 at 32 pixels in the paper and 0.5
            at 224; with 0 the convolution is a plain one.
        contrast: the deviation of gamma and beta.
    """

    def __init__(self, most: int = 10, offset: float = 0.2, contrast: float = 0.5) -> None:
        check_number("most", most, lambda x: x >= 1 and x == int(x), "a whole number from 1 up")
        check_number("offset", offset, lambda x: x >= 0, "0 or more")
        check_number("contrast", contrast, lambda x: x > 0, "above 0")
        self.most = int(most)
        self.offset = offset
        self.contrast = contrast

    def loss(
        self, network: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion
    ) -> Tensor:
        """See :class:`nasneurn.algorithms.Algorithm`."""
        both = network(torch.cat([images, self.augment(images)]))
        return criterion(both, labels.repeat(2))

    @augmenting
    def augment(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] through one random block, L times, in [0, 1] again."""
        count, channels, height, width = images.shape
        times = int(torch.randint(1, self.most + 1, ()))
        kernel = smoothed_kernel(channels).to(images)
        gain, shift = (self.contrast * torch.randn(2, channels, 1)).to(images)
        taps = Taps(self._offsets(height, width).to(images))
        # Pixels outermost: a tap reads one row for all images and channels.
        values = (2 * images - 1).permute(2, 3, 0, 1).reshape(height * width, -1)
        for _ in range(times):
            values = standardized(taps.convolved(values, kernel).view(height * width, count, -1))
            values = torch.tanh(torch.addcmul(shift.mT, values, gain.mT)).flatten(1)
        values = values.view(height, width, count, channels).permute(2, 3, 0, 1)
        return (values.contiguous(memory_format=torch.channels_last) + 1) / 2

    def _offsets(self, height: int, width: int) -> Tensor:
        """(18, H, W): the offsets of each place, down and right, in pixels."""
        deviation = LEAST + (self.offset - LEAST) * torch.rand(()) if self.offset else 0.0
        scales = deviation * torch.randn(2 * SIDE**2, 1, 1)
        return scales * smooth_fields(2 * SIDE**2, height, width)


def smoothed_kernel(channels: int) -> Tensor:
    """Random weights (C, C, 3, 3), times a Gaussian of a random deviation around the middle."""
    deviation = LEAST + (1 - LEAST) * torch.rand(())
    steps = torch.arange(SIDE) - SIDE // 2
    squares = steps[:, None] ** 2 + steps[None, :] ** 2
    weights = torch.randn(channels, channels, SIDE, SIDE) / (SIDE**2 * channels) ** 0.5
    smoothed: Tensor = weights * torch.exp(-squares / (2 * deviation**2))
    return smoothed


def smooth_fields(count: int, height: int, width: int) -> Tensor:
    """Gaussian random fields (count, H, W) of mean 0 and deviation 1, with a spectrum |k|^-5."""
    down = torch.fft.fftfreq(height, 1 / height)[:, None]
    right = torch.fft.fftfreq(width, 1 / width)[None, :]
    squares = down**2 + right**2
    squares[0, 0] = 1
    amplitude = squares ** (-FALL / 4)
    amplitude[0, 0] = 0
    noise = torch.randn(count, height, width, dtype=torch.complex64)
    fields = torch.fft.ifft2(noise * amplitude).real
    scaled: Tensor = fields / fields.std((1, 2), keepdim=True).clamp_min(1e-30)
    return scaled


class Taps:
    """The places where a deformable 3 x 3 convolution reads, the same for all images of a batch.

    Each is between four pixels, bilinearly, and outside the image there are zeros. So what it reads
    is one sparse matrix, by which all images are multiplied at once; on a CPU that takes a small
    part of the time of ``torchvision.ops.deform_conv2d``.

    Args:
        offsets: (18, H, W), for each of the 9 places down and right.
    """

    def __init__(self, offsets: Tensor) -> None:
        height, width = offsets.shape[1:]
        steps = torch.arange(SIDE, device=offsets.device) - SIDE // 2
        down, right = torch.meshgrid(steps, steps, indexing="ij")
        y = offsets[0::2] + down.reshape(-1, 1, 1)
        y = y + torch.arange(height, device=offsets.device)[:, None]
        x = offsets[1::2] + right.reshape(-1, 1, 1)
        x = x + torch.arange(width, device=offsets.device)
        top, left = y.floor(), x.floor()
        pixels, shares = [], []
        for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
            share = (1 - (y - row).abs()) * (1 - (x - column).abs())
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            shares.append(torch.where(inside, share, torch.zeros_like(share)))
            pixel = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            pixels.append(pixel.long())
        self._pixels = torch.stack(pixels, -1).view(-1, 4)
        self._shares = torch.stack(shares, -1).view(-1, 4)

    def convolved(self, values: Tensor, kernel: Tensor) -> Tensor:
        """The convolution of images (H W, N C) by a kernel (C, C, 3, 3), to the same shape."""
        read = F.embedding_bag(
            self._pixels, values, per_sample_weights=self._shares, mode="sum"
        ).view(SIDE**2, -1, kernel.shape[1])
        mixed = torch.einsum("kpc,ock->po", read, kernel.flatten(2))
        return mixed.reshape(values.shape)


def standardized(values: Tensor) -> Tensor:
    """Each channel of each image (H W, N, C) with a mean of 0 and a deviation of 1."""
    centred = values - values.mean(0)
    return centred * (centred.square().mean(0) + 1e-5).rsqrt()
