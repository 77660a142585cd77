"""What stands in front of a space: one stem, or a choice among several."""

from collections.abc import Callable, Mapping
from typing import cast

from nni.nas.nn.pytorch import LayerChoice
from torch import Tensor, nn

from search_spaces.interface import Architecture, ModelSpace, canonical_form

#: No stem, one, or several by name.
Stem = nn.Module | Mapping[str, nn.Module] | None


def stem_module(stem: Stem) -> nn.Module:
    """The module that applies ``stem``; several are a choice of the space, labelled ``stem``.

    To be called while a space is constructed, as any of NNI's choices.
    """
    if stem is None:
        return nn.Identity()
    if isinstance(stem, nn.Module):
        return stem
    choice: nn.Module = LayerChoice(dict(stem), label="stem")
    return choice


class Stemmed(ModelSpace):
    """Any space with a stem in front, for spaces that do not take one themselves.

    Parameters
    ----------
    build:
        Makes the space; called once.
    """

    def __init__(self, build: Callable[[], ModelSpace], stem: Stem) -> None:
        super().__init__()
        self.stem = stem_module(stem)
        self.space = build()

    def canonical(self, architecture: Architecture) -> Architecture:
        """The one name of a network among several, by the space's own rule where it has one."""
        return canonical_form(self.space)(architecture)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, classes)."""
        return cast(Tensor, self.space(self.stem(x)))
