"""A network with a stem takes its images by name, too, as the network does."""

import pytest
import torch
from torch import Tensor, nn

from nasneurn.models.with_stem import with_stem
from nasneurn.stems import neurn

X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Decorated(nn.Module):
    """Images by name, through a decorator."""

    @torch.no_grad()
    def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
        return scale * x


class ByName(nn.Module):
    def forward(self, *, x: Tensor) -> Tensor:
        return x


class Whatever(nn.Module):
    def forward(self, *given: Tensor, **named: Tensor) -> Tensor:
        return given[0] if given else named["x"]


def test_images_by_name() -> None:
    for kind in (Decorated, ByName):
        assert torch.equal(with_stem(kind())(x=X), neurn(X))
    assert torch.equal(with_stem(Decorated())(scale=2.0, x=X), 2 * neurn(X))
    assert torch.equal(with_stem(Whatever())(X), neurn(X))
    with pytest.raises(TypeError, match=r"Decorated\.forward\(\) needs images: .*, or as x$"):
        with_stem(Decorated())(images=X)
    with pytest.raises(TypeError, match=r"needs images: give them first$"):
        with_stem(Whatever())(x=X)  # past the stem, where the name is not known
