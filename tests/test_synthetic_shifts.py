"""Suites whose test images are shifted: what a shift does, and what a study may do with it."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter1d

from nasneurn.analysis.image_statistics import image_statistics
from nasneurn.domains import load_suite
from nasneurn.domains.graded_shifts import (
    MOST,
    SHIFTS,
    STRENGTHS,
    parse_shifted,
    shift_images,
    shifted_names,
    with_shifts,
)
from nasneurn.domains.inventory import take_inventory
from nasneurn.domains.suite import Suite
from nasneurn.errors import InputError
from nasneurn.studies.config import parse_domains


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("builtin+shifts")


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(40, 200, (12, 32, 32, 3)).astype(np.uint8)


def shifted(images: np.ndarray, shift: str, strength: int) -> np.ndarray:
    return shift_images(images, np.arange(len(images)), shift, strength)


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_shift_changes_more_with_its_strength(suite: Suite, shift: str) -> None:
    raw = suite.images("print", "test").take(np.arange(60)).images
    before = raw.copy()
    far = [
        np.abs(shifted(raw, shift, strength) - raw.astype(float)).mean() for strength in STRENGTHS
    ]
    assert 0 < far[0] < far[1] < far[2]
    np.testing.assert_array_equal(raw, before)


@pytest.mark.parametrize("shift", SHIFTS)
def test_an_image_is_shifted_by_its_row_alone(images: np.ndarray, shift: str) -> None:
    whole = shifted(images, shift, 2)
    rows = np.array([7, 2])
    np.testing.assert_array_equal(shift_images(images[rows], rows, shift, 2), whole[rows])
    assert whole.dtype == np.uint8
    assert whole.shape == images.shape


def test_contrast_is_an_eighth(images: np.ndarray) -> None:
    values = shifted(images, "contrast", 3).astype(float)
    ratio = values.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
    np.testing.assert_allclose(ratio, 1 / 8, rtol=0.02)
    np.testing.assert_allclose(values.mean((1, 2, 3)), images.mean((1, 2, 3)), atol=0.1)


def test_polarity_turns_a_share_of_the_images() -> None:
    images = np.full((900, 2, 2, 3), 10, np.uint8)
    turned = [(shifted(images, "polarity", strength) == 245).all((1, 2, 3)) for strength in (1, 2)]
    assert [part.mean() for part in turned] == pytest.approx([1 / 3, 2 / 3], abs=0.05)
    assert (turned[1] | ~turned[0]).all()  # those of the weaker shift are turned by the stronger
    np.testing.assert_array_equal(shifted(images, "polarity", 3), 255 - images)


def test_background_is_smooth_and_of_each_image(images: np.ndarray) -> None:
    field = 2 * shifted(images, "background", 2).astype(float) - images
    assert np.abs(np.diff(field, axis=1)).max() <= 255 / 8 + 2  # 4 colours on 32 pixels
    assert np.abs(field[0] - field[1]).mean() > 10


def test_blur_is_that_of_scipy_in_either_direction(images: np.ndarray) -> None:
    expected = images.astype(float)
    for axis in (1, 2):
        expected = gaussian_filter1d(expected, 32 / 24, axis=axis, mode="nearest")
    np.testing.assert_allclose(shifted(images, "blur", 2), expected, atol=0.51)


def test_noise_has_its_deviation(images: np.ndarray) -> None:
    grey = np.full_like(images, 128)
    assert shifted(grey, "noise", 1).std() == pytest.approx(255 / 20, rel=0.03)


def test_resolution_is_that_of_pillow(images: np.ndarray) -> None:
    small = Image.fromarray(images[0]).resize((16, 16), Image.Resampling.BILINEAR)
    expected = np.asarray(small.resize((32, 32), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(shifted(images, "resolution", 2)[0], expected)


def test_names() -> None:
    assert len(shifted_names("mnist")) == len(SHIFTS) * len(STRENGTHS)
    assert parse_shifted("a~b~noise-3") == ("a~b", "noise", 3)
    for plain in ("mnist", "mnist~blur", "mnist~blur-4", "mnist~fog-1", "~", "blur-1"):
        assert parse_shifted(plain) == (plain, "", 0)


def test_what_was_there_is_as_it_was(suite: Suite) -> None:
    base = load_suite("builtin")
    assert suite.domains[:4] == base.domains == suite.trainable
    assert suite.digest("print", "train") == base.digest("print", "train")
    assert suite.images("print", "test") is base.images("print", "test")


def test_shifted_domains_have_test_images_alone(suite: Suite) -> None:
    name = "street~blur-1"
    tested = suite.images(name, "test")
    assert tested.images.shape == (500, 32, 32, 3)
    np.testing.assert_array_equal(tested.labels, suite.labels("street", "test"))
    np.testing.assert_array_equal(suite.labels(name, "test"), tested.labels)
    with pytest.raises(InputError, match="never trained on"):
        suite.images(name, "train")
    assert parse_domains(["all"], suite, "source") == suite.trainable
    assert parse_domains(["all"], suite, "target") == suite.domains
    assert len(parse_domains(["leave-one-out"], suite, "source")) == 4
    with pytest.raises(InputError, match=r"never trained on; sources may be optdigits, "):
        parse_domains([name], suite, "source")


def test_digests_tell_shifts_apart(suite: Suite) -> None:
    digests = {suite.digest(domain, "test") for domain in suite.domains}
    assert len(digests) == len(suite.domains) == 76
    assert suite.known_digest("print~noise-2", "test") == suite.digest("print~noise-2", "test")


def test_another_process_opens_the_same(suite: Suite) -> None:
    assert load_suite("builtin+shifts") is suite
    assert pickle.loads(pickle.dumps(suite.handle)).open() is suite
    assert load_suite("builtin").handle.open() is load_suite("builtin")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for domain in ("photo", "sketch"):
        for name in ("cat", "dog"):
            (tmp_path / "pets" / domain / name).mkdir(parents=True)
            for number in range(5):
                pixels = random.integers(0, 256, (20, 24, 3)).astype(np.uint8)
                path = tmp_path / "pets" / domain / name / f"{number}.png"
                Image.fromarray(pixels).save(path)
    return tmp_path / "pets"


def test_folders_have_shifts_too(folder: Path, fresh_cache: Path) -> None:
    suite = load_suite(f"{folder}+shifts", size=16)
    assert suite.name == "pets+shifts"
    assert suite.handle.open() is suite
    # Nothing of what a source learned from is tested, shifted or not.
    assert suite.tested("photo~noise-1", ["photo"]) == "test"
    assert suite.tested("sketch", ["photo"]) == "all"
    tested = suite.images("photo~noise-1", "test")
    assert len(tested) == 2
    raw = suite.images("photo", "test")
    expected = shift_images(raw.images[:], np.arange(2), "noise", 1)
    np.testing.assert_array_equal(tested.images[::-1], expected[::-1])


def test_a_folder_with_such_a_name_is_that_folder(folder: Path, fresh_cache: Path) -> None:
    named = folder.rename(folder.parent / "pets+shifts")
    assert load_suite(named, size=16).domains == ("photo", "sketch")


def test_changed_files_of_a_folder_are_named_but_for_those_under_a_shift(
    folder: Path, fresh_cache: Path
) -> None:
    before = load_suite(f"{folder}+shifts", size=16)
    digests = [before.digest(name, "test") for name in ("photo", "photo~noise-1")]
    (folder / "photo" / "cat" / "9.png").write_bytes((folder / "photo/cat/0.png").read_bytes())
    now = load_suite(f"{folder}+shifts", size=16)
    assert now.changed_files("photo", "test", digests[0]) == ["photo/cat/9.png"]
    assert now.changed_files("photo~noise-1", "test", digests[1]) == []


def test_a_domain_may_not_have_the_name_of_a_shifted_one(folder: Path, fresh_cache: Path) -> None:
    (folder / "sketch").rename(folder / "photo~blur-1")
    with pytest.raises(InputError, match="'photo~blur-1', which is what a shifted one is called"):
        with_shifts(load_suite(folder, size=16))


def test_large_test_sets_are_drawn_from(monkeypatch: pytest.MonkeyPatch, suite: Suite) -> None:
    monkeypatch.setattr("nasneurn.domains.graded_shifts.MOST", 30)
    labels = suite.labels("print~blur-1", "test")
    assert np.bincount(labels).tolist() == [3] * 10
    assert MOST == 500


def test_the_inventory_lists_them() -> None:
    entries = take_inventory("builtin+shifts")
    assert len(entries) == 76
    assert (entries[-1].domain, entries[-1].train, entries[-1].test) == (
        "street~resolution-3", 0, 500,
    )  # fmt: skip
    assert {entry.suite for entry in entries} == {"builtin+shifts"}


def test_a_stronger_blur_has_a_steeper_spectrum(suite: Suite) -> None:
    slopes = []
    for name in ("print", "print~blur-1", "print~blur-3"):
        pixels = np.asarray(suite.images(name, "test").images[:100]) / 255
        slopes.append(image_statistics(pixels.transpose(0, 3, 1, 2))["slope"].mean())
    assert slopes[0] > slopes[1] > slopes[2]
