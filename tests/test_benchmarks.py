"""The scripts of benchmarks/ start, and the tables they left are as they say."""

import ast
import os
import random
import runpy
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))
#: What scripts have in common.
SHARED = {"benchmark_rows.py", "side_by_side.py"}
#: Committed tables by the script and the constant that names their columns.
TABLES = {
    "benchmarks/algorithms.csv": ("algorithms.py", "COLUMNS"),
    "benchmarks/busy.csv": ("busy.py", "COLUMNS"),
    "benchmarks/busy_commands.csv": ("busy_commands.py", "COLUMNS"),
    "benchmarks/folders.csv": ("folders.py", "COLUMNS"),
    "benchmarks/freed_memory.csv": ("freed_memory.py", "COLUMNS"),
    "benchmarks/graphs.csv": ("graphs.py", "COLUMNS"),
    "benchmarks/interval_coverage.csv": ("interval_coverage.py", "COLUMNS"),
    "benchmarks/protocol.csv": ("protocol.py", "COLUMNS"),
    "benchmarks/quick_commands.csv": ("quick_commands.py", "COLUMNS"),
    "benchmarks/rank_coverage.csv": ("rank_coverage.py", "COLUMNS"),
    "benchmarks/stem.csv": ("stem.py", "COLUMNS"),
    "benchmarks/stem_gpu.csv": ("stem.py", "COLUMNS"),
    "benchmarks/supernet.csv": ("supernet.py", "COLUMNS"),
    "benchmarks/together.csv": ("together.py", "COLUMNS"),
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


@pytest.mark.parametrize("script", [path.name for path in SCRIPTS if path.name not in SHARED])
@pytest.mark.usefixtures("scripts")
def test_a_benchmark_can_be_imported_and_shows_its_options(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "benchmarks" / script), run_name="__main__")
    assert not ended.value.code
    told = capsys.readouterr().out
    assert told.startswith(f"usage: {script}")
    assert "--out" in told


def test_a_benchmark_runs_where_the_project_is() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/folders.py", "--help"], cwd=ROOT, capture_output=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_committed_table_has_the_columns_that_its_script_writes(table: str) -> None:
    rows = pd.read_csv(ROOT / table)
    assert list(rows.columns) == constant(*TABLES[table])
    assert len(rows) > 1


def test_every_table_beside_the_scripts_is_known() -> None:
    beside = {f"benchmarks/{path.name}" for path in (ROOT / "benchmarks").glob("*.csv")}
    assert beside <= set(TABLES)


@pytest.mark.usefixtures("scripts")
def test_the_speed_page_says_what_the_tables_say() -> None:
    import speed_table

    page = speed_table.PAGE.read_text()
    assert speed_table.written(page) == page, "run python benchmarks/speed_table.py"
    assert "| 2.6 |" in page  # a number of results/align/benchmark.csv is there


def test_scripts_tell_what_their_columns_mean() -> None:
    lists = {path.name: ast.get_docstring(ast.parse(path.read_text())) or "" for path in SCRIPTS}
    lists = {script: told for script, told in lists.items() if "Columns: `" in told}
    assert len(lists) > 4
    for script, told in lists.items():
        assert [one for one in constant(script, "COLUMNS") if f"`{one}`" not in told] == []


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts can be imported, last of all that is on the path."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT / "benchmarks")])


@pytest.mark.slow
@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("way", ["vmap", "grouped"])
@pytest.mark.parametrize(
    "network", ["digits_convnet", "lcnet_035", "mobilenetv3_small_050, as published"]
)
def test_trainings_together_have_the_losses_and_gradients_of_each_alone(
    network: str, way: str
) -> None:
    import together
    import torch

    images, labels = together.batches(3, 8)
    joint_weights, joint = together.WAYS[way](together.made(network, 3))
    joint_losses = joint(images, labels)
    joint_losses.sum().backward()
    for number, module in enumerate(together.made(network, 3)):
        weights, losses = together.one([module])
        chosen = slice(number, number + 1)
        loss = losses(images[chosen], labels[chosen])
        loss.backward()
        torch.testing.assert_close(joint_losses[chosen], loss, rtol=1e-4, atol=1e-5)
        for shared, own in zip(joint_weights, weights, strict=True):
            assert shared.grad is not None
            assert own.grad is not None
            part = shared.grad.reshape(3, *own.shape)[number]
            torch.testing.assert_close(part, own.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("scripts")
def test_the_recipe_has_the_random_convolutions_of_the_algorithm() -> None:
    import protocol
    import torch
    from torch.nn import functional as F

    from nasneurn.algorithms import create_algorithm

    network = protocol.create_network("digits_convnet")
    images, labels = torch.rand(16, 3, 32, 32), torch.arange(16) % 10
    scaled = 2 * images - 1
    ours = create_algorithm("randconv")
    torch.manual_seed(0)
    random.seed(0)
    with torch.no_grad():
        recipe = [
            # Its images are from -1 to 1; both networks see those from 0 to 1.
            float(protocol.random_convolutions(lambda x: network((x + 1) / 2), scaled, labels))
            for _ in range(40)
        ]
        found = [float(ours.loss(network, images, labels, F.cross_entropy)) for _ in range(40)]
    # Draws differ, so means do by their errors: three of them.
    both = torch.tensor([recipe, found], dtype=torch.float64)
    error = (both.var(1).sum() / both.shape[1]).sqrt()
    assert abs(float(both.mean(1).diff())) < 3 * float(error)


def test_importing_the_package_sets_how_threads_wait_unless_the_user_has() -> None:
    code = "import os, nasneurn; print(os.environ['OMP_WAIT_POLICY'])"
    usual = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    for given, expected in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT, env={**usual, **given}, check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout.split() == [expected]


@pytest.mark.slow
@pytest.mark.usefixtures("scripts")
def test_steps_are_measured_in_processes_beside_busy_ones() -> None:
    import busy

    with busy.busy(1):
        assert busy.step("GOMP_SPINCOUNT=0", busy.CORES, 0.05) > 0
    assert busy.variables("unset", 1)["OMP_WAIT_POLICY"] is None
    assert busy.variables("OMP_WAIT_POLICY=ACTIVE", 1)["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.mark.slow
@pytest.mark.usefixtures("scripts")
def test_the_recipe_and_the_steps_alone_are_measured() -> None:
    import protocol

    for found in (
        protocol.recipe("erm", protocol.BUILT_IN, 0, 0.05),
        protocol.steps_alone("randconv", 0.05),
    ):
        assert found["steps"] >= 2
        assert found["ms"] > 0
        assert 0 < found["least_cpu_ms"] <= found["cpu_ms"]
