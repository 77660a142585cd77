"""A word before libraries are loaded, which takes seconds: on a terminal, where a person waits."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

#: Commands that say something at once by themselves.
AT_ONCE = frozenset({"status", "doctor"})


def with_first_line(name: str, command: Callable[..., None]) -> Callable[..., None]:
    """The command, which says first that it has begun."""
    if name in AT_ONCE:
        return command

    @wraps(command)
    def begun(*args: Any, **kwargs: Any) -> None:
        if sys.stderr.isatty():
            print(f"nasneurn {name}: loading libraries", file=sys.stderr, flush=True)
        command(*args, **kwargs)

    return begun
