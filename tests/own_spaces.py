"""Model spaces as users write them, good and bad, for the tests of such spaces."""

import nni
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d, MutableLinear
from torch import Tensor, nn


class Small(ModelSpace):
    """Two choices on NNI's own mutable layers, without biases; takes no stem."""

    def __init__(self, num_labels: int = 10) -> None:
        super().__init__()
        width = nni.choice("width", [8, 16])
        self.first = MutableConv2d(3, width, 3, stride=2, padding=1, bias=False)
        self.second = LayerChoice({"relu": nn.ReLU(), "tanh": nn.Tanh()}, label="activation")
        self.head = MutableLinear(width, num_labels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x)).mean((2, 3)))


class OneChoice(ModelSpace):
    """Nothing to choose."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.head = LayerChoice({"only": nn.Linear(3, num_classes)}, label="head")

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.mean((2, 3)))


class Failing(Small):
    """A forward that fails."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x)


class Maps(Small):
    """A forward that gives no logits."""

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class Restless(Small):
    """A forward that is random in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + torch.rand(()))


class NotASpace(nn.Module):
    """No model space."""
