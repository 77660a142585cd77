"""Words and seeds, as a program finds them handy."""

from collections.abc import Sequence
from pathlib import Path

#: One word or several.
Words = str | Sequence[str]


def words(value: Words | int | Path | Sequence[Path | str]) -> list[str]:
    """As a list of words; a path is one, too."""
    return [str(value)] if isinstance(value, str | int | Path) else [str(one) for one in value]


def seeds_of(value: int | str | Sequence[int] | Sequence[str]) -> list[str]:
    """Seeds as the command line has them: a list of one seed is that seed, and not how many."""
    return words(value) if isinstance(value, int | str) else [*map(str, value), ","]
