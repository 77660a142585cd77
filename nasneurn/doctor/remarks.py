"""What an examination finds."""

from dataclasses import dataclass
from typing import Literal

#: ``missing`` is what one may want, with the command that gets it; ``broken`` is what is needed.
State = Literal["ok", "missing", "broken"]


@dataclass(frozen=True)
class Remark:
    """One thing that was looked at.

    Attributes:
        state: how it is.
        text: what was found, and what to do where it is not well.
    """

    state: State
    text: str


def gigabytes(size: float) -> str:
    """Bytes for people.

    >>> gigabytes(2.5e9), gigabytes(3e6), gigabytes(120)
    ('2.5 GB', '3.0 MB', '120 bytes')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size:.0f} bytes"
