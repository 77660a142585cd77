"""Versions of what is needed, and the optional extras that are missing; nothing is imported."""

import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from nasneurn.doctor.remarks import Remark
from nasneurn.environment import environment

#: What is optional: what it is for, the packages that it needs, and the command that gets them.
EXTRAS = {
    "ray": ("studies on several machines (--engine ray)", ("ray",), "pip install 'nasneurn[ray]'"),
    "keras": ("Keras models in alignments", ("keras",), "pip install 'nasneurn[keras]'"),
    "diagnose": (
        "saliency and corruptions in diagnose",
        ("captum", "imagecorruptions-imaug"),
        "pip install 'nasneurn[diagnose]'",
    ),
    "tensorboard": (
        "curves while a study runs (--tensorboard)",
        ("tensorboard",),
        "pip install 'nasneurn[tensorboard]'",
    ),
    "onnx": (
        "nasneurn export to ONNX",
        ("onnx", "onnxscript", "onnxruntime"),
        "pip install onnx onnxscript onnxruntime",
    ),
}


def examine_packages() -> Iterator[Remark]:
    """Whether each package that is needed is there, in a version that will do."""
    found: list[str] = []
    lacking: list[str] = []
    for requirement in _required():
        problem = _problem(requirement)
        (lacking if problem else found).append(problem or _with_version(requirement.name))
    commit = environment().get("commit")
    own = f"nasneurn {version('nasneurn')}" + (f" (commit {commit})" if commit else "")
    yield Remark("ok", f"{own}, Python {platform.python_version()}, {platform.platform()}")
    yield Remark("ok", ", ".join(found))
    for problem in lacking:
        yield Remark("broken", f"{problem}; pip install --upgrade nasneurn")


def examine_extras() -> Iterator[Remark]:
    """Which optional extras are there, and the command that gets each."""
    for extra, (use, packages, command) in EXTRAS.items():
        lacking = [name for name in packages if _problem(Requirement(name))]
        if lacking:
            yield Remark("missing", f"{extra}: {use}; without {', '.join(lacking)}: {command}")
        else:
            yield Remark("ok", f"{extra}: {use}")
    if platform.machine() in ("aarch64", "arm64") and platform.system() == "Linux":
        yield Remark("missing", "search: NNI has no wheel for this machine; all else works")
    compiler = next(filter(shutil.which, ("c++", "g++", "clang++", "cl")), None)
    if compiler is None:
        yield Remark("missing", "--compile: PyTorch finds no C++ compiler; install g++ or clang")


def _required() -> list[Requirement]:
    """What the package always needs on this machine."""
    asked = [Requirement(line) for line in requires("nasneurn") or []]
    return [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]


def _with_version(name: str) -> str:
    return f"{name} {version(name)}"


def _problem(requirement: Requirement) -> str:
    """Why what is installed will not do; nothing where it does."""
    try:
        there = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if not requirement.specifier.contains(there, prereleases=True):
        return f"{requirement.name} {there} is installed, and {requirement.specifier} is needed"
    return ""
