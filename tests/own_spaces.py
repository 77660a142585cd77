"""Model spaces as users write them, good and bad, for the tests of such spaces."""

import nni
import torch
from nni.nas.nn.pytorch import (
    InputChoice,
    LayerChoice,
    ModelSpace,
    MutableConv2d,
    MutableLinear,
    Repeat,
)
from torch import Tensor, nn

from search_spaces.costs import Cost


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


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class Layered(ModelSpace):
    """Two layer choices that act alone, and a head; below are kinds that do not."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.layers = nn.Sequential(*self.places())
        self.head = nn.Linear(8, num_classes)

    def places(self) -> list[nn.Module]:
        wide = {"k3": convolution(8, 8), "k1": convolution(8, 8, 1), "none": nn.Identity()}
        first = {"k1": convolution(3, 8, 1), "k3": convolution(3, 8)}
        return [LayerChoice(first, label="first"), LayerChoice(wide, label="second")]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x).mean((2, 3)))


class OneLabelTwice(Layered):
    """One label decides in two places."""

    def places(self) -> list[nn.Module]:
        two = [
            LayerChoice({"k3": convolution(8, 8), "k1": convolution(8, 8, 1)}, label="twice")
            for _ in range(2)
        ]
        return [convolution(3, 8), *two, *super().places()[1:]]


class Strided(Layered):
    """A choice changes what the next one receives."""

    def places(self) -> list[nn.Module]:
        strides = {"1": convolution(3, 8), "2": convolution(3, 8, stride=2)}
        return [LayerChoice(strides, label="stride"), *super().places()[1:]]


class Nested(Layered):
    """A candidate is itself a choice."""

    def places(self) -> list[nn.Module]:
        inner = LayerChoice({"k3": convolution(8, 8), "k5": convolution(8, 8, 5)}, label="inner")
        outer = LayerChoice({"inner": inner, "none": nn.Identity()}, label="outer")
        return [convolution(3, 8), outer, *super().places()[1:]]


class Shared(Layered):
    """Two choices share a candidate, weights and all."""

    def places(self) -> list[nn.Module]:
        shared = convolution(8, 8)
        return [
            convolution(3, 8),
            LayerChoice({"shared": shared, "k1": convolution(8, 8, 1)}, label="one"),
            LayerChoice({"shared": shared, "none": nn.Identity()}, label="other"),
        ]


class TwiceRun(Layered):
    """A choice through which images go twice."""

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.layers
        return self.head(second(second(first(x))).mean((2, 3)))


class Deep(Layered):
    """A depth decides whether the choices of later layers count."""

    def places(self) -> list[nn.Module]:
        def layer(index: int) -> nn.Module:
            options = [convolution(8, 8), convolution(8, 8, 1)]
            return LayerChoice(options, label=f"layer_{index}")

        return [convolution(3, 8), Repeat(layer, (1, 3), label="depth")]


class Inputs(Layered):
    """Two of three inputs are chosen: values are lists."""

    def places(self) -> list[nn.Module]:
        self.pick = InputChoice(3, 2, label="pick")
        return [convolution(3, 8, kernel) for kernel in (1, 3, 5)]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pick([layer(x) for layer in self.layers]).mean((2, 3)))


class Ruled(ModelSpace):
    """Rules of its own: an initialization, a formula and canonical names; widths fall."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.classes = num_classes
        width = nni.choice("width", [16, 8])
        self.first = MutableConv2d(3, width, 1, bias=False)
        self.depth = LayerChoice({"none": nn.Identity(), "relu": nn.ReLU()}, label="activation")
        self.again = LayerChoice({"one": nn.ReLU(), "two": nn.ReLU()}, label="name")
        self.head = MutableLinear(width, num_classes, bias=False)
        self.initialize()

    def initialize(self) -> None:
        for weight in self.parameters():
            nn.init.constant_(weight, 0.25)

    def canonical(self, architecture: dict[str, object]) -> dict[str, object]:
        assert set(architecture) == {"width", "activation", "name"}
        return {**architecture, "name": "one"}

    def cost(self, architecture: dict[str, object]) -> Cost:
        assert set(architecture) == {"width", "activation", "name"}
        params = architecture["width"] * (3 + self.classes)
        return Cost(architecture["width"] * (3 * 32 * 32 + self.classes), params)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.again(self.depth(self.first(x))).mean((2, 3)))


class WrongFormula(Ruled):
    """A formula that forgets the head, where the width is 8."""

    def cost(self, architecture: dict[str, object]) -> Cost:
        right = super().cost(architecture)
        return right if architecture["width"] == 16 else right - Cost(0, 80)


class WrongName(Ruled):
    """Canonical names of other networks."""

    def canonical(self, architecture: dict[str, object]) -> dict[str, object]:
        return {**architecture, "width": 8}


class BadSetting(Small):
    """A constructor that fails."""

    def __init__(self) -> None:
        raise KeyError("size")


class NotASpace(nn.Module):
    """No model space."""
