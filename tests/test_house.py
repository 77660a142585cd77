"""What holds for the house as a whole: directions of imports, and a quick start."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Packages of the house that a package may import besides itself.
MAY_IMPORT = {
    "alignment": set(),
    "search_spaces": set(),
    "nasneurn": {"alignment", "search_spaces"},
}


def imported_packages(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names & set(MAY_IMPORT)


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_imports_go_one_way(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        foreign = imported_packages(path) - {package} - MAY_IMPORT[package]
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"


def test_only_one_file_knows_nnis_insides() -> None:
    for path in (ROOT / "nasneurn").rglob("*.py"):
        names = {
            node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module
        }
        assert not any(name.split(".")[0] == "nni" for name in names), path
    for path in (ROOT / "search_spaces").glob("*.py"):
        inside = "nni.nas.oneshot" in path.read_text()
        assert inside == (path.name == "nni_fixes.py"), path


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["search", "--help"]])
def test_the_command_starts_without_heavy_imports(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from nasneurn.cli import main\n"
        f"sys.argv = ['nasneurn', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'nni', 'timm', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["serch"], "No such command 'serch'"),
        (["search", "--budget", "quik"], "did you mean 'quick'?"),
        (["search", "--seed", "x"], "Invalid value for '--seed'"),
        (["search", "--source", "mars"], "source 'mars' is not a domain of builtin"),
        (["search", "--max-flops", "5"], "the smallest of the space has"),
        (["search", "--stem", "neurm"], "neurn"),
        (["search", "--stem", "neurn:k=4"], "4"),
        (["search", "--space", "darts"], "space is 'darts', must be one of spos"),
        (["search", "--space", "autoformer", "--max-flops", "5"], "the smallest of the space has"),
        (["search", "--space", "autoformer", "--set", "settings={patch_size: 5}"], "do not tile"),
        (["search", "--set", "sampling=sandwich"], "accumulate is 1"),
        (["search", "--set", "step=5"], "did you mean 'steps'?"),
        (["search", "--objective", "speed"], "objective is 'speed'"),
        (["search-quality", "--stems", "neurm"], "neurn"),
        (["search", "--suite", "/no/such/folder"], "/no/such/folder"),
        (["search", "--device", "tpu"], "device is 'tpu'"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "nasneurn", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("nasneurn: ")
    assert told in line
    assert list(tmp_path.iterdir()) == []
