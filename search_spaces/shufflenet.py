"""Networks of ShuffleNet blocks, as the single path one-shot space has them: plain PyTorch.

Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling" (ECCV 2020),
section 3.3 and its released code. The space of them is :mod:`search_spaces.spos`.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

#: The candidates of a choice block: depthwise kernel, and the order of its point (p) and
#: depthwise (d) convolutions.
CANDIDATES: dict[str, tuple[int, str]] = {
    "k3": (3, "pdp"),
    "k5": (5, "pdp"),
    "k7": (7, "pdp"),
    "xcep": (3, "dpdpdp"),
}

#: Choice blocks in each of the four stages, as published.
STAGE_BLOCKS = (4, 4, 8, 4)

#: Channels of the first convolution, the four stages and the last convolution, at width 1.
CHANNELS = (16, 64, 160, 320, 640, 1024)

#: Smaller images than this keep their resolution in the first convolution.
FULL_STRIDE_SIZE = 128


def scaled_channels(width: float) -> tuple[int, ...]:
    """:data:`CHANNELS` times ``width``, to the nearest multiple of 4 (at least 8)."""
    return tuple(max(8, 4 * round(channels * width / 4)) for channels in CHANNELS)


class ShuffleBlock(nn.Module):
    """One candidate: a ShuffleNetV2 unit (N, ``inputs``, H, W) -> (N, ``outputs``, H', W').

    At stride 1 every second channel passes unchanged and the others through the main branch; at
    stride 2 both branches see all channels. The two are concatenated.
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int, order: str, stride: int) -> None:
        super().__init__()
        self.stride = stride
        branch_inputs = inputs if stride == 2 else inputs // 2
        branch_outputs = outputs - branch_inputs
        middle = outputs // 2
        last = len(order) - 1

        layers: list[nn.Module] = []
        channels = branch_inputs
        pending_stride = stride
        for index, kind in enumerate(order):
            if kind == "d":
                layers += _depthwise(channels, kernel, pending_stride)
                pending_stride = 1
            else:
                widened = branch_outputs if index == last else middle
                layers += _pointwise(channels, widened)
                channels = widened
        self.branch_main = nn.Sequential(*layers)
        self.branch_proj = nn.Sequential()
        if stride == 2:
            self.branch_proj = nn.Sequential(
                *_depthwise(branch_inputs, kernel, stride),
                *_pointwise(branch_inputs, branch_inputs),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        if self.stride == 2:
            kept, worked = self.branch_proj(x), x
        else:
            kept, worked = x[:, ::2], x[:, 1::2]
        return torch.cat((kept, self.branch_main(worked)), dim=1)


def candidate(name: str, inputs: int, outputs: int, stride: int) -> ShuffleBlock:
    """The candidate of a name in :data:`CANDIDATES`."""
    kernel, order = CANDIDATES[name]
    return ShuffleBlock(inputs, outputs, kernel=kernel, order=order, stride=stride)


def _depthwise(channels: int, kernel: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
    ]


def _pointwise(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


class ShuffleNet(nn.Module):
    """Blocks in four stages between two convolutions: (N, 3, H, W) -> logits (N, num_classes).

    Args:
        place: makes what stands in a place, of its label (``layer_1`` and so on), the channels that
            come in and go out, and the stride.
        num_classes, image_size, width, blocks, dropout: as of :class:`search_spaces.spos.SPOS`.
        stem: what stands in front.
    """

    def __init__(
        self,
        place: Callable[[str, int, int, int], nn.Module],
        *,
        num_classes: int = 10,
        image_size: int = 32,
        width: float = 1.0,
        blocks: Sequence[int] = STAGE_BLOCKS,
        dropout: float = 0.1,
        stem: nn.Module | None = None,
    ) -> None:
        super().__init__()
        first, *stages, last = scaled_channels(width)
        self.stem = nn.Identity() if stem is None else stem
        self.first_conv = nn.Sequential(
            nn.Conv2d(3, first, 3, 2 if image_size >= FULL_STRIDE_SIZE else 1, 1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(inplace=True),
        )
        layers: list[nn.Module] = []
        for (inputs, outputs), repeats in zip(pairwise([first, *stages]), blocks, strict=True):
            for position in range(repeats):
                shape = (outputs, outputs, 1) if position else (inputs, outputs, 2)
                layers.append(place(f"layer_{len(layers) + 1}", *shape))
        self.features = nn.Sequential(*layers)
        self.conv_last = nn.Sequential(*_pointwise(stages[-1], last))
        self.globalpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Sequential(nn.Linear(last, num_classes, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, num_classes)."""
        x = self.first_conv(self.stem(x))
        x = self.conv_last(self.features(x))
        return cast(Tensor, self.classifier(self.dropout(self.globalpool(x).flatten(1))))


def found_network(
    choices: Mapping[str, str], *, initialization: str = "", **settings: Any
) -> ShuffleNet:
    """One architecture of the space, for weights that are to be loaded into it.

    Args:
        choices: the candidate of each place, by its label.
        initialization: of no effect.
        settings: of :class:`search_spaces.spos.SPOS`, but for ``stem``.
    """

    return ShuffleNet(lambda label, *shape: candidate(choices[label], *shape), **settings)
