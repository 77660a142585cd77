"""``nasneurn correlate``: tests of distances against others' code, planted effects, and a study."""

from dataclasses import replace
from itertools import combinations
from itertools import permutations as all_orders
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
import yaml
from grid_rows import grid_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from shows_itself import check_shown, other_axes
from typer.testing import CliRunner

from nasneurn.analysis.gain_profiles import gain_profiles, profile_distances
from nasneurn.analysis.mantel import METHODS, Mantel, correlations, orders_of, pairs_of
from nasneurn.analysis.mantel_power import mantel_power, planted_distances
from nasneurn.analysis.neighbours import neighbour_test, neighbour_weights
from nasneurn.cli import app
from nasneurn.correlation.architecture_distances import (
    ALIGNMENT,
    RIVAL,
    ArchitectureDistances,
    architecture_distances,
    depth,
    log_differences,
)
from nasneurn.correlation.gain_correlation import (
    NEIGHBOURS,
    GainCorrelation,
    correlate_studies,
    run_tests,
)
from nasneurn.errors import InputError
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.as_layers import as_layers
from nasneurn.networks.found import FoundArchitecture
from nasneurn.networks.names import resolve_architectures
from nasneurn.report.correlation_figures import draw_map, places
from nasneurn.report.correlation_report import summary, write_correlation
from nasneurn.report.findings import ShownCorrelation
from nasneurn.rows import ACCURACY
from nasneurn.studies.joined import join_studies

#: Small ones of several families, and one of this package; from 0.3 to 4.5 million weights.
SMALL = (
    "digits_convnet", "test_resnet", "test_efficientnet", "test_vit", "test_convnext", "lcnet_035",
    "torchvision:squeezenet1_1", "mobilenetv3_small_050",
)  # fmt: skip


def points(count: int, seed: int, dimensions: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dimensions))


def distances_of(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(values[:, None] - values[None]).sum(-1))


# ---------------------------------------------------------------- Mantel's test


def mantel(tables: list[np.ndarray], other: np.ndarray, *rest: str, **options: int) -> list[Mantel]:
    drawn = correlations(tables, other, *rest, **options)
    return [drawn.test(place) for place in range(len(tables))]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [9, 25])
def test_mantel_is_that_of_scikit_bio(method: str, count: int) -> None:
    from skbio.stats.distance import mantel as oracle

    one = distances_of(points(count, 1))
    other = distances_of(0.5 * points(count, 1) + points(count, 2))
    for table in (one, distances_of(points(count, 3))):
        (found,) = mantel([table], other, method, permutations=9_999)
        r, p, _ = oracle(table, other, method=method, permutations=9_999, seed=7)
        assert found.r == pytest.approx(r, abs=1e-9)
        # Two estimates of one probability, each with an error of its own.
        assert found.p == pytest.approx(p, abs=4 * np.sqrt(2 * p / 10_000))


@pytest.mark.parametrize("method", METHODS)
def test_mantel_of_few_takes_every_order_once(method: str) -> None:
    one, other = distances_of(points(5, 1)), distances_of(points(5, 2))
    measure = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}[method]
    every = [
        measure(pairs_of(one), pairs_of(other[np.ix_(order, order)])).statistic
        for order in all_orders(range(5))
    ]
    (found,) = mantel([one], other, method)
    assert found.permutations == 120
    assert found.p == np.mean(np.abs(every) >= abs(every[0]) - 1e-9)


@pytest.mark.slow
def test_the_partial_test_is_that_of_residuals() -> None:
    x, y, z = (distances_of(points(7, seed)) for seed in (1, 2, 3))
    drawn = correlations([x, z], y, "pearson", permutations=5_040)
    found = drawn.partial(0, 1)

    def residuals(values: np.ndarray, given: np.ndarray) -> np.ndarray:
        slope, offset = np.polyfit(given, values, 1)
        return values - slope * given - offset

    def partial(order: tuple[int, ...]) -> float:
        permuted = pairs_of(y[np.ix_(order, order)])
        own = residuals(pairs_of(x), pairs_of(z))
        return float(np.corrcoef(own, residuals(permuted, pairs_of(z)))[0, 1])

    every = np.array([partial(order) for order in all_orders(range(7))])
    assert found.r == pytest.approx(every[0])
    assert found.p == pytest.approx(np.mean(np.abs(every) >= abs(every[0]) - 1e-9))


def test_what_another_table_explains_is_not_found_beside_it() -> None:
    z = distances_of(points(20, 1))
    x = z + 0.05 * distances_of(points(20, 2))
    y = z + 0.05 * distances_of(points(20, 3))
    drawn = correlations([x, z], y, "pearson", permutations=999)
    assert drawn.test(0).p == 1e-3
    assert drawn.test(0).r > 0.9
    assert abs(drawn.partial(0, 1).r) < 0.4
    assert np.isnan(drawn.partial(1, 1).r)


@given(seed=st.integers(0, 50), scale=st.floats(0.01, 100), shift=st.floats(-5, 5))
@settings(max_examples=15, deadline=None)
def test_mantel_knows_no_scale_and_no_names(seed: int, scale: float, shift: float) -> None:
    one, other = distances_of(points(7, seed)), distances_of(points(7, seed + 100))
    order = np.random.default_rng(seed).permutation(7)
    for method in METHODS:
        first, second, itself = mantel(
            [one, scale * one + shift, other], other, method, permutations=5_040
        )
        assert second.r == pytest.approx(first.r, abs=1e-6)
        assert second.p == first.p
        assert itself.r == pytest.approx(1)
        (renamed,) = mantel(
            [one[np.ix_(order, order)]], other[np.ix_(order, order)], method, permutations=5_040
        )
        assert renamed.r == pytest.approx(first.r)
        assert renamed.p == pytest.approx(first.p)


def test_a_table_of_one_number_has_no_correlation() -> None:
    other = distances_of(points(6, 1))
    flat, real = mantel([1 - np.eye(6), other], other)
    assert np.isnan([flat.r, flat.p]).all()
    assert real.r == pytest.approx(1)


@pytest.mark.parametrize("method", METHODS)
def test_without_a_relation_a_test_in_twenty_refuses(method: str) -> None:
    refused = sum(
        mantel(
            [distances_of(points(12, 2 * run))],
            distances_of(points(12, 2 * run + 1)),
            method,
            permutations=199,
            seed=run,
        )[0].p
        <= 0.05
        for run in range(200)
    )
    low, high = stats.binom.interval(0.999, 200, 0.05)
    assert low <= refused <= high


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: mantel([np.eye(3)], np.eye(3)), "4 things or more"),
        (lambda: mantel([np.eye(5)], np.eye(6)), "6, 5"),
        (lambda: mantel([np.eye(5)], np.eye(5), "kendal"), "must be one of spearman, pearson"),
        (lambda: orders_of(9, 20, 0), "at least 99"),
    ],
)
def test_what_cannot_be_tested_is_said(call: object, told: str) -> None:
    with pytest.raises(InputError, match=told):
        call()  # type: ignore[operator]


# ---------------------------------------------------------------- power


@pytest.mark.parametrize("method", METHODS)
def test_what_is_planted_is_there_and_more_of_it_is_found_more_often(method: str) -> None:
    one, measured = distances_of(points(20, 1)), distances_of(points(20, 2))
    table = mantel_power(one, measured, method, levels=(0.05, 0.002), runs=200, permutations=999)
    assert table["mean_r"].to_numpy() == pytest.approx(table["planted"].to_numpy(), abs=0.04)
    for _, own in table.groupby("level"):
        assert own["power"].is_monotonic_increasing
    strict = table[table["level"] == 0.002]["power"].to_numpy()
    assert (strict <= table[table["level"] == 0.05]["power"].to_numpy()).all()
    assert table["power"].iloc[-2] > 0.95


def test_power_is_the_share_of_planted_studies_that_mantel_refuses() -> None:
    one, measured = distances_of(points(12, 1)), distances_of(points(12, 2))
    told = mantel_power(one, measured, "pearson", planted=(0.3,), runs=400)["power"].iloc[0]
    drawn = [planted_distances(one, measured, 0.3, seed=seed) for seed in range(200)]
    found = [mantel([one], table, "pearson", permutations=499)[0] for table in drawn]
    assert np.mean([one.r for one in found]) == pytest.approx(0.3, abs=0.05)
    assert np.mean([one.p <= 0.05 for one in found]) == pytest.approx(told, abs=0.13)


# ---------------------------------------------------------------- the nearest


def test_the_nearest_are_those_of_scikit_learn() -> None:
    from sklearn.model_selection import LeaveOneOut, cross_val_predict
    from sklearn.neighbors import KNeighborsRegressor

    x, values = points(15, 1), points(15, 2)[:, 0]
    found = neighbour_test(distances_of(x), values, 3, permutations=199)
    theirs = cross_val_predict(KNeighborsRegressor(3), x, values, cv=LeaveOneOut())
    assert found.predicted == pytest.approx(theirs)
    assert found.error == pytest.approx(np.sqrt(np.mean((theirs - values) ** 2)))
    means = (values.sum() - values) / 14
    assert found.error_of_mean == pytest.approx(np.sqrt(np.mean((means - values) ** 2)))


def test_equally_near_ones_share_their_places() -> None:
    table = log_differences([1, 10, 10, 10, 100])
    assert neighbour_weights(table, 2)[0] == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3, 0])
    assert neighbour_weights(table, 2).sum(1) == pytest.approx(np.ones(5))


def test_a_gain_that_follows_the_distance_is_predicted_and_chance_is_not() -> None:
    x = points(30, 1, 2)
    followed = neighbour_test(distances_of(x), x[:, 0], permutations=999)
    assert followed.explained > 0.5
    assert followed.p == 1e-3
    refused = sum(
        neighbour_test(
            distances_of(points(12, 2 * run)), points(12, 2 * run + 1)[:, 0], permutations=199
        ).p
        <= 0.05
        for run in range(200)
    )
    low, high = stats.binom.interval(0.999, 200, 0.05)
    assert low <= refused <= high


# ---------------------------------------------------------------- gains


NAMES = tuple(f"net{number}" for number in range(8))


def test_gains_are_means_of_paired_differences() -> None:
    rows = grid_rows(NAMES, stems=("none", "neurn"))
    found = gain_profiles(rows)
    assert found.architectures == NAMES
    assert len(found.pairs) == 12
    own = rows[(rows["architecture"] == "net3") & (rows["source"] == "svhn")]
    means = own[own["target"] == "usps"].groupby("stem")["accuracy"].mean()
    place = found.pairs.index(("svhn", "usps"))
    assert found.gains[3, place] == pytest.approx(means["neurn"] - means["none"])
    assert found.seeds == (3,) * 8
    assert found.notes == ()


def test_trainings_near_chance_are_left_out_and_named() -> None:
    rows = grid_rows(NAMES, stems=("none", "neurn"), sources=("mnist",))
    own = (rows["architecture"] == "net3") & (rows["stem"] == "none")
    guessing = rows.assign(accuracy=rows["accuracy"].where(~own, 0.1))
    found = gain_profiles(guessing)
    assert found.architectures == tuple(name for name in NAMES if name != "net3")
    told = "near chance on their own source: 3 of 48 trainings (net3, mnist, none: 10.0%)"
    assert found.notes[0] == f"left out, {told}"
    others = gain_profiles(rows[rows["architecture"] != "net3"])
    np.testing.assert_array_equal(found.gains, others.gains)
    own = rows["stem"] == "none"
    with pytest.raises(InputError, match=r"^0 arch.*left out, near chance"):
        gain_profiles(rows.assign(accuracy=rows["accuracy"].where(~own, 0.1)))


def test_half_of_the_seeds_say_how_sure_gains_are() -> None:
    sure = grid_rows(NAMES, ("none", "neurn"), seeds=4, noise=0.02)
    own = {name: 0.1 * number for number, name in enumerate(NAMES)}
    gained = sure["stem"] == "neurn"
    sure.loc[gained, "accuracy"] += sure.loc[gained, "architecture"].map(own)
    noise = grid_rows(NAMES, ("none", "neurn"), seeds=4)
    across = noise["source"] != noise["target"]
    noise.loc[across, "accuracy"] += np.random.default_rng(0).normal(0, 1, across.sum())
    reliable, chance = (gain_profiles(rows).reliability() for rows in (sure, noise))
    assert reliable is not None
    assert chance is not None
    assert reliable > 0.95
    assert abs(chance) < 0.5
    assert gain_profiles(grid_rows(NAMES, seeds=1)).reliability() is None
    once = (sure["architecture"] == NAMES[0]) & (sure["seed"] > 0)
    of_others = gain_profiles(sure[sure["architecture"] != NAMES[0]]).reliability()
    assert gain_profiles(sure[~once]).reliability() == of_others is not None


def test_seeds_and_pairs_that_are_missing_are_named() -> None:
    rows = grid_rows(NAMES, ("none", "neurn"))
    gone = (
        (rows["architecture"] == "net2")
        & (rows["stem"] == "neurn")
        & (rows["seed"] == 1)
        & (rows["source"] == "mnist")
    ) | ((rows["architecture"] == "net5") & (rows["source"] == "usps"))
    found = gain_profiles(rows[~gone])
    notes = " ".join(found.notes)
    assert "without neurn, so left out: net2 from mnist, seed 1" in notes
    assert "usps to mnist" in notes
    assert "lacking: net5" in notes
    assert "from 2 to 3 seeds an architecture; the fewest: net2" in notes
    assert len(found.pairs) == 9
    assert len(found.architectures) == 8


def test_profiles_differ_by_level_or_by_shape() -> None:
    gains = np.array([[0.0, 0.1, 0.3], [0.1, 0.2, 0.4], [0.3, 0.1, 0.0]])
    level, shape = (profile_distances(gains, kind) for kind in ("euclidean", "correlation"))
    assert level[0, 1] == pytest.approx(np.sqrt(0.03))
    assert shape[0, 1] == pytest.approx(0)
    assert shape[0, 2] == pytest.approx(1 - np.corrcoef(gains[0], gains[2])[0, 1])


def without(rows: pd.DataFrame, **gone: str) -> pd.DataFrame:
    for column, value in gone.items():
        rows = rows[rows[column] != value]
    return rows


@pytest.mark.parametrize(
    ("rows", "options", "told"),
    [
        (grid_rows(NAMES[:5]), {}, "5 architecture.*net0, net1, net2, net3, net4.*at least 6"),
        (grid_rows(NAMES), {"stem": "nuern"}, "did you mean 'neurn'"),
        (without(grid_rows(NAMES), stem="none"), {}, "control is 'none'"),
        (grid_rows(NAMES), {"stem": "none"}, "both none"),
        (grid_rows(NAMES).query("source == target"), {}, "trained on"),
        (
            pd.concat([grid_rows(NAMES), grid_rows(NAMES).assign(algorithm="dann")]),
            {},
            "algorithm: erm, dann.*--where algorithm=erm",
        ),
        (grid_rows(NAMES), {"where": {"algoritm": "erm"}}, "did you mean 'algorithm'"),
        (grid_rows(NAMES), {"where": {"algorithm": "dan"}}, "must be one of erm"),
        (
            pd.concat(
                [grid_rows(NAMES[:4], sources=("mnist",)), grid_rows(NAMES[4:], sources=("svhn",))]
            ),
            {},
            "no pair.*all 8.*mnist to mnistm",
        ),
    ],
)
def test_rows_that_do_not_do_are_refused(
    rows: pd.DataFrame, options: dict[str, object], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        gain_profiles(rows, **options)  # type: ignore[arg-type]


def test_rows_of_several_settings_may_be_chosen_from() -> None:
    rows = grid_rows(NAMES)
    both = pd.concat([rows, rows.assign(algorithm="dann", accuracy=0.5)])
    found = gain_profiles(both, where={"algorithm": "erm"})
    np.testing.assert_allclose(found.gains, gain_profiles(rows).gains)


def test_tags_of_pretrained_weights_are_one_setting() -> None:
    rows = grid_rows(NAMES[:6], ("none", "neurn"), seeds=1, sources=("mnist",))
    tagged = rows.assign(weights="pretrained:" + rows["architecture"])
    expected = gain_profiles(rows).gains
    np.testing.assert_array_equal(gain_profiles(tagged).gains, expected)
    both = pd.concat([tagged, rows.assign(accuracy=0.5)])
    found = gain_profiles(both, where={"weights": "pretrained"})
    np.testing.assert_array_equal(found.gains, expected)
    with pytest.raises(InputError, match=r"have accuracies with neurn and with none \(net3\)"):
        gain_profiles(tagged, where={"weights": "pretrained:net3"})


def test_two_values_of_a_column_are_refused(tmp_path: Path) -> None:
    words = ["correlate", str(tmp_path), *(["--where", "algorithm=a", "--where", "algorithm=b"])]
    error = CliRunner().invoke(app, words).exception
    assert isinstance(error, InputError)
    assert "--where gives 'algorithm' twice" in str(error)


@pytest.mark.parametrize("where", [{}, {"placement": "inside"}])
def test_a_stem_inside_is_compared_with_none_in_front(where: dict[str, str]) -> None:
    rows = grid_rows(NAMES[:6], ("none", "neurn"), seeds=1, sources=("mnist",))
    inside = rows.assign(placement=np.where(rows["stem"] == "none", "front", "inside"))
    expected = gain_profiles(rows).gains
    np.testing.assert_array_equal(gain_profiles(inside, where=where).gains, expected)
    in_front = inside[inside["stem"] == "neurn"].assign(placement="front", accuracy=0.5)
    both = pd.concat([in_front, inside])
    if where:
        np.testing.assert_array_equal(gain_profiles(both, where=where).gains, expected)
    else:
        with pytest.raises(InputError, match=r"placement: front, inside.*--where placement=front"):
            gain_profiles(both)


def test_settings_without_a_control_have_no_gain() -> None:
    rows = grid_rows(NAMES[:6], ("none", "neurn"), seeds=1, sources=("mnist",))
    alone = rows[rows["stem"] == "neurn"].assign(algorithm="dann", accuracy=0.5)
    found = gain_profiles(pd.concat([alone, rows]))
    np.testing.assert_array_equal(found.gains, gain_profiles(rows).gains)
    plain = rows[rows["stem"] == "none"]
    with pytest.raises(InputError, match=r"no setting has .*neurn: algorithm=dann; none: .*=erm"):
        gain_profiles(pd.concat([alone, plain]))


def test_found_architectures_keep_their_names_beside_others() -> None:
    rows = grid_rows(NAMES[:6], ("none", "neurn"), seeds=1, sources=("mnist",))
    searched = grid_rows(("spos",), ("none", "neurn"), seeds=1, sources=("mnist",))
    searched["architecture"] = "spos/mnist-" + searched["stem"] + "-0"
    found = gain_profiles(pd.concat([rows, searched]))
    assert found.architectures == NAMES[:6]
    assert "spos/mnist-none-0 from mnist, seed 0" in " ".join(found.notes)


def test_one_pair_is_enough_for_levels_and_not_for_shapes() -> None:
    rows = grid_rows(NAMES, sources=("mnist",)).query("target == 'svhn'")
    found = gain_profiles(rows)
    assert "one pair only (mnist to svhn)" in found.notes[0]
    expected = np.abs(found.gains - found.gains.T)
    np.testing.assert_allclose(found.distances(), expected)
    with pytest.raises(InputError, match=r"1 pair\(s\).*needs 3 or more"):
        found.distances("correlation")


def test_profiles_without_differences_are_refused() -> None:
    rows = grid_rows(NAMES, noise=0.0)
    with pytest.raises(InputError, match="the same gains"):
        gain_profiles(rows).distances()
    with pytest.raises(InputError, match="net0, net1, net2, net3 and 4 more gains the same"):
        gain_profiles(rows).distances("correlation")
    with pytest.raises(InputError, match="distance of profiles is 'cosine'"):
        gain_profiles(rows).distances("cosine")


# ---------------------------------------------------------------- all tests together


def found_distances(**tables: np.ndarray) -> ArchitectureDistances:
    of = dict.fromkeys(tables, ALIGNMENT) | dict.fromkeys(list(tables)[1:], RIVAL)
    return ArchitectureDistances(tables, of, (), ())


def test_a_planted_relation_is_found_with_its_size_and_alone() -> None:
    one, other = distances_of(points(30, 1)), distances_of(points(30, 2))
    distances, sizes, found = found_distances(one=one, other=other), [], []
    for seed in range(20):
        measured = planted_distances(one, distances_of(points(30, 3)), 0.5, seed=seed)
        gains = points(30, 50 + seed)[:, 0]
        tests, _ = run_tests(distances, measured, gains, permutations=499, seed=seed)
        rows = tests.set_index(["distance", "test"])
        sizes.append(rows.loc[("one", "pearson"), "estimate"])
        found.append((rows["p_holm"] <= 0.05).to_numpy())
    assert np.mean(sizes) == pytest.approx(0.5, abs=0.05)
    assert list(tests["test"]) == [*METHODS, NEIGHBOURS] * 2
    spearman, pearson, *others = np.mean(found, axis=0)
    assert min(spearman, pearson) > 0.9
    assert max(others) < 0.15


def test_without_a_relation_a_study_in_twenty_finds_one_at_most() -> None:
    """Holm's correction holds over all tries together, whatever they have in common."""
    refused = 0
    for run in range(200):
        x, gains = points(10, 2 * run), points(10, 2 * run + 1)
        given = found_distances(one=distances_of(x), other=distances_of(x[:, :2]))
        measured = distances_of(gains)
        tests, _ = run_tests(given, measured, gains.mean(1), permutations=199, seed=run)
        refused += bool((tests["p_holm"] <= 0.05).any())
    assert refused <= stats.binom.ppf(0.999, 200, 0.05)


# ---------------------------------------------------------------- architectures


@pytest.mark.slow
def test_distances_of_real_architectures() -> None:
    architectures = resolve_architectures(SMALL)
    found = architecture_distances(architectures, 32)
    assert list(found.of.values()).count(ALIGNMENT) == 4
    assert [name for name, of in found.of.items() if of == RIVAL] == [
        "params", "flops", "depth", "bag", "graph", "random-features",
    ]  # fmt: skip
    assert found.notes == ()
    for table in found.tables.values():
        assert table.shape == (8, 8)
        np.testing.assert_allclose(table, table.T, atol=1e-9)
        np.testing.assert_allclose(np.diag(table), 0, atol=1e-9)
    params = [one.params for one in found.layers]
    expected = abs(np.log(params[1]) - np.log(params[2]))
    assert found.tables["params"][1, 2] == pytest.approx(expected)


def test_depth_counts_layers_with_weights() -> None:
    named = resolve_architectures(["torchvision:vgg11", "torchvision:resnet18"])
    # Of ResNet-18's 21 three are projections on shortcuts, which its name does not count.
    assert [depth(one) for one in as_layers(named, 32)] == [11, 21]


def test_found_and_own_networks_are_traced_too() -> None:
    from nasneurn.networks.spaces import SpaceChoice
    from search_spaces.interface import draw_architecture

    settings = {"image_size": 32}
    space = SpaceChoice(space="spos", settings=settings)
    choices = draw_architecture(space.build(), 0)
    record = FoundArchitecture(name="spos/a", space="spos", settings=settings, choices=choices)
    named = (
        Architecture(name="spos/a", library="found", found=record),
        *resolve_architectures(["digits_convnet", "test_resnet"]),
    )
    layers = as_layers(named, 32)
    assert [one.name for one in layers] == ["spos/a", "digits_convnet", "test_resnet"]
    assert all(one.layers for one in layers)


def test_a_map_keeps_distances_of_a_plane() -> None:
    x = points(8, 1, 2)
    drawn, share = places(distances_of(x))
    np.testing.assert_allclose(distances_of(drawn), distances_of(x), atol=1e-9)
    assert share == pytest.approx(1)


# ---------------------------------------------------------------- end to end


def write_study(
    folder: Path,
    names: tuple[str, ...],
    strength: float = 0.0,
    sources: tuple[str, ...] = ("mnist",),
) -> Path:
    """A study of real architectures that nobody trained; gains follow the number of weights."""
    architectures = resolve_architectures(names)
    rows = grid_rows(
        tuple(one.name for one in architectures), ("none", "neurn"), 2, sources=sources
    )
    sizes = as_layers(architectures, 32)
    params = {one.name: one.params for one in sizes}
    logs = np.log([*params.values()])
    rows["params"] = rows["architecture"].map(params)
    rows["flops"] = rows["architecture"].map({one.name: one.flops for one in sizes})
    gained = rows["stem"] == "neurn"
    above = (np.log(rows["params"]) - logs.mean()) / logs.std()
    rows.loc[gained, "accuracy"] += strength * above[gained]
    rows["training"] = rows[["architecture", "source", "stem", "seed"]].astype(str).agg("-".join, 1)
    for column in ("protocol", "scaling", "applied_stem", "choices"):
        rows[column] = "x"
    folder.mkdir()
    rows.reindex(columns=list(ACCURACY)).to_csv(folder / "accuracy.csv", index=False)
    config = {
        "kind": "bench",
        "image_size": 32,
        "architectures": [one.model_dump(mode="json") for one in architectures],
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.mark.slow
def test_the_command_finds_what_was_planted(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", SMALL, strength=0.1)
    out = tmp_path / "out"
    words = ["correlate", str(study), "--out", str(out), "--figure-format", "svg"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "8 architectures, 3 pairs of domains, 2 seeds each" in done.output
    assert "Architectures that are near by a rival of alignment gain alike: params" in done.output
    assert "where nothing was found, that means little; more architectures" in done.output
    assert {path.name for path in out.iterdir()} == {
        "tests.csv", "partial.csv", "power.csv", "profiles.csv", "distances.csv", "summary.txt",
        "captions.txt", "pairs.png", "gain_map.png", "pairs.svg", "gain_map.svg",
    }  # fmt: skip
    tests = pd.read_csv(out / "tests.csv").set_index(["distance", "test"])
    assert tests.loc[("params", "pearson"), "estimate"] > 0.8
    assert len(tests) == 30
    assert len(pd.read_csv(out / "distances.csv")) == 28
    assert (out / "summary.txt").read_text().splitlines()[0] in done.output


def test_studies_are_joined_and_a_null_result_is_told(tmp_path: Path) -> None:
    one = write_study(tmp_path / "one", SMALL[:4], sources=("mnist", "svhn"))
    other = write_study(tmp_path / "other", SMALL[3:])
    few = correlate_studies([one, other], random_features=False, permutations=199)
    assert "with 199 permutations no p-value is below 0." in " ".join(few.notes)
    assert few.power["power"][few.power["level"] < 0.05].max() == 0
    found = correlate_studies([one, other], random_features=False, permutations=999)
    assert not any("permutations are needed" in note for note in found.notes)
    assert found.profiles.architectures == SMALL
    assert [source for source, _ in found.profiles.pairs] == ["mnist"] * 3
    # The one of both studies counts once: names of trainings are the same.
    assert found.profiles.seeds == (2,) * 8
    told = " ".join(summary(found))
    assert "near by alignment were not found to gain alike" in told
    assert "The nearest by alignment were not found to tell what an architecture gains" in told
    assert "svhn to mnist" in told
    # A test of neighbours that is rare by chance, and worse than the mean of all, is no opposite.
    one = (found.tests["of"] == ALIGNMENT) & (found.tests["test"] == NEIGHBOURS)
    rare = found.tests.assign(p=found.tests["p"].mask(one, 1e-4))
    rare = rare.assign(p_holm=rare["p_holm"].mask(one, 1e-3).mask(~one, 1.0))
    for estimate, answer in ((-0.2, "were not found to tell what"), (0.2, "tell what")):
        tests = rare.assign(estimate=rare["estimate"].mask(one, estimate))
        told = " ".join(summary(replace(found, tests=tests)))
        assert f"The nearest by alignment {answer} an architecture gains" in told
    write_correlation(found, tmp_path / "out", figures=False)
    shown = ShownCorrelation.of(found)
    check_shown(shown)
    assert shown.summary() == summary(found)
    axes = other_axes()
    assert shown.plot_map(axes) is axes
    assert axes.has_data()
    assert shown.plot_map() is not axes
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_folders_that_do_not_do_are_refused(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", SMALL[:6])
    with pytest.raises(InputError, match="nothing does not exist"):
        correlate_studies([tmp_path / "nothing"])
    with pytest.raises(InputError, match="neighbours are 5; of 6 architectures they may be 1 to 4"):
        correlate_studies([study], neighbours=5)
    with pytest.raises(InputError, match="permutations are 98; at least 99"):
        correlate_studies([study], permutations=98)
    config = yaml.safe_load((study / "config.yaml").read_text())

    def changed(name: str, **fields: object) -> Path:
        other = tmp_path / name
        other.mkdir()
        (other / "accuracy.csv").write_text((study / "accuracy.csv").read_text())
        (other / "config.yaml").write_text(yaml.safe_dump({**config, **fields}))
        return other

    with pytest.raises(InputError, match=r"several sizes.*32.*64"):
        correlate_studies([study, changed("larger", image_size=64)])
    with pytest.raises(InputError, match=r"adapted in several ways.*as-published.*fit"):
        correlate_studies([study, changed("fitted", adaptation="fit")])
    first, *rest = config["architectures"]
    renamed = [{**first, "options": {"a": 1}}, *rest]
    with pytest.raises(InputError, match="digits_convnet is another architecture"):
        correlate_studies([study, changed("renamed", architectures=renamed)])
    with pytest.raises(InputError, match="rows name digits_convnet, and no"):
        correlate_studies([changed("fewer", architectures=rest)])
    code = [{**first, "model": "somewhere:Net"}, *rest]
    with pytest.raises(InputError, match=r"somewhere:Net.*--trust-code"):
        correlate_studies([changed("code", architectures=code)])
    with pytest.raises(InputError, match="architectures"):
        correlate_studies([changed("damaged", architectures=["digits_convnet"])])
    (study / "accuracy.csv").unlink()
    with pytest.raises(InputError, match="no finished training"):
        correlate_studies([study])


def test_a_wrong_choice_of_rows_is_one_line(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", SMALL[:6])
    done = CliRunner().invoke(app, ["correlate", str(study), "--where", "algorithm"])
    assert isinstance(done.exception, InputError)
    assert "COLUMN=VALUE" in str(done.exception)


def test_names_on_the_map_do_not_cover_each_other() -> None:
    names = ("mobilenetv3_small_050", "test_byobnet", "spos, found on mnist, stem none, seed 2")
    near = np.array([[0.0, 0.05, 1.0], [0.05, 0.0, 1.0], [1.0, 1.0, 0.0]])
    found = SimpleNamespace(
        distances=SimpleNamespace(tables={"recommended": near}),
        profiles=SimpleNamespace(mean=np.array([0.1, 0.0, -0.1])), words=names, stem="neurn",
    )  # fmt: skip
    figure = draw_map(cast(GainCorrelation, found))
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert [text.get_text() for text in figure.axes[0].texts] == list(names)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_networks_of_all_grids_of_a_study_are_known(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", SMALL[:2])
    config = yaml.safe_load((study / "config.yaml").read_text())
    first, second = config["architectures"]
    config |= {"architectures": [first], "further": [{"architectures": [second]}]}
    (study / "config.yaml").write_text(yaml.safe_dump(config))
    assert list(join_studies([study]).architectures) == [first["name"], second["name"]]
