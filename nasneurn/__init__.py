"""Benchmark architectures, hand-made and searched, on domain generalization.

Importing this package imports nothing heavy: each name below is loaded when it is first used.
"""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from alignment import cores as _cores

# OpenMP's threads wait for each other by spinning, which makes a step take many times as long where
# other processes want the cores, too. It is read when torch is imported, so it stands before that.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
_cores.bound_threads()  # which is read then, too

if TYPE_CHECKING:
    from nasneurn import transforms as transforms
    from nasneurn.algorithms import create_algorithm, list_algorithms, register_algorithm
    from nasneurn.api import ablate, align, bench, load_results, search
    from nasneurn.domains import load_suite
    from nasneurn.errors import InputError
    from nasneurn.models.exporting import export
    from nasneurn.models.trained_model import load_model
    from nasneurn.models.with_stem import with_stem
    from nasneurn.networks import (
        create_network,
        create_space,
        list_networks,
        list_spaces,
        read_found,
        register_network,
        register_space,
    )
    from nasneurn.programs.shown import ShownStudy as Study
    from nasneurn.questions import advise, correlate, diagnose, predict, report
    from nasneurn.stems import NeuRN, create_stem, list_stems, neurn, register_stem
    from nasneurn.studies.run import Execution

    __version__: str

_HOME = {
    "Execution": "nasneurn.studies.run",
    "InputError": "nasneurn.errors",
    "NeuRN": "nasneurn.stems",
    "Study": "nasneurn.programs.shown",
    "ablate": "nasneurn.api",
    "advise": "nasneurn.questions",
    "align": "nasneurn.api",
    "bench": "nasneurn.api",
    "correlate": "nasneurn.questions",
    "create_algorithm": "nasneurn.algorithms",
    "create_network": "nasneurn.networks",
    "create_space": "nasneurn.networks",
    "create_stem": "nasneurn.stems",
    "diagnose": "nasneurn.questions",
    "export": "nasneurn.models.exporting",
    "list_algorithms": "nasneurn.algorithms",
    "list_networks": "nasneurn.networks",
    "list_spaces": "nasneurn.networks",
    "list_stems": "nasneurn.stems",
    "load_model": "nasneurn.models.trained_model",
    "load_results": "nasneurn.api",
    "load_suite": "nasneurn.domains",
    "neurn": "nasneurn.stems",
    "predict": "nasneurn.questions",
    "read_found": "nasneurn.networks",
    "register_algorithm": "nasneurn.algorithms",
    "register_network": "nasneurn.networks",
    "register_space": "nasneurn.networks",
    "register_stem": "nasneurn.stems",
    "report": "nasneurn.questions",
    "search": "nasneurn.api",
    "with_stem": "nasneurn.models.with_stem",
}
#: Modules that are loaded when they are first used; what else is in the package is imported.
_SUBMODULES = ("transforms",)
#: What is called otherwise in its home.
_THERE = {"Study": "ShownStudy"}

__all__ = [
    "Execution",
    "InputError",
    "NeuRN",
    "Study",
    "__version__",
    "ablate",
    "advise",
    "align",
    "bench",
    "correlate",
    "create_algorithm",
    "create_network",
    "create_space",
    "create_stem",
    "diagnose",
    "export",
    "list_algorithms",
    "list_networks",
    "list_spaces",
    "list_stems",
    "load_model",
    "load_results",
    "load_suite",
    "neurn",
    "predict",
    "read_found",
    "register_algorithm",
    "register_network",
    "register_space",
    "register_stem",
    "report",
    "search",
    "with_stem",
]


if not TYPE_CHECKING:  # which would take a misspelt name for one of these

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version("nasneurn")
        if name in _HOME:
            return getattr(import_module(_HOME[name]), _THERE.get(name, name))
        if name in _SUBMODULES:
            return import_module(f"nasneurn.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is meant for others, and no module that happens to be loaded."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


class _Package(ModuleType):
    """This module, in which ``search`` stays the function when the package of that name is loaded.

    Python sets each submodule as an attribute of its package.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
