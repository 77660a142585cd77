"""A search space of your own: convolutions whose widths and activation are chosen.

Run in this folder::

    nasneurn search --space own_space:Tiny

The space is a plain PyTorch module with choices of NNI in it. A search checks it first, as here::

    python own_space.py

Only ``__init__`` and ``forward`` are needed. ``initialize`` and ``cost`` show two of the rules that
a space may add: without them weights are drawn as PyTorch does, and costs are counted.
"""

from typing import Any

import nni
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d, MutableLinear
from torch import Tensor, nn

from search_spaces.conformance import check_space
from search_spaces.costs import Cost


class Tiny(ModelSpace):
    """Three convolutions for images (N, 3, H, W): their widths, and an activation for each.

    Args:
        num_classes: outputs; a search gives the number of its suite's classes.
        image_size: side of the images, which a search gives too.
        widths: options for the width of the first two convolutions.
    """

    def __init__(
        self,
        num_classes: int = 10,
        image_size: int = 32,
        widths: tuple[int, ...] = (8, 16, 24),
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.image_size = image_size
        # A label names a choice: used twice, as here, it is one choice for both layers.
        first, second = nni.choice("first_width", list(widths)), nni.choice("width", list(widths))
        self.first = MutableConv2d(3, first, 3, stride=2, padding=1)
        self.second = MutableConv2d(first, second, 3, stride=2, padding=1)
        self.third = MutableConv2d(second, second, 3, stride=2, padding=1)
        self.activations = nn.ModuleList(
            LayerChoice({"relu": nn.ReLU(), "silu": nn.SiLU()}, label=f"activation_{place}")
            for place in range(3)
        )
        self.classifier = MutableLinear(second, num_classes)
        self.initialize()

    def initialize(self) -> None:
        """Draw the weights; called again when the space becomes a supernet."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def cost(self, architecture: dict[str, Any]) -> Cost:
        """Multiply-adds and parameters in closed form, without the stem: no network is built."""
        first, second = architecture["first_width"], architecture["width"]
        weights = [27 * first, 9 * first * second, 9 * second * second]
        side, flops = self.image_size, 0
        for count in weights:
            side = (side + 1) // 2  # each convolution halves the map
            flops += side * side * count
        head = second * self.num_classes
        biases = first + 2 * second + self.num_classes
        return Cost(flops + head, sum(weights) + head + biases)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, num_classes)."""
        for layer, activation in zip(
            (self.first, self.second, self.third), self.activations, strict=True
        ):
            x = activation(layer(x))
        return self.classifier(x.mean((2, 3)))


if __name__ == "__main__":
    check_space(Tiny, (3, 32, 32))
    print("Tiny can be searched")
