"""Stopping long work on SIGINT or SIGTERM, so that it can be continued."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

#: Seconds until a signal is sent again that came where nothing can be broken off.
AGAIN = 0.05


class Interrupted(BaseException):
    """A person or a scheduler stops the command.

    Not a ``KeyboardInterrupt``, which Lightning takes for itself and turns into ``exit(1)``.
    """


_requested = False


def raise_on_signals() -> None:
    """From now on, SIGINT and SIGTERM raise :class:`Interrupted`.

    In destructors, and where compiled code calls back, Python prints what is raised and goes on.
    The signal is then sent once more a moment later, and nothing is printed.
    """
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    if not isinstance(sys.unraisablehook, _SentAgain):
        sys.unraisablehook = _SentAgain(sys.unraisablehook)


class _SentAgain:
    def __init__(self, others: Callable[[Any], object]) -> None:
        self._others = others

    def __call__(self, ignored: Any) -> None:
        if not issubclass(ignored.exc_type, Interrupted):
            self._others(ignored)
            return
        again = threading.Timer(AGAIN, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()


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
