"""The paper's first experiments by name: each is a grid with its models, stems and sources.

After arXiv 2505.06881, which trains VGG-19 on the digit domains.
"""

import difflib
from dataclasses import dataclass

from nasneurn.errors import InputError


@dataclass(frozen=True)
class GridRecipe:
    """What a named experiment leaves to the command ``nasneurn bench``."""

    about: str
    models: tuple[str, ...]
    stems: tuple[str, ...]
    suite: str
    sources: tuple[str, ...]


RECIPES = {
    "vgg19-transfer": GridRecipe(
        about="VGG-19 across all pairs of digit domains, without and with NeuRN",
        models=("vgg19",),
        stems=("none", "neurn"),
        suite="digits",
        sources=("all",),
    ),
    "patch-size": GridRecipe(
        about="VGG-19 from MNIST, NeuRN with patches of 3 to 11 pixels",
        models=("vgg19",),
        stems=("none", "neurn:k=3", "neurn:k=5", "neurn:k=7", "neurn:k=9", "neurn:k=11"),
        suite="digits",
        sources=("mnist",),
    ),
    "same-domain": GridRecipe(
        about="VGG-19 on MNIST alone: what NeuRN costs where there is no shift",
        models=("vgg19",),
        stems=("none", "neurn"),
        suite="digits",
        sources=("mnist",),
    ),
}


def recipe_named(name: str) -> GridRecipe:
    """The recipe of that name."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"recipe is {name!r}, must be one of {', '.join(RECIPES)}{hint}")
    return RECIPES[name]
