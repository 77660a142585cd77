"""What a program gives to the alignment, words and modules alike, as sequences of layers."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from alignment.errors import AlignmentError
from alignment.layers import Architecture
from nasneurn.networks.traced import Shape, gather, of_keras, of_module

if TYPE_CHECKING:
    import keras
    from torch import nn

#: One model: a word of :func:`nasneurn.networks.traced.gather`, a path, a module, or what was
#: traced before.
Given: TypeAlias = "str | PathLike[str] | nn.Module | keras.Model | Architecture"

#: One or several, or several by the names that outputs are to call them.
Models: TypeAlias = "Given | Sequence[Given] | Mapping[str, Given]"

#: Images for a module, if nothing else is said.
IMAGE_SHAPE: Shape = (3, 224, 224)


def words_of(models: Models) -> list[str] | None:
    """The words that ``models`` are; None if something else is among them."""
    if isinstance(models, Mapping):
        return None
    listed = _listed(models)
    return [fspath(one) for one in listed] if all(map(_is_word, listed)) else None


def gather_given(
    models: Models, *, input_shape: Shape | None = None, **options: Any
) -> list[Architecture]:
    """The architectures that ``models`` are, in that order.

    A module without a name has that of its class, and a number where another has it, too.

    Args:
        models: see :data:`Models`.
        input_shape: (C, H, W) of the images for modules, networks of one's own and Keras models;
            by default what each is made for, and (3, 224, 224) for modules.
        options: further ones of :func:`nasneurn.networks.traced.gather`.

    Raises:
        AlignmentError: something that is no model, or that cannot be traced.
        InputError: as :func:`nasneurn.networks.traced.gather`.
    """
    if input_shape is not None and (len(input_shape) != 3 or min(input_shape) < 1):
        raise AlignmentError(
            f"input_shape is {input_shape}; it must be (C, H, W), as (3, 224, 224)"
        )
    words = words_of(models)
    if words is not None:
        return gather(words, input_shape=input_shape, **options)
    if isinstance(models, Mapping):
        return [_called(str(name), one, input_shape, options) for name, one in models.items()]
    found: list[Architecture] = []
    unnamed: set[int] = set()
    for is_word, several in groupby(_listed(models), _is_word):
        if is_word:
            found += gather([fspath(one) for one in several], **options)
            continue
        for one in several:
            if not isinstance(one, Architecture):
                unnamed.add(len(found))
            found.append(_of_object(one, None, input_shape))
    return _numbered(found, unnamed)


def _numbered(found: list[Architecture], unnamed: set[int]) -> list[Architecture]:
    """The same, those ``unnamed`` with a number where another has their name."""
    taken = {one.name for place, one in enumerate(found) if place not in unnamed}
    for place in sorted(unnamed):
        name, number = found[place].name, 2
        while found[place].name in taken:
            found[place] = replace(found[place], name=f"{name} {number}")
            number += 1
        taken.add(found[place].name)
    return found


def _called(name: str, one: Given, shape: Shape | None, options: Mapping[str, Any]) -> Architecture:
    """One model with a name that the program gives it."""
    if not _is_word(one):
        return _of_object(one, name, shape)
    found = gather([fspath(one)], **options)
    if len(found) != 1:
        raise AlignmentError(
            f"{name!r}: {fspath(one)!r} names {len(found)} architectures, and here it must be one"
        )
    return replace(found[0], name=name)


def _listed(models: Models) -> list[Any]:
    return (
        list(models) if isinstance(models, Sequence) and not isinstance(models, str) else [models]
    )


def _is_word(one: object) -> "TypeGuard[str | PathLike[str]]":
    return isinstance(one, str | PathLike)


def _of_object(one: Any, name: str | None, shape: Shape | None) -> Architecture:
    if isinstance(one, Architecture):
        return replace(one, name=name or one.name)
    if "keras" in sys.modules and isinstance(one, sys.modules["keras"].Model):
        return of_keras(one, name or one.name, shape)
    if "torch" in sys.modules and isinstance(one, sys.modules["torch"].nn.Module):
        return of_module(one, name or type(one).__name__, shape or IMAGE_SHAPE)
    raise AlignmentError(
        f"{one!r:.60} is no model; give names, paths, modules of PyTorch or Keras models"
    )
