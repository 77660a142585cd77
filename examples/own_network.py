"""A network of your own: a small CNN whose width is an option.

Run a study with it, from the folder of this file::

    nasneurn bench --models own_network:SmallCNN --stems none,neurn

or with an option, beside a network of timm::

    nasneurn bench --models own_network:SmallCNN:width=32,resnet18 --stems none,neurn

A network is a class of ``nn.Module``, or a function that returns a module. It is given those of the
arguments ``num_classes`` and ``image_size`` that it takes; its other arguments are its options. It
takes images (N, 3, H, W), which have gone through the stem, and gives logits (N, classes).
``python own_network.py`` checks that it can be trained.
"""

from torch import Tensor, nn

from nasneurn.networks.conformance import check_network


class SmallCNN(nn.Module):
    """Three convolutions, each of half the size and twice the width of the one before.

    Args:
        num_classes: outputs; a study gives the number of its suite's classes.
        width: channels of the first convolution.
    """

    def __init__(self, num_classes: int = 10, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in (width, 2 * width, 4 * width):
            convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, num_classes)."""
        return self.classifier(self.features(x).mean((2, 3)))


if __name__ == "__main__":
    check_network("own_network:SmallCNN:width=8")
    print("SmallCNN can be trained")
