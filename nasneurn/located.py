"""What is named by where it lies, and imported when it is needed."""

import inspect
from importlib import import_module
from typing import Any


def at(path: str) -> Any:
    """What lies at ``package.module:Name``, of this package.

    >>> at("math:tau") > 6
    True
    """
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


class Located:
    """A maker that is imported when it is first called, so that its options are known before.

    Args:
        path: ``package.module:Name``.
        options: all that it takes, with their defaults.
    """

    def __init__(self, path: str, **options: Any) -> None:
        self.path = path
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter(name, kind, default=each) for name, each in options.items()]
        self.__signature__ = inspect.Signature(parameters)

    @property
    def maker(self) -> Any:
        """What lies there."""
        return at(self.path)

    def __call__(self, **options: Any) -> Any:
        """What it makes."""
        return self.maker(**options)
