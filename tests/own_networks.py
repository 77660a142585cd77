"""Networks as users write them, good and bad."""

import torch
from torch import Tensor, nn


class SmallCNN(nn.Module):
    """A good one, with an option."""

    def __init__(self, num_classes: int = 10, width: int = 8) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, width, 3, stride=2), nn.ReLU())
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x).mean((2, 3)))
        return logits


class Failing(SmallCNN):
    """A forward that fails."""

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(x)
        return logits


class Maps(SmallCNN):
    """A forward that gives no logits."""

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.features(x)
        return maps


class Restless(SmallCNN):
    """A forward that is random in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + torch.rand(()))


class Forgetful(SmallCNN):
    """Something that it computes with is in no state dict."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__(num_classes)
        self.hidden = torch.rand(())

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.hidden * torch.arange(10)


class Weightless(nn.Module):
    """Nothing to train."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.classes = num_classes

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2, 3))[:, None].expand(-1, self.classes)


class Flat(nn.Module):
    """A network of tokens: patches go through a linear layer, and no convolution."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.embed = nn.Linear(3 * 8 * 8, 16)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = nn.functional.unfold(x, 8, stride=8).transpose(1, 2)
        logits: Tensor = self.head(self.embed(tokens).relu().mean(1))
        return logits


class WithNorm(nn.Module):
    """A network with two batch norms."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
        self.head = nn.Linear(6, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.second(self.first(x)).mean((2, 3)))
        return logits


class Large(WithNorm):
    """A network of large images alone."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__(num_classes)
        self.first[0] = nn.Conv2d(3, 4, 20)
