"""Checks of a space's settings: each refuses what cannot be meant, in one line.

>>> whole_number("width", 3, least=1)
3
>>> whole_number("width", -1, least=1)
Traceback (most recent call last):
    ...
search_spaces.errors.SpaceError: width is -1, must be a whole number of 1 or more
"""

import difflib
import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

from search_spaces.errors import SpaceError


def suggestion(value: object, known: Iterable[object]) -> str:
    """``; did you mean 'x'?`` for the nearest of ``known``; nothing where none is near."""
    near = difflib.get_close_matches(str(value), [str(one) for one in known], 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def known(what: str, value: Any, names: Iterable[str]) -> str:
    """A name that is one of ``names``.

    Raises:
        SpaceError: it is none of them; told with the nearest.
    """
    listed = list(names)
    if not isinstance(value, str) or value not in listed:
        raise SpaceError(
            f"{what} is {value!r}, must be one of {', '.join(listed)}{suggestion(value, listed)}"
        )
    return value


def whole_number(what: str, value: Any, *, least: int) -> int:
    """A whole number that is not below ``least``.

    Raises:
        SpaceError: it is below, or no whole number.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise SpaceError(f"{what} is {value!r}, must be a whole number of {least} or more")
    return int(value)


def positive_number(what: str, value: Any) -> float:
    """A finite number above zero, as it was given.

    Raises:
        SpaceError: it is not above zero, not finite, or no number.
    """
    if not _is_number(value) or not 0 < value < math.inf:
        raise SpaceError(f"{what} is {value!r}, must be a number above 0")
    number: float = value
    return number


def probability(what: str, value: Any) -> float:
    """A probability below 1: with 1 nothing is left.

    Raises:
        SpaceError: it is not from 0 to below 1, or no number.
    """
    if not _is_number(value) or not 0 <= value < 1:
        raise SpaceError(f"{what} is {value!r}, must be a number from 0 to below 1")
    return float(value)


def distinct(what: str, values: Any) -> Sequence[Any]:
    """The options of a choice: one or more, and none twice.

    Raises:
        SpaceError: it is no list, is empty, or names an option twice.
    """
    if not isinstance(values, list | tuple) or not values:
        raise SpaceError(f"{what} is {values!r}, must be a list of one or more options")
    if any(value in values[:place] for place, value in enumerate(values)):
        raise SpaceError(f"{what} is {values!r}, must name each option once")
    return values


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real)
