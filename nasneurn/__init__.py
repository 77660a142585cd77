"""Benchmark architectures, hand-made and searched, on domain generalization.

Importing this package imports nothing heavy: each name below is loaded when it is first used.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "NeuRN": "nasneurn.stems",
    "create_stem": "nasneurn.stems",
    "list_stems": "nasneurn.stems",
    "neurn": "nasneurn.stems",
    "load_suite": "nasneurn.domains",
}

__all__ = ["NeuRN", "create_stem", "list_stems", "load_suite", "neurn"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
