"""Rank correlations and hypervolumes, from tables of a search."""

import numpy as np
import pandas as pd
import pytest
from grid_rows import evolution_rows
from scipy import stats

from nasneurn.analysis import rank_correlation as module
from nasneurn.analysis.hypervolumes import hypervolumes
from nasneurn.analysis.rank_correlation import rank_correlation, rank_correlations


def test_correlations_are_scipys() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=40)
    second = first + rng.normal(size=40)
    found = rank_correlation(first, second)
    assert found["kendall"] == pytest.approx(stats.kendalltau(first, second).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(first, second).statistic)
    # Fisher's interval of Spearman's rho (Bonett and Wright, 2000), to a tenth.
    rho = found["spearman"]
    reach = 1.96 * np.sqrt((1 + rho**2 / 2) / 37)
    low, high = np.tanh(np.arctanh(rho) + np.array([-reach, reach]))
    assert found["spearman_low"] == pytest.approx(low, abs=0.1)
    assert found["spearman_high"] == pytest.approx(high, abs=0.1)
    assert found["kendall_low"] < found["kendall"] < found["kendall_high"]


@pytest.mark.parametrize("ties", [False, True])
def test_resampled_correlations_are_scipys(ties: bool) -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 9)).round(0 if ties else 6)
    rows = rng.integers(9, size=(30, 9))
    for ours, theirs in (
        (module._kendall, stats.kendalltau),
        (module._spearman, stats.spearmanr),
    ):
        expected = [theirs(first[row], second[row]).statistic for row in rows]
        np.testing.assert_allclose(ours(first, second, rows), expected)


@pytest.mark.slow
@pytest.mark.parametrize("tau", [0.0, 0.5])
def test_the_interval_holds_the_truth(tau: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of normal pairs, whose tau is 2/pi times the arc sine of their correlation."""
    monkeypatch.setattr(module, "DRAWS", 400)
    rng, correlation, held = np.random.default_rng(2), np.sin(np.pi / 2 * tau), 0
    for _ in range(400):
        first, noise = rng.normal(size=(2, 12))
        second = correlation * first + np.sqrt(1 - correlation**2) * noise
        found = rank_correlation(first, second)
        held += found["kendall_low"] <= tau <= found["kendall_high"]
    assert 0.92 <= held / 400 <= 0.99  # 97% were held of 12 pairs; an error of 1%


def test_what_has_no_spread_has_no_correlation() -> None:
    assert np.isnan(list(rank_correlation(np.ones(6), np.arange(6.0)).values())).all()
    five = rank_correlation(np.arange(5.0), np.arange(5.0))
    assert five["kendall"] == pytest.approx(1)
    assert np.isnan(five["kendall_low"])


def test_correlations_of_every_supernet_and_measure() -> None:
    quality = pd.DataFrame(
        {
            "space": "spos", "source": "mnist", "stem": ["none", "neurn"] * 5, "seed": 0,
            "raw": np.arange(10)[::-1], "recalibrated": np.arange(10), "alone": np.arange(10),
        }
    )  # fmt: skip
    table = rank_correlations(quality).set_index(["stem", "measure"])["kendall"]
    expected = {
        (stem, measure): sign
        for stem in ("none", "neurn")
        for measure, sign in (("raw", -1.0), ("recalibrated", 1.0))
    }
    assert table.to_dict() == pytest.approx(expected)


def test_hypervolume_grows_and_is_comparable() -> None:
    evolution = pd.DataFrame(
        {
            "space": "spos", "source": "mnist", "stem": ["a"] * 3 + ["b"], "seed": 0,
            "generation": [0, 1, 1, 0], "flops": [20, 10, 30, 10],
            "held_out_accuracy": [0.5, 0.5, 0.9, 0.9],
        }
    )  # fmt: skip
    table = hypervolumes(evolution).set_index(["stem", "generation"])["hypervolume"]
    # Error from 0.1 to 0.5 and cost from 10 to 30 are scaled to [0, 1]; the reference is 1.05.
    assert table["a", 0] == pytest.approx(0.05 * 0.55)
    assert table["a", 1] == pytest.approx(0.05 * 1.05 + 1.05 * 0.05 - 0.05 * 0.05)
    assert table["b", 0] == pytest.approx(1.05 * 1.05)


def test_hypervolumes_of_tables_that_were_concatenated() -> None:
    one = evolution_rows()
    other = one.assign(seed=one["seed"] + 2)
    together = hypervolumes(pd.concat([one, other]))
    expected = hypervolumes(pd.concat([one, other], ignore_index=True))
    pd.testing.assert_frame_equal(together, expected)
    assert len(together) == 2 * len(hypervolumes(one))
