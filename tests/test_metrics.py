"""Numbers about answers, beside scikit-learn's and a plain statement of the calibration error."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn.metrics import accuracy_score, f1_score, recall_score

from nasneurn.training.evaluation import Answers
from nasneurn.training.metrics import metrics


@st.composite
def answers(draw: st.DrawFn) -> Answers:
    """Answers that are right more often than not, of up to six classes, some without images."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    classes, count = draw(st.integers(2, 6)), draw(st.integers(1, 200))
    labels = rng.integers(draw(st.integers(1, classes)), size=count)
    logits = draw(st.sampled_from([0.3, 1.0, 8.0])) * rng.normal(size=(count, classes))
    logits[np.arange(count), labels] += rng.random(count) < 0.6
    return Answers(logits.astype(np.float32), labels)


def calibration_error(sure: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """Guo et al. (2017), equation 3: bins ((m - 1) / 15, m / 15] of the greatest probability."""
    total, edges = 0.0, np.linspace(0, 1, 16)
    for low, high in pairwise(edges):
        inside = (sure > low) & (sure <= high)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    return total


@settings(deadline=None, max_examples=60)
@given(answers())
def test_they_are_those_of_scikit_learn(given: Answers) -> None:
    found, chosen = metrics(given), given.logits.argmax(axis=1)
    classes = given.logits.shape[1]
    assert found.accuracy == pytest.approx(accuracy_score(given.labels, chosen))
    seen = np.union1d(given.labels, chosen)
    f1 = f1_score(given.labels, chosen, labels=seen, average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(f1, abs=1e-6)
    logs = log_softmax(given.logits.astype(float), axis=1)
    expected = -logs[np.arange(len(logs)), given.labels].mean()
    assert found.nll == pytest.approx(expected, rel=1e-9, abs=1e-12)
    recalls = recall_score(
        given.labels, chosen, labels=range(classes), average=None, zero_division=np.nan
    )
    ours = [np.nan if one.accuracy is None else one.accuracy for one in found.classes]
    np.testing.assert_allclose(ours, recalls)
    assert [one.n for one in found.classes] == np.bincount(given.labels, minlength=classes).tolist()


@settings(deadline=None, max_examples=60)
@given(answers())
def test_the_calibration_error_is_guos(given: Answers) -> None:
    p = softmax(given.logits.astype(float), axis=1)
    right = given.logits.argmax(axis=1) == given.labels
    error = calibration_error(p.max(axis=1), right)
    assert metrics(given).ece == pytest.approx(error, abs=2e-5)


def test_answers_of_probability_1_share_the_last_bin() -> None:
    surely = np.log(0.95 / 0.05)
    logits = np.zeros((100, 2), np.float32)
    logits[:50, 0], logits[50:, 0] = surely, 200  # of the latter 10 are wrong
    labels = np.where(np.arange(100) < 90, 0, 1)
    error = abs(0.9 - (50 * 0.95 + 50) / 100)
    assert metrics(Answers(logits, labels)).ece == pytest.approx(error, abs=1e-6)


def test_logits_between_0_and_1_are_not_taken_for_probabilities() -> None:
    given = Answers(np.float32([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]))
    sure = softmax(given.logits, axis=1).max(axis=1)
    assert metrics(given).ece == pytest.approx(1 - sure.mean(), abs=1e-6)


def test_what_is_not_finite_has_no_likelihood() -> None:
    given = Answers(np.float32([[np.nan, 0.0], [0.0, np.inf]]), np.array([0, 1]))
    found = metrics(given)
    assert (found.nll, found.ece) == (None, None)
    assert 0 <= found.accuracy <= 1
