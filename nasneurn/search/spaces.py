"""The search spaces by name, built with a stem in front."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from nasneurn.errors import InputError
from nasneurn.search.config import Budget, StemChoice
from nasneurn.stems import create_stem
from search_spaces.nni_fixes import ModelSpace
from search_spaces.spos import SPOS

SPACES: dict[str, type[ModelSpace]] = {"spos": SPOS}


@dataclass(frozen=True)
class SpaceChoice:
    """A space with its settings and its stem: all that is needed to build it again."""

    space: str
    settings: dict[str, Any]
    stem: StemChoice

    @classmethod
    def of(
        cls, space: str, stem: StemChoice, classes: int, image_size: int, budget: Budget
    ) -> "SpaceChoice":
        """The space at the size that a budget asks for."""
        if space not in SPACES:
            raise InputError(f"space is {space!r}, must be one of {', '.join(SPACES)}")
        settings = {
            "num_classes": classes,
            "image_size": image_size,
            "width": budget.width,
            "blocks": list(budget.blocks),
        }
        return cls(space, settings, stem)

    @property
    def about(self) -> dict[str, Any]:
        """The choice as plain data."""
        return {
            "space": self.space,
            "settings": self.settings,
            "stem": self.stem.model_dump(mode="json"),
        }

    def build(self) -> ModelSpace:
        """The space with fresh weights."""
        stem = create_stem(self.stem.name, **self.stem.options)
        return SPACES[self.space](**self.settings, stem=stem)

    def network(self, architecture: Mapping[str, Any]) -> nn.Module:
        """One architecture with fresh weights of its own."""
        frozen: nn.Module = self.build().freeze(dict(architecture))
        return frozen


def architecture_name(architecture: Mapping[str, Any]) -> str:
    """An architecture in one word: its choices in the order of the labels, ``k3-xcep-k5``."""
    return "-".join(str(value) for value in architecture.values())
