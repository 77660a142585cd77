"""CORnet-S: a shallow recurrent model of the ventral stream of the visual cortex.

Kubilius et al., Brain-Like Object Recognition with High-Performing Shallow Recurrent ANNs, NeurIPS
2019 (arXiv 1909.06161), section 2 and figure 2. Four areas; V2, V4 and IT each run one bottleneck
several times with the same convolutions, while each step has batch norms of its own.
"""

from collections import OrderedDict

from torch import Tensor, nn


class Area(nn.Module):
    """One cortical area: a bottleneck with a skip, run ``times`` times.

    (N, channels_in, H, W) to (N, channels, H / 2, W / 2); the first step halves the image.
    """

    def __init__(self, channels_in: int, channels: int, times: int) -> None:
        super().__init__()
        wide = 4 * channels
        self.entry = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.skip = nn.Conv2d(channels, channels, 1, stride=2, bias=False)
        self.skip_norm = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, wide, 1, bias=False)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(wide, wide, 3, stride=2, padding=1, bias=False)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv3 = nn.Conv2d(wide, channels, 1, bias=False)
        self.relu3 = nn.ReLU(inplace=True)
        self.output = nn.Identity()
        self.times = times
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(width) for _ in range(times) for width in (wide, wide, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Run all steps, and give what the last one gives."""
        x = self.entry(x)
        for step in range(self.times):
            norm1, norm2, norm3 = self.norms[3 * step : 3 * step + 3]
            skip = x if step else self.skip_norm(self.skip(x))
            # One convolution serves all steps, and moves by two pixels in the first alone.
            self.conv2.stride = (1, 1) if step else (2, 2)
            x = self.relu1(norm1(self.conv1(x)))
            x = self.relu2(norm2(self.conv2(x)))
            x = self.relu3(norm3(self.conv3(x)) + skip)
            x = self.output(x)
        return x


def cornet_s(classes: int = 1000) -> nn.Sequential:
    """CORnet-S for images of 224 pixels: (N, 3, 224, 224) to (N, classes).

    53,416,616 parameters with 1000 classes (53.4 million in the paper).
    """
    first = OrderedDict(
        conv1=nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
        norm1=nn.BatchNorm2d(64),
        relu1=nn.ReLU(inplace=True),
        pool=nn.MaxPool2d(3, stride=2, padding=1),
        conv2=nn.Conv2d(64, 64, 3, padding=1, bias=False),
        norm2=nn.BatchNorm2d(64),
        relu2=nn.ReLU(inplace=True),
        output=nn.Identity(),
    )
    decoder = OrderedDict(
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        linear=nn.Linear(512, classes),
        output=nn.Identity(),
    )
    return nn.Sequential(
        OrderedDict(
            V1=nn.Sequential(first),
            V2=Area(64, 128, times=2),
            V4=Area(128, 256, times=4),
            IT=Area(256, 512, times=2),
            decoder=nn.Sequential(decoder),
        )
    )
