"""Stopping long work on SIGINT or SIGTERM, so that it can be continued."""

import signal
from typing import NoReturn


class Interrupted(BaseException):
    """A person or a scheduler stops the command.

    Not a ``KeyboardInterrupt``, which Lightning takes for itself and turns into ``exit(1)``.
    """


_requested = False


def raise_on_signals() -> None:
    """From now on, SIGINT and SIGTERM raise :class:`Interrupted`."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, frame: object) -> NoReturn:
    global _requested
    _requested = True
    raise Interrupted


def was_interrupted() -> bool:
    """Whether a signal came, also where an import has made another exception of it."""
    return _requested


def check_interrupted() -> None:
    """Raise :class:`Interrupted` if a signal came, for loops around code that swallows it."""
    if _requested:
        raise Interrupted
