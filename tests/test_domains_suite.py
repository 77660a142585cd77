import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasneurn.domains import load_suite, source_rows
from nasneurn.domains.source_rows import hold_out_rows, subsample_rows
from nasneurn.errors import InputError

# Labels of which every class has two images or more, in any order.
labelings = st.lists(st.integers(0, 6), min_size=1, max_size=80).flatmap(
    lambda some: st.permutations(some + sorted(set(some)))
)


@settings(deadline=None)
@given(labels=labelings, fraction=st.floats(0.01, 0.99))
def test_hold_out_divides_every_class(labels, fraction):
    labels = np.array(labels)
    fit, held = hold_out_rows(labels, fraction)
    assert sorted([*fit, *held]) == list(range(len(labels)))
    for part in (fit, held):
        assert np.all(np.diff(part) > 0)
        assert set(labels[part]) == set(labels)
    for label in set(labels):
        count = np.sum(labels == label)
        wanted = min(max(fraction * count, 1), count - 1)
        assert abs(np.sum(labels[held] == label) - wanted) <= 0.5 + 1e-9


def test_hold_out_is_the_same_whatever_the_seeds():
    labels = np.arange(100) % 5
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002 - a training script's seed
        # Written down, so that a change in the choice is seen: it would move published numbers.
        assert hold_out_rows(labels, 0.15)[1].tolist() == FIRST_HELD_OUT


FIRST_HELD_OUT = [10, 16, 29, 39, 44, 45, 48, 53, 63, 67, 76, 77, 85, 96, 97]


def test_hold_out_refuses_what_it_cannot_divide():
    with pytest.raises(InputError, match="class 1: it has one image to train on"):
        hold_out_rows(np.array([0, 0, 1]), 0.15)
    with pytest.raises(InputError, match="empty split"):
        hold_out_rows(np.array([]), 0.15)
    for fraction in (0, 1, -0.1, float("nan")):
        with pytest.raises(InputError, match="between 0 and 1"):
            hold_out_rows(np.array([0, 0]), fraction)


@settings(deadline=None)
@given(labels=labelings, n=st.integers(1, 100))
def test_subsample_keeps_the_proportions(labels, n):
    labels = np.array(labels)
    rows = subsample_rows(labels, n)
    assert len(set(rows)) == len(rows) == min(n, len(labels))
    np.testing.assert_array_equal(subsample_rows(labels, n), rows)
    for label in set(labels):
        exact = np.sum(labels == label) * min(n / len(labels), 1)
        assert abs(np.sum(labels[rows] == label) - exact) < 1
    with pytest.raises(InputError, match="at least 1"):
        subsample_rows(labels, 0)


@settings(deadline=None)
@given(labels=labelings, most=st.none() | st.integers(14, 100), fraction=st.floats(0.01, 0.99))
def test_rows_of_a_source_are_those_that_its_images_would_be_divided_into(labels, most, fraction):
    labels = np.array(labels)
    drawn = np.arange(len(labels)) if most is None else subsample_rows(labels, most)
    if np.unique(labels[drawn], return_counts=True)[1].min() < 2:
        with pytest.raises(InputError, match="it has one image"):
            source_rows(labels, most=most, fraction=fraction)
        return
    fit, held = hold_out_rows(labels[drawn], fraction)
    rows = source_rows(labels, most=most, fraction=fraction)
    np.testing.assert_array_equal(rows[0], drawn[fit])
    np.testing.assert_array_equal(rows[1], drawn[held])


@settings(deadline=None)
@given(labels=labelings, most=st.none() | st.integers(2, 100), data=st.data())
def test_rows_that_a_split_file_holds_out_take_the_place_of_the_fraction(labels, most, data):
    held_out = np.array(data.draw(st.permutations([True, False] * len(labels)))[: len(labels)])
    held_out[:2] = True, False
    labels = np.array(labels)
    fit, held = source_rows(labels, most=most, fraction=0.15, held_out=held_out)
    assert held_out[held].all()
    assert not held_out[fit].any()
    assert min(len(fit), len(held)) > 0
    first, selecting = source_rows(
        labels, most=most, fraction=0.15, held_out=held_out, drawn="first"
    )
    assert first.tolist() == np.flatnonzero(~held_out)[:most].tolist()
    assert selecting.tolist() == np.flatnonzero(held_out).tolist()
    if most is None or most >= len(labels):
        assert len(fit) + len(held) == len(labels)
    else:
        assert len(fit) + len(held) <= most
        assert len(np.unique(np.concatenate([fit, held]))) == len(fit) + len(held)


def test_a_handle_of_a_named_suite_opens_it():
    suite = load_suite("builtin", size=16)
    handle = pickle.loads(pickle.dumps(suite.handle))
    assert handle.open() is suite
    assert suite.tested("print", sources=["street"]) == "test"


def test_digests_of_the_builtin_suite(fresh_cache):
    suite = load_suite("builtin")
    digests = {(domain, part): suite.digest(domain, part) for domain in suite.domains[:2]
               for part in ("train", "test")}  # fmt: skip
    assert len(set(digests.values())) == 4
    assert (
        load_suite("builtin", size=16).digest("optdigits", "test") != digests["optdigits", "test"]
    )


def test_a_suite_reads_each_domain_once_in_a_process():
    suite = load_suite("builtin")
    assert suite.images("print", "train") is suite.images("print", "train")
    assert load_suite("builtin").images("print", "train") is suite.images("print", "train")
    assert load_suite("builtin", size=16).load("print").test.images.shape == (500, 16, 16, 3)
    with pytest.raises(InputError, match=r"no domain 'svhn' .* it has optdigits, optdigits-m"):
        suite.load("svhn")


def test_load_suite_refuses_unknown_names_and_sizes(tmp_path):
    with pytest.raises(InputError, match="no suite 'pacs'; it must be builtin, digits,"):
        load_suite("pacs")
    for size in (0, -3, 7, 4096):
        with pytest.raises(InputError, match=f"size {size} is out of range"):
            load_suite("builtin", size=size)


def test_importing_the_package_imports_nothing_heavy():
    heavy = "torch", "torchvision", "sklearn", "matplotlib", "PIL", "scipy", "pandas"
    code = f"import sys, nasneurn.domains; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
