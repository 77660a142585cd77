"""The model of the gain: planted effects are found, and nothing where nothing is."""

import numpy as np
import pandas as pd
import pytest
from gain_pairs import DOMAINS, FEATURES, gain_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.preprocessing import StandardScaler

from nasneurn.analysis.gain_model import PENALTIES, GainModel
from nasneurn.analysis.left_out import (
    by_group,
    fit,
    folds_of,
    improvement,
    measures,
    predict_left_out,
    reach,
    score,
)
from nasneurn.errors import InputError


def arrays(pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return pairs[list(FEATURES)].to_numpy(copy=True), pairs["gain"].to_numpy(copy=True)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_model_is_scikit_learns_ridge(penalty: float) -> None:
    values, gains = arrays(gain_pairs(effect=3.0))
    scaler = StandardScaler().fit(values)
    ridge = Ridge(alpha=penalty * len(gains)).fit(scaler.transform(values), gains)
    model = GainModel.fit(values, gains, FEATURES, penalty)
    np.testing.assert_allclose(model.coefficients, ridge.coef_)
    np.testing.assert_allclose(
        model.predict(values[:5]), ridge.predict(scaler.transform(values[:5]))
    )


def test_far_features_are_cut_and_constant_ones_count_nothing() -> None:
    values, gains = arrays(gain_pairs(effect=3.0))
    values[:, 2] = 7.0
    model = GainModel.fit(values, gains, FEATURES, 0.01)
    assert model.coefficients[2] == 0.0
    middle = np.array(model.mean)
    beyond = middle + np.array([1e6, 0, 0, 0])
    edge = middle + np.array([4 * model.scale[0], 0, 0, 0])
    assert model.predict([beyond]) == pytest.approx(model.predict([edge]))


def test_a_planted_effect_is_found_with_its_size_on_left_out_groups() -> None:
    pairs = gain_pairs(effect=5.0)
    model = fit(pairs, FEATURES)
    slopes = np.array(model.coefficients) / model.scale
    assert slopes[0] == pytest.approx(5.0, abs=0.5)
    assert np.abs(slopes[1:]).max() < 0.8
    for scheme, groups in (("domain", 4), ("shift", 4)):
        found = score(predict_left_out(pairs, FEATURES, scheme))
        assert found["groups"] == groups
        assert found["r2"] > 0.6
        assert found["r2_low"] < found["r2"] < found["r2_high"]
        assert found["better_low"] > 0
        assert found["p"] < 0.05
        assert found["sign"] > 0.8 > found["sign_of_mean"]
        assert found["spearman"] > 0.8
        # The deviation of what cannot be predicted is sqrt(2^2 + 1^2), and sqrt(2 / pi) of that.
        assert found["mae"] == pytest.approx(1.8, abs=0.5)
        assert found["covered"] == pytest.approx(0.9, abs=0.08)


@pytest.mark.slow
def test_with_nothing_planted_the_model_is_seldom_better_than_the_mean() -> None:
    runs, better, penalties = 200, 0, []
    for seed in range(runs):
        pairs = gain_pairs(seed=seed)
        found = predict_left_out(pairs, FEATURES, "domain")
        apart = found[["predicted", "mean_of_others"]].sub(found["gain"], axis=0).abs()
        errors = apart.groupby(found["group"]).mean().to_numpy()
        better += improvement(list(map(tuple, errors)))["better_low"] > 0
        if seed < 20:
            penalties.append(fit(pairs, FEATURES).penalty)
    assert better <= binom.ppf(0.975, runs, 0.05)
    assert np.median(penalties) >= 1  # so that coefficients are halved at the least


def test_measures_beside_scikit_learn() -> None:
    random = np.random.default_rng(0)
    measured, predicted = random.normal(size=(2, 50))
    found = measures(predicted, measured, np.full(50, measured.mean()))
    assert found["r2"] == pytest.approx(r2_score(measured, predicted))
    assert found["mae"] == pytest.approx(mean_absolute_error(measured, predicted))
    perfect = measures(measured, measured, np.zeros(50))
    assert [perfect[name] for name in ("r2", "sign", "spearman")] == pytest.approx([1, 1, 1])
    flat = measures(np.ones(3), np.zeros(3), np.zeros(3))
    assert all(np.isnan(flat[name]) for name in ("r2", "sign", "spearman"))


def test_a_left_out_domain_is_neither_source_nor_target_of_what_is_fitted() -> None:
    pairs = gain_pairs()
    pairs.loc[0, "source"] = "usps+svhn"
    folds = {fold.group: fold for fold in folds_of(pairs, "domain")}
    assert set(folds) == set(DOMAINS)
    fitted = pairs[folds["svhn"].fitted]
    assert "svhn" not in set(fitted["base"])
    assert not fitted["source"].str.contains("svhn").any()
    assert (pairs[folds["svhn"].held]["base"] == "svhn").all()
    blurred = pairs[{fold.group: fold for fold in folds_of(pairs, "shift")}["blur"].fitted]
    assert not blurred["target"].str.contains("blur").any()
    assert folds_of(pairs, "suite") == []
    assert predict_left_out(pairs, FEATURES, "suite").empty


def test_suites_are_left_out_where_there_are_several() -> None:
    two = [gain_pairs(effect=5.0, seed=seed).assign(suite=str(seed)) for seed in range(2)]
    found = predict_left_out(pd.concat(two, ignore_index=True), FEATURES, "suite")
    alone = fit(two[1], FEATURES).predict(two[0][list(FEATURES)].to_numpy())
    np.testing.assert_allclose(found["predicted"][: len(alone)], alone)
    np.testing.assert_allclose(found["mean_of_others"][0], two[1]["gain"].mean())


@settings(deadline=None, max_examples=10)
@given(
    factors=st.lists(st.floats(0.01, 100), min_size=4, max_size=4),
    offsets=st.lists(st.floats(-100, 100), min_size=4, max_size=4),
    seed=st.integers(0, 100),
)
def test_invariances(factors: list[float], offsets: list[float], seed: int) -> None:
    pairs = gain_pairs(effect=2.0)
    before = predict_left_out(pairs, FEATURES, "domain").sort_values(["source", "target"])
    moved = pairs.copy()
    moved[list(FEATURES)] = moved[list(FEATURES)] * factors + offsets
    moved = moved.sample(frac=1, random_state=seed)
    after = predict_left_out(moved.reset_index(drop=True), FEATURES, "domain")
    after = after.sort_values(["source", "target"])
    np.testing.assert_allclose(after["predicted"], before["predicted"], rtol=1e-6)
    np.testing.assert_allclose(after["mean_of_others"], before["mean_of_others"])


def test_groups_tell_where_it_cannot_predict() -> None:
    pairs = gain_pairs(effect=5.0, noise=0.5, of_domain=0.0)
    pairs.loc[pairs["base"] == "svhn", "gain"] += 30
    table = by_group(predict_left_out(pairs, FEATURES, "domain")).set_index("group")
    assert table["mae"].idxmax() == "svhn"
    assert table.loc["svhn", "mae"] == pytest.approx(30, abs=5)
    assert table.loc["svhn", "pairs"] == 15


def test_reach_holds_nine_of_ten() -> None:
    assert reach(np.arange(1.0, 12.0)) == 10.0


def test_too_little_is_left_of_a_few_pairs() -> None:
    pairs = gain_pairs(sources=("mnist", "svhn"), targets=("mnist", "svhn", "usps"))
    few = pairs[pairs["shift"].isin(["none", "blur"])].reset_index(drop=True)
    with pytest.raises(InputError, match="without mnist there are 3 pairs to learn from"):
        predict_left_out(few, FEATURES, "domain")
