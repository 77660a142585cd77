"""What a person can mend about models, scoring options or outputs of an alignment."""

import difflib
from collections.abc import Iterable

#: What PyYAML raises of a value that its tag does not fit, as ``!!bool nope``.
WRONG_TAGS = (LookupError, AttributeError, TypeError)


class AlignmentError(ValueError):
    """A model name, an option or a file cannot be used as asked.

    The message is one line that names what was wrong, the value, and what would be right.
    """


class TraceError(AlignmentError):
    """One architecture could not be built, or could not be run on the meta device."""


def one_line(error: BaseException) -> str:
    """What an error says as part of another line: its first letters; of a silent one its kind."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError):  # whose number tells a person nothing
        text = text.removeprefix(f"[Errno {error.errno}] ")
    return text[:200] or type(error).__name__


def did_you_mean(value: str, known: Iterable[str], most: int = 1) -> str:
    """``did you mean x or y?`` with the nearest of ``known``; nothing where none is near.

    >>> did_you_mean("resnet5O", ["resnet50", "vgg16"])
    'did you mean resnet50?'
    """
    near = difflib.get_close_matches(value, list(known), n=most)
    return f"did you mean {' or '.join(near)}?" if near else ""


def check_known(what: str, value: str, known: Iterable[str]) -> None:
    """Refuse a value that is none of the known ones.

    Raises:
        AlignmentError: with what is known, and the nearest.
    """
    names = list(known)
    if value not in names:
        near = did_you_mean(value, names)
        raise AlignmentError(
            f"unknown {what} {value!r}; choose of {', '.join(names)}" + (near and f"; {near}")
        )
