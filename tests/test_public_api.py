"""What ``import nasneurn`` offers: names, types, and nothing heavy."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path

import pytest

import nasneurn
from alignment.needleman_wunsch import Scoring
from alignment.options import Options
from alignment.presets import Changes

ROOT = Path(__file__).parents[1]

NAMES = [
    "Execution", "InputError", "NeuRN", "Study", "__version__", "ablate", "advise", "align",
    "bench", "correlate", "create_algorithm", "create_network", "create_space", "create_stem",
    "diagnose", "export",
    "list_algorithms", "list_networks", "list_spaces", "list_stems", "load_model", "load_results",
    "load_suite", "neurn", "predict",
    "read_found", "register_algorithm", "register_network", "register_space", "register_stem",
    "report", "search", "with_stem",
]  # fmt: skip

#: A user's file, and what type checkers must find its expressions to be.
USERS_FILE = """
import nasneurn
import torch
from nasneurn import stems

reveal_type(nasneurn.__version__)
reveal_type(nasneurn.neurn(torch.rand(1, 3, 8, 8), k=3))
reveal_type(nasneurn.create_stem("neurn", k=5))
reveal_type(nasneurn.load_suite("builtin").domains)
reveal_type(nasneurn.bench("digits_convnet", seeds=2))
reveal_type(nasneurn.search("spos").accuracy)
reveal_type(nasneurn.align("all", scheme="layer", gap=-1))
reveal_type(nasneurn.ablate("scope", seeds=2).overall)
reveal_type(nasneurn.create_network("resnet18"))
reveal_type(nasneurn.with_stem(torch.nn.Conv2d(3, 8, 3), "neurn"))
reveal_type(nasneurn.load_model("x.safetensors"))
reveal_type(nasneurn.transforms.NeuRN(k=5))
nasneurn.NeuRN(border="reflekt")
nasneurn.search("spos", sourses="mnist")
nasneurn.align("all", schema="layer")
nasneurn.ablate("scope", seed=2)
nasneurn.load_everything("x")
stems.sobbel(torch.rand(1, 3, 8, 8))
"""
#: What a checker must say of its last lines.
FAULTS = [
    "Literal['reflekt']", '"sourses"', '"schema"', '"seed"', '"load_everything"', '"sobbel"',
]  # fmt: skip
TYPES = [
    "str",
    "torch._tensor.Tensor",
    "torch.nn.modules.module.Module",
    "tuple[str, ...]",
    "nasneurn.programs.shown.ShownStudy",
    "pandas.core.frame.DataFrame",
    "alignment.outcome.Alignment",
    "pandas.core.frame.DataFrame",
    "torch.nn.modules.module.Module",
    "torch.nn.modules.conv.Conv2d",
    "nasneurn.models.trained_model.TrainedModel",
    "nasneurn.transforms.NeuRN",
]


def test_the_names_of_the_package() -> None:
    assert sorted(nasneurn.__all__) == sorted(NAMES)
    for name in NAMES:
        assert getattr(nasneurn, name) is not None
        assert name in dir(nasneurn)
    assert {name for name in dir(nasneurn) if not name.startswith("__")} <= {*NAMES}


def test_importing_imports_nothing_heavy() -> None:
    code = (
        "import sys, nasneurn\n"
        "assert nasneurn.__version__\n"
        "print(sorted({'torch', 'numpy', 'pandas', 'nni', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_bounds_the_threads_of_libraries() -> None:
    code = (
        "import os; from alignment import cores\n"
        "cores._by_affinity, cores.available_cores = lambda: 8, lambda: 2\n"
        "import nasneurn; print([os.environ[name] for name in cores.THREAD_VARIABLES])"
    )
    environment = {name: value for name, value in os.environ.items() if "_THREADS" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "['2', '2', '2']"


def test_the_transforms_are_there_when_they_are_used() -> None:
    code = (
        "import sys, nasneurn\n"
        "assert 'torchvision' not in sys.modules\n"
        "print(nasneurn.transforms.NeuRN(k=5))\n"
        "nasneurn.load_everything"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("NeuRN(")
    assert "AttributeError: module 'nasneurn' has no attribute 'load_everything'" in done.stderr


def test_completion_shows_what_a_call_takes() -> None:
    """No call hides its arguments behind ``**options``, but for those of a thing by name."""
    for name in ("ablate", "bench", "correlate", "diagnose", "predict", "report", "search"):
        shown = signature(getattr(nasneurn, name))
        kinds = {one.kind for one in shown.parameters.values()}
        assert Parameter.VAR_KEYWORD not in kinds, name
        assert shown.return_annotation is not Parameter.empty, name


def test_changes_of_an_alignment_are_typed() -> None:
    taken = {field.name for owner in (Options, Scoring) for field in fields(owner)}
    assert set(Changes.__annotations__) == taken - {"scoring"}


def test_a_function_stays_one_when_the_package_of_its_name_is_loaded() -> None:
    import_module("nasneurn.search.shifts")
    from nasneurn.search import shifts

    assert nasneurn.search is import_module("nasneurn.api").search
    assert shifts is sys.modules["nasneurn.search.shifts"]


@pytest.mark.slow
def test_mypy_sees_the_types(tmp_path: Path) -> None:
    file = tmp_path / "users_file.py"
    file.write_text(USERS_FILE)
    # By the project's configuration and in its folder: what is kept serves the next check of types.
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(file)], capture_output=True, text=True, cwd=ROOT
    )
    found = [line.split('"')[1] for line in done.stdout.splitlines() if "Revealed type" in line]
    assert found == TYPES, done.stdout
    lines = done.stdout.splitlines()
    # What mypy keeps names the file where it lay before.
    told = [line for line in lines if f"/{file.name}:" in line and " error: " in line]
    assert len(told) == len(FAULTS), done.stdout
    assert all(fault in line for fault, line in zip(FAULTS, told, strict=True)), done.stdout


@pytest.mark.slow
def test_pyright_sees_the_types(tmp_path: Path) -> None:
    # No part of the extra for tests: with the Node that it brings it takes 75 MB.
    command = shutil.which("basedpyright") or shutil.which("pyright")
    if command is None:
        pytest.skip("pyright is needed: pip install basedpyright")
    file = tmp_path / "users_file.py"
    file.write_text(USERS_FILE)
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [command, "--outputjson", "--pythonpath", sys.executable, "-p", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    told = json.loads(done.stdout)["generalDiagnostics"]
    revealed = [re.fullmatch(r'Type of ".*" is "(.*)"', one["message"]) for one in told]
    # Pyright tells classes by their last names.
    short = [re.sub(r"^[\w.]+\.(?=\w+$)", "", full) for full in TYPES]
    assert [found[1] for found in revealed if found] == short, told
    # Of one line, since what is unknown there may be told beside why it is.
    faults: dict[int, str] = {}
    for one, found in zip(told, revealed, strict=True):
        if not found:
            line = one["range"]["start"]["line"]
            faults[line] = faults.get(line, "") + one["message"]
    assert len(faults) == len(FAULTS), told
    assert all(fault in faults[line] for fault, line in zip(FAULTS, sorted(faults), strict=True)), (
        told
    )
