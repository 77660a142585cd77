"""ResNeSt-50: a residual network whose 3 x 3 convolutions weigh two branches against each other.

Zhang et al., ResNeSt: Split-Attention Networks, CVPR Workshops 2022 (arXiv 2004.08955), section 3
and the tricks of section 4. timm's ``resnest50d`` is the same with 65 identities more.
"""

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

RADIX = 2
BLOCKS = (3, 4, 6, 3)


class RadixSoftmax(nn.Module):
    """For each channel, weights of the branches that add up to 1."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, RADIX C, 1, 1) to (N, RADIX, C, 1, 1)."""
        branches: Tensor = x.unflatten(1, (RADIX, -1))
        return branches.softmax(dim=1)


class SplitAttention(nn.Module):
    """A grouped convolution, and a weighted sum of its groups: same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = max(width * RADIX // 4, 32)
        wide = width * RADIX
        self.conv = nn.Conv2d(width, wide, 3, padding=1, groups=RADIX, bias=False)
        self.norm0 = nn.BatchNorm2d(wide)
        self.relu = nn.ReLU(inplace=True)
        self.fc1 = nn.Conv2d(width, hidden, 1)
        self.norm1 = nn.BatchNorm2d(hidden)
        self.fc2 = nn.Conv2d(hidden, wide, 1)
        self.softmax = RadixSoftmax()

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        branches = self.relu(self.norm0(self.conv(x))).unflatten(1, (RADIX, -1))
        pooled = adaptive_avg_pool2d(branches.sum(dim=1), 1)
        weights = self.softmax(self.fc2(self.relu(self.norm1(self.fc1(pooled)))))
        out: Tensor = (weights * branches).sum(dim=1)
        return out


class Bottleneck(nn.Module):
    """A bottleneck that pools where others move by two pixels.

    Args:
        channels_in, width: what enters; four times ``width`` leaves.
        stride: 2 halves the image.
        first: whether it is the first of its stage, which changes the channels.
    """

    def __init__(self, channels_in: int, width: int, stride: int, first: bool) -> None:
        super().__init__()
        out = 4 * width
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = SplitAttention(width)
        self.pool = nn.AvgPool2d(3, stride, padding=1) if stride > 1 else None
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = None
        if first:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
                nn.Conv2d(channels_in, out, 1, bias=False),
                nn.BatchNorm2d(out),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels_in, H, W) to (N, 4 width, H / stride, W / stride)."""
        y = self.conv2(self.relu(self.norm1(self.conv1(x))))
        if self.pool is not None:
            y = self.pool(y)
        y = self.norm3(self.conv3(y))
        out: Tensor = self.relu(y + (x if self.shortcut is None else self.shortcut(x)))
        return out


class GlobalAverage(nn.Module):
    """The mean of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C)."""
        return adaptive_avg_pool2d(x, 1).flatten(1)


def resnest50(classes: int = 1000) -> nn.Module:
    """ResNeSt-50 for images of 224 pixels: (N, 3, 224, 224) to (N, classes).

    27,483,240 parameters with 1000 classes.
    """
    layers: list[nn.Module] = []
    for entering, leaving, stride in ((3, 32, 2), (32, 32, 1), (32, 64, 1)):
        convolution = nn.Conv2d(entering, leaving, 3, stride=stride, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(leaving), nn.ReLU(inplace=True)]
    layers.append(nn.MaxPool2d(3, stride=2, padding=1))
    channels = 64
    for stage, blocks in enumerate(BLOCKS):
        width = 64 * 2**stage
        for number in range(blocks):
            stride = 2 if stage and not number else 1
            layers.append(Bottleneck(channels, width, stride, first=number == 0))
            channels = 4 * width
    return nn.Sequential(*layers, GlobalAverage(), nn.Linear(channels, classes))
