"""Words and seeds, as a program finds them handy."""

import os
from collections.abc import Iterable, Mapping, Sequence
from inspect import isroutine
from numbers import Integral
from pathlib import Path
from typing import Any

from nasneurn.choices import Choice
from nasneurn.errors import InputError

#: How a thing of one's own gets a name.
_REGISTERED = "nasneurn.register_network, register_stem or register_algorithm gave it"

#: One word or several.
Words = str | Sequence[str]


#: What is a word, or can be written as one.
_WORD = (str, int, os.PathLike, Integral, Choice)


def words(value: Words | int | Path | Sequence[Path | str] | Sequence[int]) -> list[str]:
    """As a list of words; a path is one, too.

    Raises:
        InputError: something in it is neither.
    """
    return [_word(one) for one in _several(value)]


def _several(value: Any) -> Iterable[Any]:
    alone = (*_WORD, Mapping, bytes)
    return value if isinstance(value, Iterable) and not _is_one(value, alone) else [value]


def _is_one(value: object, kinds: tuple[Any, ...]) -> bool:
    # A Sequential can be iterated over, and is one network.
    return isinstance(value, kinds) or hasattr(value, "forward")


def _word(value: object) -> str:
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if isinstance(value, _WORD):
        return str(value)
    shown = " ".join(repr(value).split())
    raise InputError(f"{shown:.60} is no name: {_instead(value)}")


def _instead(value: Any) -> str:
    """What to give in place of what a program gave."""
    if isinstance(value, Mapping):
        return f"give a list of names, of your own networks those that {_REGISTERED}"
    if isinstance(getattr(value, "folder", None), Path):
        return "give the folder, its attribute folder"
    kind = value if isinstance(value, type) or isroutine(value) else type(value)
    if kind.__module__ == "builtins" or (isinstance(value, Iterable) and not _is_one(value, ())):
        return "give names as text, each by itself or in one list"
    path = f"{kind.__module__}:{kind.__qualname__}"
    # What is in a function, or in the program itself, no other process can import.
    known = "" if "<" in path or kind.__module__ == "__main__" else f"its import path, {path!r}, "
    return f"give a name with options, as 'neurn:k=5', {known}or one that {_REGISTERED}"


def seeds_of(value: int | str | Sequence[int] | Sequence[str]) -> list[str]:
    """Seeds as the command line has them: a list of one seed is that seed, and not how many.

    Raises:
        InputError: something among them is no seed.
    """
    return words(value) if isinstance(value, int | str) else [*words(value), ","]
