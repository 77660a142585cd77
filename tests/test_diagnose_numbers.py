"""The numbers of a diagnosis, against other implementations, closed forms and constructed data."""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from sklearn.metrics import confusion_matrix
from sklearn.metrics.pairwise import rbf_kernel
from torchmetrics.functional.classification import multiclass_calibration_error

from nasneurn.analysis.confusion import confusion
from nasneurn.analysis.distances import (
    components,
    distances,
    frechet,
    mmd,
    proxy_a_distance,
    relative_frechet,
)
from nasneurn.analysis.layer_similarity import alignments, gram
from nasneurn.analysis.over_seeds import over_seeds
from nasneurn.analysis.rescued import rescue_counts, rescued_images
from nasneurn.analysis.separability import fisher_ratio
from nasneurn.errors import InputError
from nasneurn.training.calibration import calibration_error, reliability

Values = npt.NDArray[np.float64]


def normal(seed: int, rows: int, columns: int, shift: float = 0.0) -> Values:
    return np.random.default_rng(seed).normal(size=(rows, columns)) + shift


def linear_cka(x: Values, y: Values) -> float:
    """That of one layer with one other."""
    return float(alignments([gram(x)], [gram(y)])[0, 0])


def exactly(values: Values, mean: Values, covariance: Values) -> Values:
    """Rows moved and mixed so that their mean and covariance are exactly these."""
    centred = values - values.mean(axis=0)
    white = centred @ np.linalg.inv(np.linalg.cholesky(np.cov(centred, rowvar=False))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def rotation(seed: int, size: int) -> Values:
    return np.linalg.qr(normal(seed, size, size))[0]


# ---------------------------------------------------------------- maximum mean discrepancy


def test_mmd_is_the_mean_of_kernels_over_different_rows() -> None:
    x, y = normal(0, 7, 3), normal(1, 9, 3, 0.5)
    for bandwidth in (0.7, 2.0):
        gamma = 1 / (2 * bandwidth**2)
        within = [
            np.mean(
                [
                    rbf_kernel(one[i : i + 1], one[j : j + 1], gamma)[0, 0]
                    for i in range(len(one))
                    for j in range(len(one))
                    if i != j
                ]
            )
            for one in (x, y)
        ]
        expected = sum(within) - 2 * rbf_kernel(x, y, gamma).mean()
        assert mmd(x, y, bandwidth) == pytest.approx(expected, abs=1e-12)


def test_the_bandwidth_is_the_median_distance_of_all_rows() -> None:
    x, y = normal(0, 6, 2), normal(1, 5, 2)
    together = np.concatenate([x, y])
    lengths = [
        float(np.linalg.norm(together[i] - together[j])) for i in range(11) for j in range(i)
    ]
    assert mmd(x, y) == pytest.approx(mmd(x, y, float(np.median(lengths))), abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_mmd_finds_a_planted_shift_of_its_size(shift: float) -> None:
    # Of N(0, I) and N(m, I): 2 (s^2 / (s^2 + 2))^(d/2) (1 - exp(-|m|^2 / (2 (s^2 + 2)))).
    size, wide = 4, 1.5
    found = [
        mmd(normal(seed, 150, size), normal(1000 + seed, 150, size, shift), wide)
        for seed in range(40)
    ]
    square = wide**2
    expected = 2 * (square / (square + 2)) ** (size / 2)
    expected *= 1 - np.exp(-size * shift**2 / (2 * (square + 2)))
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found) - expected) < 4 * error


def test_rows_that_are_all_equal_have_no_distance() -> None:
    same = np.ones((30, 4))
    assert mmd(same, same) == 0
    assert frechet(same, same) == 0
    assert np.isnan(relative_frechet(same, same))
    assert proxy_a_distance(same, same) == 0


# ---------------------------------------------------------------- Fréchet distance


def test_frechet_is_the_closed_form_of_normal_distributions() -> None:
    first, second = np.diag([1.0, 4.0, 9.0]), np.diag([4.0, 4.0, 1.0])
    mean = np.array([1.0, -2.0, 0.5])
    x = exactly(normal(0, 50, 3), np.zeros(3), first)
    y = exactly(normal(1, 40, 3), mean, second)
    # Of diagonal covariances it is |m|^2 and the squared differences of the deviations.
    assert frechet(x, y) == pytest.approx(5.25 + (1 - 2) ** 2 + 0 + (3 - 1) ** 2)
    assert relative_frechet(x, y) == pytest.approx(10.25 / 14)


@pytest.mark.parametrize(("rows", "columns"), [(60, 5), (12, 20)])
def test_frechet_is_that_of_scipys_root(rows: int, columns: int) -> None:
    x = normal(0, rows, columns) @ normal(5, columns, columns)
    y = normal(1, rows + 3, columns) @ normal(6, columns, columns) + 0.3
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(linalg.sqrtm(first @ second))
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
    # Without full rank the root of the product is known to half as many digits.
    assert frechet(x, y) == pytest.approx(expected, rel=1e-8 if rows > columns else 1e-4)


def test_frechet_of_one_column_and_of_itself() -> None:
    x, y = np.array([[0.0], [2.0]]), np.array([[3.0], [7.0]])
    assert frechet(x, y) == pytest.approx(16 + (np.sqrt(2) - np.sqrt(8)) ** 2)
    assert frechet(x, x) == pytest.approx(0, abs=1e-12)


# ---------------------------------------------------------------- proxy A-distance


def test_one_row_has_no_distance() -> None:
    assert all(map(math.isnan, distances(normal(0, 1, 3), normal(1, 50, 3)).values()))
    assert all(map(math.isfinite, distances(normal(0, 2, 3), normal(1, 50, 3)).values()))


def test_proxy_a_distance_of_the_same_and_of_apart() -> None:
    assert proxy_a_distance(normal(0, 400, 3), normal(1, 400, 3)) < 0.2
    assert proxy_a_distance(normal(0, 50, 3), normal(1, 80, 3, 20.0)) == 2


def test_proxy_a_distance_of_a_known_error() -> None:
    # A value that is 1 in a quarter of one sample and in three quarters of the other: e = 1/4.
    # The other columns say nothing; 800 rows against 400 must not count double.
    x, y = np.zeros((400, 1)), np.zeros((800, 1))
    x[::4], y[np.arange(800) % 4 > 0] = 1, 1
    assert proxy_a_distance(x, y) == pytest.approx(1.0)


# ---------------------------------------------------------------- all three


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_distances_do_not_change_with_scale_rotation_and_place(scale: float, seed: int) -> None:
    x, y = normal(seed, 60, 6), normal(seed + 100, 70, 6, 0.4)
    turn, place = rotation(seed, 6), normal(seed, 1, 6)
    before, after = distances(x, y), distances(scale * x @ turn + place, scale * y @ turn + place)
    assert after["mmd"] == pytest.approx(before["mmd"], abs=1e-6)
    assert after["frechet"] == pytest.approx(before["frechet"], rel=1e-5)
    assert after["proxy_a_distance"] == pytest.approx(before["proxy_a_distance"], abs=0.05)


def test_distances_grow_with_a_planted_shift() -> None:
    found = [distances(normal(0, 100, 8), normal(1, 100, 8, shift)) for shift in (0, 0.5, 1, 2)]
    for name in ("mmd", "frechet", "proxy_a_distance"):
        values = [one[name] for one in found]
        assert values == sorted(values)
        assert values[0] < 0.3 * values[-1]


def test_components_are_few_where_rows_are() -> None:
    x, y = components(normal(0, 30, 100), normal(1, 200, 100))
    assert x.shape == (30, 6)
    assert y.shape == (200, 6)
    x, y = components(normal(0, 1000, 3), normal(1, 1000, 3))
    assert x.shape == (1000, 3)


# ---------------------------------------------------------------- layers


def test_cka_is_kornbliths_formula() -> None:
    x, y = normal(0, 40, 5), normal(1, 40, 8)
    y[:, :5] += x
    x0, y0 = x - x.mean(axis=0), y - y.mean(axis=0)
    norm = np.linalg.norm
    expected = norm(y0.T @ x0) ** 2 / norm(x0.T @ x0) / norm(y0.T @ y0)
    assert linear_cka(x, y) == pytest.approx(expected)
    table = alignments([gram(x), gram(y)], [gram(y)])
    assert table == pytest.approx(np.array([[expected], [1.0]]))


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_cka_does_not_change_with_scale_rotation_and_place(scale: float, seed: int) -> None:
    x, y = normal(seed, 30, 6), normal(seed + 1, 30, 4) + normal(seed, 30, 6)[:, :4]
    moved = scale * x @ rotation(seed, 6) + normal(seed, 1, 6)
    assert linear_cka(moved, y) == pytest.approx(linear_cka(x, y), rel=1e-8)
    assert linear_cka(moved, x) == pytest.approx(1, rel=1e-8)


def test_cka_of_nothing_in_common_and_of_constants() -> None:
    assert linear_cka(normal(0, 1500, 3), normal(1, 1500, 3)) < 0.02
    assert np.isnan(linear_cka(np.full((10, 3), 0.1), normal(0, 10, 3)))


# ---------------------------------------------------------------- separability


def test_fisher_ratio_is_between_over_within() -> None:
    x, labels = normal(0, 60, 4), np.repeat([0, 3, 7], [10, 20, 30])
    x[labels == 3] += 2
    overall = x.mean(axis=0)
    between = within = 0.0
    for one in (0, 3, 7):
        own = x[labels == one]
        between += len(own) * float(((own.mean(axis=0) - overall) ** 2).sum())
        within += float(((own - own.mean(axis=0)) ** 2).sum())
    assert fisher_ratio(x, labels) == pytest.approx(between / within)
    moved = 5 * x @ rotation(1, 4) - 3
    assert fisher_ratio(moved, labels) == pytest.approx(between / within)


def test_fisher_ratio_without_differences_is_that_of_chance() -> None:
    found = [fisher_ratio(normal(seed, 100, 5), np.arange(100) % 10) for seed in range(50)]
    assert np.mean(found) == pytest.approx(9 / 90, rel=0.1)


@pytest.mark.parametrize("labels", [[1, 1, 1], [0, 1, 2]])
def test_fisher_ratio_needs_classes_of_several_rows(labels: list[int]) -> None:
    assert np.isnan(fisher_ratio(normal(0, 3, 2), np.array(labels)))


def test_fisher_ratio_of_rows_that_are_alike_within_classes() -> None:
    assert np.isnan(fisher_ratio(np.ones((6, 2)), np.array([0, 0, 0, 1, 1, 1])))


# ---------------------------------------------------------------- answers


def test_reliability_adds_up_to_the_calibration_error() -> None:
    logits, labels = 3 * normal(0, 500, 4), np.arange(500) % 4
    bins = reliability(logits, labels)
    assert bins["n"].sum() == 500
    assert (bins["accuracy"] * bins["n"]).sum() == (logits.argmax(axis=1) == labels).sum()
    expected = multiclass_calibration_error(
        torch.tensor(logits).softmax(dim=1), torch.tensor(labels), 4, n_bins=15, norm="l1"
    )
    assert calibration_error(bins) == pytest.approx(float(expected), abs=1e-6)


def test_confusion_is_that_of_scikit_learn() -> None:
    logits, labels = normal(0, 200, 5), np.arange(200) % 4
    expected = confusion_matrix(labels, logits.argmax(axis=1), labels=range(5))
    assert (confusion(logits, labels) == expected).all()


def test_rescued_and_lost_are_those_of_most_seeds() -> None:
    control = np.array([[0, 0, 1, 1, 1], [0, 1, 1, 0, 1], [0, 0, 1, 1, 0]], dtype=bool)
    treated = np.array([[1, 1, 0, 0, 1], [1, 1, 0, 1, 0], [1, 0, 1, 0, 1]], dtype=bool)
    found = rescued_images(control, treated)
    assert found["kind"].tolist() == ["rescued", "rescued", "lost", "lost", ""]
    assert found["control"].tolist() == pytest.approx([0, 1 / 3, 1, 2 / 3, 2 / 3])
    counts = rescue_counts(control, treated)
    assert (counts["n"], counts["seeds"], counts["rescued"], counts["lost"]) == (5, 3, 2, 2)
    # Half of the seeds are not most.
    assert (
        rescued_images(control[:2], treated[:2])["kind"] == ["rescued", "", "lost", "", ""]
    ).all()


def test_one_seed_mends_what_another_had_wrong() -> None:
    generator = np.random.default_rng(0)
    control, treated = (generator.random((3, 50)) < share for share in (0.5, 0.7))
    counts = rescue_counts(control, treated)
    for name, second in (("other_seed", control), ("other_stem", treated)):
        shares = [(~control[a] & second[b]).mean() for a in range(3) for b in range(3) if a != b]
        assert counts[name] == pytest.approx(np.mean(shares))
    single = rescue_counts(control[:1], treated[:1])
    assert np.isnan(single["other_seed"])
    gain = treated[0].mean() - control[0].mean()
    assert single["rescued_share"] - single["lost_share"] == pytest.approx(gain)


def test_seeds_that_one_way_lacks_are_said() -> None:
    answers = np.ones((3, 4), dtype=bool)
    with pytest.raises(InputError, match=r"control has 3 seed\(s\) and 4 images.* 2 seed\(s\)"):
        rescue_counts(answers, answers[:2])
    with pytest.raises(InputError, match=r"4 images.* 3 images; both must be of the same seeds"):
        rescue_counts(answers, answers[:, :3])


def test_means_over_seeds() -> None:
    values = pd.DataFrame(
        {
            "stem": ["b", "b", "b", "a", "c"],
            "seed": [0, 1, 1, 0, 0],
            "value": [1.0, 2.0, 4.0, 5.0, np.nan],
        }
    )
    found = over_seeds(values, ["stem"])
    assert found["stem"].tolist() == ["b", "a", "c"]  # in their order
    assert found["mean"].tolist()[:2] == [2.0, 5.0]  # a seed counts once
    assert found["std"].tolist()[0] == pytest.approx(np.sqrt(2))
    assert found["seeds"].tolist() == [2, 1, 0]
    assert over_seeds(values.iloc[:0], ["stem"]).empty
