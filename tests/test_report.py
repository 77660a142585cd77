"""Statistics, tables and figures made from rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nasneurn.analysis.paired import paired_difference
from nasneurn.analysis.transfer import transfer_table
from nasneurn.report.search_figures import draw_search, draw_transfer, front_of, mean_transfer
from nasneurn.report.search_table import print_search
from nasneurn.search import Outputs

shares = st.floats(0, 1, allow_subnormal=False)


@given(st.lists(st.tuples(shares, shares), min_size=2, max_size=12))
def test_interval_is_that_of_scipys_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    treated, control = zip(*pairs, strict=True)
    ours = paired_difference(treated, control)
    assert ours.mean == pytest.approx(np.mean(treated) - np.mean(control), abs=1e-12)
    assert ours.low is not None
    assert ours.high is not None
    if np.ptp(np.subtract(treated, control)) > 1e-9:
        interval = stats.ttest_rel(treated, control).confidence_interval(0.95)
        assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_one_pair_has_no_interval() -> None:
    assert paired_difference([0.5], [0.25]).low is None


points = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40)


@given(points)
def test_front_is_what_no_other_beats(values: list[tuple[int, int]]) -> None:
    rows = pd.DataFrame(values, columns=["flops", "source_accuracy"])
    front = set(front_of(rows).itertuples(index=False, name=None))
    beaten = {
        (flops, score)
        for flops, score in values
        if any(f <= flops and s >= score and (f, s) != (flops, score) for f, s in values)
    }
    assert front == set(values) - beaten


def accuracies(stems: list[str], sources: list[str], seeds: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "source": source,
            "target": target,
            "stem": stem,
            "seed": seed,
            "weights": "inherited",
            "accuracy": rng.uniform(),
        }
        for seed in range(seeds)
        for source in sources
        for stem in stems
        for target in ("photo", "sketch", "cartoon")
    )


def test_differences_to_the_first_stem_with_scipys_intervals() -> None:
    rows = accuracies(["none", "neurn"], ["photo", "sketch"], seeds=4)
    table = transfer_table(rows).set_index(["source", "target", "stem"])
    assert len(table) == (2 * 3 + 1) * 2
    across = rows[rows["source"] != rows["target"]]
    wide = across.groupby(["seed", "stem"])["accuracy"].mean().unstack()
    last = table.loc["all", "others", "neurn"]
    assert last["accuracy"] == pytest.approx(wide["neurn"].mean())
    interval = stats.ttest_rel(wide["neurn"], wide["none"]).confidence_interval(0.95)
    assert (last["low"], last["high"]) == pytest.approx((interval.low, interval.high))
    one = transfer_table(rows[rows["seed"] == 0])
    assert one["low"].isna().all()
    assert one.query("stem == 'none'")["difference"].isna().all()


def test_transfer_is_the_mean_over_seeds() -> None:
    rows = accuracies(["none", "neurn"], ["photo", "sketch"], seeds=3)
    table = mean_transfer(rows, "neurn")
    assert list(table.columns) == ["photo", "sketch", "cartoon"]
    chosen = rows.query("stem == 'neurn' and source == 'sketch' and target == 'cartoon'")
    assert table.loc["sketch", "cartoon"] == pytest.approx(100 * chosen["accuracy"].mean())


@pytest.mark.parametrize("stems", [["neurn"], ["none", "neurn"]])
@pytest.mark.parametrize("sources", [["photo"], ["photo", "sketch"]])
def test_figures_are_drawn(tmp_path: Path, stems: list[str], sources: list[str]) -> None:
    draw_transfer(accuracies(stems, sources, 2), tmp_path / "transfer.png")
    rng = np.random.default_rng(0)
    evolution = pd.DataFrame(
        {
            "source": source,
            "stem": stem,
            "seed": seed,
            "generation": generation,
            "flops": int(rng.integers(1e6, 2e6)),
            "source_accuracy": rng.uniform(),
        }
        for source in sources
        for stem in stems
        for seed in (0, 1)
        for generation in (0, 0, 1, 1)
    )
    draw_search(evolution, tmp_path / "search.png")
    for name in ("transfer.png", "search.png"):
        assert (tmp_path / name).stat().st_size > 10_000


@pytest.mark.parametrize(("seeds", "told"), [(1, "one seed, so no"), (3, "means of 3 seeds")])
def test_the_printed_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seeds: int, told: str
) -> None:
    outputs = Outputs(tmp_path)
    rows = accuracies(["none", "neurn"], ["photo"], seeds)
    rows.to_csv(outputs.accuracy_path, index=False)
    outputs.architecture_path.write_text("[]")
    print_search(outputs)
    printed = capsys.readouterr().out
    assert told in printed
    assert ("[" in printed) == (seeds > 1)
    pair = rows.query("target == 'sketch'").groupby("stem")["accuracy"].mean()
    assert f"{100 * (pair['neurn'] - pair['none']):+.1f}" in printed


def test_figures_of_a_search_that_is_still_running(tmp_path: Path) -> None:
    rows = accuracies(["none", "neurn"], ["photo", "sketch"], 1)
    rows = rows[~((rows["stem"] == "neurn") & (rows["source"] == "sketch"))]
    assert mean_transfer(rows, "neurn").loc["sketch"].isna().all()
    assert len(transfer_table(rows)) == (3 + 3 + 1) * 2 - 3
    draw_transfer(rows, tmp_path / "transfer.png")
    candidates = rows.rename(columns={"accuracy": "source_accuracy"})
    draw_search(candidates.assign(generation=0, flops=range(len(rows))), tmp_path / "search.png")
