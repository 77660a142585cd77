"""How often intervals hold the truth, simulated; ``benchmarks/interval_coverage.py`` at length."""

import sys
from importlib import util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from nasneurn.analysis.comparisons import compare
from nasneurn.analysis.intervals import t_interval

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
DRAWS = 40_000
#: Four standard deviations of a share of 95% among that many draws.
ERROR = 4 * np.sqrt(0.95 * 0.05 / DRAWS)


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    """The benchmark as a module, with the one that it imports."""
    loaded = {}
    for name in ("benchmark_rows", "interval_coverage"):
        spec = util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        loaded[name] = sys.modules[name] = util.module_from_spec(spec)
        spec.loader.exec_module(loaded[name])
    return loaded["interval_coverage"]


@pytest.mark.parametrize("ratio", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
@pytest.mark.parametrize("cells", [3, 5, 12])
def test_intervals_over_cells_hold_the_truth(
    simulation: ModuleType, cells: int, seeds: int, ratio: float
) -> None:
    values = simulation.Scenario(cells, 1, seeds, ratio).draw(np.random.default_rng(0), DRAWS)
    coverage = simulation.measure("t over cells", values)["coverage"]
    assert 0.93 + ERROR < coverage < 0.97 - ERROR


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_intervals_over_seeds_hold_the_truth(simulation: ModuleType, seeds: int) -> None:
    values = simulation.Scenario(1, 2, seeds, 0.0).draw(np.random.default_rng(0), DRAWS)
    assert 0.93 + ERROR < simulation.measure("t over seeds", values)["coverage"] < 0.97 - ERROR


@pytest.mark.parametrize("cells", [3, 5, 12])
def test_heavy_tails_do_no_harm(simulation: ModuleType, cells: int) -> None:
    scenario = simulation.Scenario(cells, 1, 3, 3.0, tails="t of 3")
    values = scenario.draw(np.random.default_rng(0), DRAWS)
    assert 0.93 + ERROR < simulation.measure("t over cells", values)["coverage"] < 0.97


def test_the_other_methods_hold_it_less_often(simulation: ModuleType) -> None:
    """Why seeds are averaged first: each of these fails somewhere within the range in question."""
    values = simulation.Scenario(5, 1, 5, 3.0).draw(np.random.default_rng(0), 4_000)
    for name in simulation.METHODS:
        coverage = simulation.measure(name, values)["coverage"]
        assert (coverage > 0.93) == (name == "t over cells"), name


def test_few_cells_can_never_pass_the_signed_rank_test(simulation: ModuleType) -> None:
    values = simulation.Scenario(5, 1, 3, 0.0).draw(np.random.default_rng(0), 500) + 100
    assert simulation.measure(simulation.SIGNED_RANK, values)["power"] == 0
    assert simulation.measure("t over cells", values)["power"] == 1


def test_cells_that_share_effects_need_the_wider_interval(simulation: ModuleType) -> None:
    """What the documentation warns of: sources that matter make cells unlike independent ones."""
    scenario = simulation.Scenario(3, 4, 5, 3.0, (0.0, 0.8))
    values = scenario.draw(np.random.default_rng(0), DRAWS)
    assert simulation.measure("t over cells", values)["coverage"] < 0.8
    assert 0.93 + ERROR < simulation.measure("t over sources", values)["coverage"] < 0.97 - ERROR


def test_the_simulation_is_of_what_compare_does(simulation: ModuleType) -> None:
    (values,) = simulation.Scenario(3, 4, 2, 0.3).draw(np.random.default_rng(0), 1)
    names = ["architecture", "source", "seed"]
    index = pd.MultiIndex.from_product([range(size) for size in values.shape], names=names)
    rows = pd.DataFrame({"accuracy": values.ravel()}, index=index).reset_index()
    rows = rows.astype({"architecture": str, "source": str}).assign(target="x", stem="neurn")
    rows = pd.concat([rows.assign(stem="none", accuracy=0.0), rows])
    for random, name in (("cells", "t over cells"), ("sources", "t over sources")):
        (row,) = compare(rows, random=random).to_dict(orient="records")
        low, high = {**simulation.METHODS, "t over sources": simulation.t_over_sources}[name](
            values[None]
        )
        assert (row["low"], row["high"]) == pytest.approx((low[0], high[0]))


@pytest.mark.filterwarnings("ignore::UserWarning")  # at the edge of the parameters
@pytest.mark.parametrize("ratio", [0.0, 3.0])
def test_the_mixed_model_is_statsmodels(simulation: ModuleType, ratio: float) -> None:
    values = simulation.Scenario(6, 1, 4, ratio).draw(np.random.default_rng(1), 1)
    low, high = simulation.mixed_model(values)
    cells = np.repeat(np.arange(6), 4)
    theirs = MixedLM(values.ravel(), np.ones((24, 1)), groups=cells).fit(reml=True).conf_int()
    assert (low[0], high[0]) == pytest.approx(tuple(np.ravel(theirs)[:2]), abs=1e-3)


def test_the_committed_table_says_the_same() -> None:
    table = pd.read_csv(BENCHMARKS / "interval_coverage.csv")
    independent = table[(table["shared"] == "0+0") & (table["method"] == "t over cells")]
    assert set(independent["cells"]) == {3, 5, 12}
    assert {2, 3, 5} <= set(independent["seeds"])
    assert independent["coverage"].between(0.93, 0.97).all()


def test_intervals_take_many_draws_at_once() -> None:
    values = np.random.default_rng(0).normal(size=(4, 3, 7))
    together = t_interval(values)
    for place in np.ndindex(4, 3):
        alone = np.array(t_interval(values[place]))
        np.testing.assert_allclose([part[place] for part in together], alone)


def test_the_documentation_shows_the_committed_table() -> None:
    table = pd.read_csv(BENCHMARKS / "interval_coverage.csv")
    table = table[(table["tails"] == "normal") & (table["shared"] == "0+0") & (table["seeds"] > 1)]
    text = (BENCHMARKS.parent / "docs" / "statistics.md").read_text()
    lines = [[cell.strip(" *") for cell in line.split("|")] for line in text.splitlines()]
    for method in dict.fromkeys(table["method"]):
        for line in [line for line in lines if len(line) == 15 and line[1] == method]:
            own = table[table["method"] == method]
            for place, cells in enumerate((3, 5, 12)):
                part = own[own["cells"] == cells]
                if line[2 + place]:
                    ends = (100 * part["coverage"].agg(["min", "max"])).map("{:.0f}".format)
                    assert line[2 + place] == " to ".join(ends)
                one = part[(part["seeds"] == 3) & (part["variance_ratio"] == 0.3)].iloc[0]
                assert line[8 + place] == f"{100 * one['size']:.0f}"
                assert line[11 + place] == f"{100 * one['power']:.0f}"
    assert sum(len(line) == 15 for line in lines) == 2 + 7
