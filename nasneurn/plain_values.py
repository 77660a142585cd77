"""Values of configurations, and the bounds that all of them share."""

import json
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

#: What a value may hold altogether, so that one that refers to itself ends.
MOST_VALUES = 1_000_000
#: How deep lists and mappings of a value may lie in each other.
DEEPEST = 100


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a word, a truth, nothing, or lists and mappings of these.

    >>> is_plain({"a": [1, None]}), is_plain({1: 2}), is_plain({3})
    (True, False, False)
    """
    left, seen = [(value, 0)], 0
    while left:
        one, depth = left.pop()
        seen += 1
        if seen > MOST_VALUES or depth > DEEPEST:
            return False
        if isinstance(one, dict):
            if not all(isinstance(key, str) for key in one):
                return False
            left += [(item, depth + 1) for item in one.values()]
        elif isinstance(one, list | tuple):
            left += [(item, depth + 1) for item in one]
        elif not (one is None or isinstance(one, bool | int | float | str)):
            return False
    return True


def plain_options(value: dict[str, Any]) -> dict[str, Any]:
    """The value, if it is plain, and JSON can hold it.

    Raises:
        ValueError: it holds something else, as a number that is not finite; is endless or too deep.
    """
    if not is_plain(value):
        raise ValueError("must hold numbers, words, and lists and fields of these")
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise ValueError("must hold finite numbers alone") from None
    return value


#: Options by name, as plain data.
Options = Annotated[dict[str, Any], AfterValidator(plain_options)]

#: How many: steps, images, passes.
Count = Annotated[int, Field(ge=1, lt=2**31)]
#: A limit on multiply-adds or weights.
Limit = Annotated[int, Field(ge=1, lt=2**63)]
#: Multiply-adds, or weights.
Size = Annotated[int, Field(ge=0, lt=2**63)]
#: What random numbers begin from, as PyTorch and numpy take them alike.
Seed = Annotated[int, Field(ge=0, lt=2**32)]
#: A name; an empty one names nothing.
Name = Annotated[str, Field(min_length=1)]
#: Side of images in pixels.
ImageSize = Annotated[int, Field(ge=8, le=1024)]

_T = TypeVar("_T")
#: One or more of something.
Some = Annotated[tuple[_T, ...], Field(min_length=1)]
