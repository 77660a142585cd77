"""EfficientNet-Lite3 without its classifier: the encoder of the small MiDaS.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019
(arXiv 1905.11946), table 1, without squeeze-and-excitation, with ReLU6, and 1.2 times as wide and
1.4 times as deep. timm's ``tf_efficientnet_lite3`` is the same with its own layers.
"""

from itertools import pairwise

from torch import nn

from alignment.designs.inverted_bottlenecks import Residual, inverted_bottleneck, normed

STEM = 32

#: Kernel, stride of the first block, expansion, channels, blocks: one row a group.
GROUPS = (
    (3, 1, 1, 24, 1),
    (3, 2, 6, 32, 3),
    (5, 2, 6, 48, 3),
    (3, 2, 6, 96, 5),
    (5, 1, 6, 136, 5),
    (5, 2, 6, 232, 6),
    (3, 1, 6, 384, 1),
)

#: Groups of the stages that halve the image to a quarter, an eighth, ...
STAGES = (0, 2, 3, 5, 7)


def _group(
    channels_in: int, kernel: int, stride: int, expansion: int, channels: int, blocks: int
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number in range(blocks):
        entering, step = (channels, 1) if number else (channels_in, stride)
        block = inverted_bottleneck(
            entering,
            channels,
            kernel,
            step,
            expansion,
            padding="same",
            # Where EfficientNet has squeeze-and-excitation.
            between=(nn.Identity(),),
        )
        if expansion == 1:
            # Where an activation of the projection would be.
            block.append(nn.Identity())
        layers.append(Residual(block) if number else block)
    return nn.Sequential(*layers)


def efficientnet_lite3_stages() -> list[nn.Module]:
    """Four modules, one after the other, with 32, 48, 136 and 384 channels.

    (N, 3, H, W) to (N, 32, H / 4, W / 4), ..., (N, 384, H / 32, W / 32); 6,422,016 parameters.
    """
    entering = (STEM, *(channels for _, _, _, channels, _ in GROUPS))
    groups = [_group(before, *row) for before, row in zip(entering, GROUPS, strict=False)]
    stages = [nn.Sequential(*groups[start:end]) for start, end in pairwise(STAGES)]
    stages[0] = nn.Sequential(*normed(3, STEM, 3, stride=2, padding="same"), *stages[0])
    return list(stages)
