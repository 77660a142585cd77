"""The error that a person can mend: wrong input, told in one line."""

from collections.abc import Iterable
from numbers import Integral


class InputError(ValueError):
    """What a person gave cannot be used.

    The message is one line that names what was wrong, the value, and what would be right.
    The command line prints it on stderr and exits with code 2; it shows no traceback.
    """


def one_line(error: object, at_most: int | None = 200) -> str:
    """What an error says as part of another line: its first letters; of a silent one its kind.

    Args:
        error: an exception, or what one says.
        at_most: so many letters; None is all.

    >>> one_line(ValueError("not\\na number."))
    'not a number'
    >>> one_line(EOFError())
    'EOFError'
    >>> one_line(OSError(2, "No such file or directory"))
    'No such file or directory'
    """
    text = " ".join(str(error).split())
    if isinstance(error, OSError):  # whose number tells a person nothing
        text = text.removeprefix(f"[Errno {error.errno}] ")
    return text[:at_most].rstrip(" .") or type(error).__name__


def check_whole(name: str, value: object, least: int) -> None:
    """Refuse what is no whole number of at least so much.

    Raises:
        InputError: with the name and the value.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(f"{name} is {value!r}, must be a whole number, {least} or more")


def listed(names: Iterable[str], most: int) -> str:
    """The first of some names as part of a line, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    whole = list(names)
    more = len(whole) - most
    return ", ".join(whole[:most]) + (f" and {more} more" if more > 0 else "")


def kind_and_line(error: BaseException) -> str:
    """The same after the kind of the error, whole, as of code that is not of this package.

    >>> kind_and_line(KeyError("x")), kind_and_line(EOFError())
    ("KeyError: 'x'", 'EOFError')
    """
    kind, told = type(error).__name__, one_line(error, None)
    return kind if told == kind else f"{kind}: {told}"
