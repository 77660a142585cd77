"""The committed studies are what their configurations say."""

from pathlib import Path

import pandas as pd
import pytest

from nasneurn.programs.opened import read_config
from nasneurn.rows import read_rows
from nasneurn.studies.folder import Study

RESULTS = Path(__file__).parents[1] / "results"
STUDIES = sorted(
    path.parent for path in RESULTS.rglob("config.yaml") if (path.parent / "store").is_dir()
)


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: str(folder.relative_to(RESULTS)))
def test_what_is_finished_is_what_is_planned(folder: Path) -> None:
    """An option, a field or a rule that comes later must not make a finished training another."""
    outcomes = Study(folder).store.outcomes()
    planned = {unit.identity for unit in read_config(folder / "config.yaml").units(outcomes)}
    assert set(outcomes.done) <= planned
    rows = read_rows(folder / "accuracy.csv")
    assert set(rows["training"]) <= set(outcomes.done)


#: Rows of the README's table: the method, and what the difference is against.
TOLD = {
    "plain": ("erm", None),
    "behind NeuRN": ("erm, neurn", "methods"),
    "Pro-RandConv": ("pro_randconv", "methods"),
    "Pro-RandConv behind NeuRN": ("pro_randconv, neurn", "overall"),
}


def test_the_readme_tells_what_was_measured() -> None:
    tables = RESULTS / "single-source-digits" / "tables"
    means = pd.read_csv(tables / "literature.csv").query("by == 'here'").set_index("method")
    overall = pd.read_csv(tables / "overall.csv").query("placement == 'front'")
    overall["method"] = overall["algorithm"] + ", " + overall["stem"]
    differences = {"overall": overall, "methods": pd.read_csv(tables / "methods.csv")}
    lines = (RESULTS.parent / "README.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:2] == "| "]
    found = {row[0]: row[1:] for row in rows if row[0] in TOLD}
    assert set(found) == set(TOLD)
    for name, (method, against) in TOLD.items():
        assert found[name][:4] == [
            f"{means.loc[method, column]:.1f}" for column in ("svhn", "mnistm", "usps", "mean")
        ], name
        if against is not None:
            one = differences[against].set_index("method").loc[method]
            told = f"{one.difference:+.1f} [{one.low:+.1f}, {one.high:+.1f}]"
            assert found[name][4].startswith(told), name
            p = found[name][4].rpartition("p = ")[2]
            assert p == f"{one.p_holm:.{len(p.partition('.')[2])}f}", name


def test_cells_and_seeds_vary_as_the_page_on_statistics_says() -> None:
    rows = pd.read_csv(RESULTS / "digits" / "accuracy.csv").query("source != target")
    keys = ["architecture", "source", "seed", "target"]
    table = 100 * rows.pivot_table(index=keys, columns="stem", values="accuracy")
    page = " ".join((RESULTS.parent / "docs" / "statistics.md").read_text().split())
    told = {}
    for stem in ("neurn", "instance_norm"):
        differences = (table[stem] - table["none"]).groupby(keys[:3]).mean().unstack("seed")
        of_seeds = differences.var(axis=1).mean()
        of_cells = differences.mean(axis=1).var() - of_seeds / differences.shape[1]
        assert f"{of_seeds:.0f}" == "19"
        told[stem] = (f"{of_cells / of_seeds:.1f} times", f"{of_cells:.0f}")
    (times, size), (other_times, other_size) = told.values()
    assert f"it is {times} for NeuRN and {other_times} for instance norm" in page
    assert f"19 squared points, the cells {size} and {other_size}." in page


def test_there_are_committed_studies() -> None:
    assert len(STUDIES) > 4
