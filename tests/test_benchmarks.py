"""The scripts of benchmarks/ start, and the tables they left are as they say."""

import ast
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))
#: These import PyTorch with Lightning or NNI, which takes seconds.
HEAVY = {"algorithms.py", "stem.py", "supernet.py", "supernet_training.py", "training.py"}
#: Committed tables by the script and the constant that names their columns.
TABLES = {
    "benchmarks/algorithms.csv": ("algorithms.py", "COLUMNS"),
    "benchmarks/folders.csv": ("folders.py", "COLUMNS"),
    "benchmarks/interval_coverage.csv": ("interval_coverage.py", "COLUMNS"),
    "benchmarks/stem.csv": ("stem.py", "COLUMNS"),
    "benchmarks/supernet.csv": ("supernet.py", "COLUMNS"),
    "benchmarks/training.csv": ("training.py", "COLUMNS"),
    "results/align/benchmark.csv": ("alignment.py", "COLUMNS"),
    "results/align/commands.csv": ("alignment_command.py", "COLUMNS"),
    "results/align/random_features.csv": ("random_features.py", "COLUMNS"),
    "results/align/worth.csv": ("alignment_worth.py", "COLUMNS"),
    "results/supernet-training/paths.csv": ("supernet_training.py", "PATHS_COLUMNS"),
    "results/supernet-training/ways.csv": ("supernet_training.py", "WAYS_COLUMNS"),
}


def constant(script: str, name: str) -> list[str]:
    """The value of a script's constant, read without running it."""
    for statement in ast.parse((ROOT / "benchmarks" / script).read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            return list(ast.literal_eval(statement.value))
    raise AssertionError(f"{script} has no {name}")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(path.name, marks=[pytest.mark.slow] if path.name in HEAVY else [])
        for path in SCRIPTS
        if path.name != "benchmark_rows.py"
    ],
)
def test_a_benchmark_can_be_imported_and_shows_its_options(script: str) -> None:
    done = subprocess.run(
        [sys.executable, f"benchmarks/{script}", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {script}")
    assert "--out" in done.stdout


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_committed_table_has_the_columns_that_its_script_writes(table: str) -> None:
    rows = pd.read_csv(ROOT / table)
    assert list(rows.columns) == constant(*TABLES[table])
    assert len(rows) > 1


def test_every_table_beside_the_scripts_is_known() -> None:
    beside = {f"benchmarks/{path.name}" for path in (ROOT / "benchmarks").glob("*.csv")}
    assert beside <= set(TABLES)


def test_scripts_tell_what_their_columns_mean() -> None:
    lists = {path.name: ast.get_docstring(ast.parse(path.read_text())) or "" for path in SCRIPTS}
    lists = {script: told for script, told in lists.items() if "Columns: `" in told}
    assert len(lists) > 4
    for script, told in lists.items():
        assert [one for one in constant(script, "COLUMNS") if f"`{one}`" not in told] == []
