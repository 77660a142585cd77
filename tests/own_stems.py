"""Stems as users write them, bad ones."""

from torch import Tensor, nn


class Halved(nn.Module):
    """Gives images of another shape."""

    def forward(self, x: Tensor) -> Tensor:
        return x[..., ::2, ::2]


def blow_up() -> nn.Module:
    """A stem whose answers are not finite."""

    class BlowUp(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x / 0.0

    return BlowUp()
