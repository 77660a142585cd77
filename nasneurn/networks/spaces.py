"""The search spaces by name or import path, built with a stem in front."""

import difflib
import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from nasneurn.errors import InputError
from nasneurn.search.config import SEARCHED, STEM_CANDIDATES, Budget, StemChoice
from nasneurn.stems import create_stem
from search_spaces.autoformer import AutoFormer
from search_spaces.interface import Architecture, ModelSpace, arguments_of
from search_spaces.spos import SPOS
from search_spaces.stem_choice import Stem, Stemmed

SPACES: dict[str, type[ModelSpace]] = {"spos": SPOS, "autoformer": AutoFormer}

#: What a space of the user's own may call the arguments that a search gives.
ARGUMENT_NAMES = {
    "num_classes": ("num_classes", "num_labels"),
    "image_size": ("image_size", "img_size"),
}


def space_class(name: str) -> type[ModelSpace]:
    """The space of a name, or of an import path ``package.module:Class``.

    Raises:
        InputError: there is no such space, or it is not one of NNI's model spaces.
    """
    if name in SPACES:
        return SPACES[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        near = difflib.get_close_matches(name, SPACES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(
            f"space is {name!r}, must be one of {', '.join(SPACES)}, or package.module:Class{hint}"
        )
    if str(Path.cwd()) not in sys.path:  # a command does not look where it is run
        sys.path.append(str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"space {name!r} cannot be imported: {error}") from None
    if not (isinstance(found, type) and issubclass(found, ModelSpace)):
        raise InputError(f"space {name!r} is no class of nni.nas.nn.pytorch.ModelSpace")
    return found


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
        accepted = arguments_of(space_class(space))
        given = {"num_classes": classes, "image_size": image_size}
        named = {
            name: value
            for argument, value in given.items()
            for name in ARGUMENT_NAMES[argument]
            if name in accepted
        }
        return cls(space, {**named, **budget.settings}, stem)

    @property
    def about(self) -> dict[str, Any]:
        """The choice as plain data."""
        return {
            "space": self.space,
            "settings": self.settings,
            "stem": self.stem.model_dump(mode="json"),
        }

    def build(self) -> ModelSpace:
        """The space with fresh weights.

        Raises:
            InputError: its class does not take the settings.
        """
        made = space_class(self.space)
        try:
            if "stem" in arguments_of(made):
                return made(**self.settings, stem=self._stem())
            return Stemmed(lambda: made(**self.settings), self._stem())
        except TypeError as error:
            raise InputError(f"space {self.space!r} cannot be built: {error}") from None

    def _stem(self) -> Stem:
        if self.stem == SEARCHED:
            named = {name: StemChoice.parse(name) for name in STEM_CANDIDATES}
            return {name: create_stem(one.name, **one.options) for name, one in named.items()}
        return create_stem(self.stem.name, **self.stem.options)

    def network(self, architecture: Mapping[str, Any]) -> nn.Module:
        """One architecture with fresh weights of its own."""
        frozen: nn.Module = self.build().freeze(dict(architecture))
        return frozen

    def chosen_stem(self, architecture: Architecture) -> str:
        """The stem of an architecture, also where it was searched."""
        return str(architecture.get("stem", self.stem))


def architecture_name(architecture: Mapping[str, Any]) -> str:
    """An architecture in one word: its choices in the order of the labels, ``k3-xcep-k5``."""
    return "-".join(str(value) for value in architecture.values())
