import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_sample_images
from sklearn.neighbors import KNeighborsClassifier

from nasneurn.domains import builtin, load_suite, rendering
from nasneurn.domains.mnistm import invert_by_digits, random_patches

DOMAINS = ("optdigits", "optdigits-m", "print", "street")


def digest(domain) -> str:
    """One hash of everything in a domain."""
    total = hashlib.sha256()
    for split in (domain.train, domain.test):
        for array in (split.images, split.labels):
            total.update(f"{array.dtype}{array.shape}".encode())
            total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


BUILD_ALL = """
import sys
sys.path.insert(0, {tests!r})
from test_domains_builtin import DOMAINS, digest
from nasneurn.domains import builtin
print(*[digest(builtin.read(name)) for name in DOMAINS])
"""


def start_build(cache) -> subprocess.Popen:
    code = BUILD_ALL.format(tests=os.path.dirname(__file__))
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NASNEURN_CACHE": str(cache), "PYTHONHASHSEED": "7"},
    )


@pytest.fixture(scope="module")
def suite():
    return load_suite("builtin")


@pytest.mark.slow
def test_two_processes_building_at_once_agree_with_this_one(tmp_path, suite):
    builders = [start_build(tmp_path), start_build(tmp_path)]
    printed = [builder.communicate(timeout=120)[0].split() for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0]
    here = [digest(suite.load(name)) for name in DOMAINS]
    assert printed == [here, here]
    left = sorted(path.name.split("-")[0] for path in (tmp_path / "builtin").iterdir())
    assert left == ["optdigits", "optdigits", "print", "street"]  # entries whole, no drafts


@pytest.mark.parametrize("name", DOMAINS)
def test_shapes_and_balance(suite, name):
    domain = suite.load(name)
    for split, least in ((domain.train, 1200), (domain.test, 450)):
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int64
        assert split.images.shape == (len(split), 32, 32, 3)
        assert len(split) >= least
        counts = np.bincount(split.labels, minlength=10)
        assert len(counts) == 10
        assert counts.max() - counts.min() <= 0.11 * counts.mean()


@pytest.mark.parametrize("name", DOMAINS)
def test_train_and_test_share_no_image(suite, name):
    domain = suite.load(name)
    train = {image.tobytes() for image in domain.train.images}
    assert len(train) == len(domain.train)
    assert not train & {image.tobytes() for image in domain.test.images}


def test_optdigits_rows_are_those_of_scikit_learn(suite):
    digits = load_digits()
    domain = suite.load("optdigits")
    labels = np.concatenate([domain.train.labels, domain.test.labels])
    np.testing.assert_array_equal(labels, digits.target)
    images = np.concatenate([domain.train.images, domain.test.images])
    assert np.array_equal(images[..., 0], images[..., 2])
    # White on black, in a frame, and each the enlargement of its own row.
    assert images[:, :4].max() == 0
    small = images[:, 4:28, 4:28, 0].reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4)).reshape(1797, -1)
    flat = digits.images.reshape(1797, -1)
    own = [np.corrcoef(a, b)[0, 1] for a, b in zip(small, flat, strict=True)]
    assert min(own) > 0.9
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(small, flat[::-1], strict=True)]) < 0.6


def test_optdigits_m_inverts_a_photo_by_the_same_digits(suite):
    plain, mixed = suite.load("optdigits"), suite.load("optdigits-m")
    photos = load_sample_images().images
    for split, columns in builtin.PHOTO_STRIPS.items():
        digits, images = getattr(plain, split), getattr(mixed, split)
        np.testing.assert_array_equal(digits.labels, images.labels)
        # Where the digit is black the photo is untouched; where it is white it is inverted. So
        # |image - digit| there is a piece of a photo, within the strips that this split may use.
        pure = (digits.images == 0) | (digits.images == 255)
        photo_like = np.where(digits.images == 255, 255 - images.images, images.images)
        for row in range(0, len(digits), 97):
            assert any(
                lies_in(photo[:, left + columns[0] : left + columns[1]], photo_like[row], pure[row])
                for photo in photos
                for left in range(0, photo.shape[1], builtin.STRIP_PERIOD)
            ), f"row {row} of {split} is not made from its own digit"


def lies_in(photo, patch, known) -> bool:
    """Whether a patch, where known, is cut from somewhere in the photo."""
    windows = np.lib.stride_tricks.sliding_window_view(photo, (32, 32), axis=(0, 1))
    fits = np.ones(windows.shape[:2], dtype=bool)
    for y, x, c in np.argwhere(known)[::41]:  # a few points leave few places, if any
        fits &= windows[:, :, c, y, x] == patch[y, x, c]
    return any(
        np.array_equal(photo[y : y + 32, x : x + 32][known], patch[known])
        for y, x in np.argwhere(fits)
    )


def test_strips_of_train_and_test_are_disjoint():
    train, test = builtin.PHOTO_STRIPS["train"], builtin.PHOTO_STRIPS["test"]
    assert train[1] <= test[0]
    assert test[1] <= builtin.STRIP_PERIOD


def test_no_font_is_in_both_splits_and_all_draw_ten_different_digits():
    train, test = rendering.FONTS["train"], rendering.FONTS["test"]
    assert not set(train) & set(test)
    for font in (*train, *test):
        drawn = {rendering._glyph(font, digit, 0).tobytes() for digit in range(10)}
        assert len(drawn) == 10, f"{font} does not draw ten digits"


def test_digits_lie_within_printed_images():
    """The ink of a printed figure is not cut off by the border."""
    random = np.random.default_rng(3)
    images = rendering.draw(
        rendering.printed, np.arange(200) % 10, rendering.FONTS["train"], random
    ).astype(int)
    border = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], 1)
    assert np.mean(border.min(axis=(1, 2)) < 130) < 0.02


def test_invert_by_digits_is_the_absolute_difference():
    random = np.random.default_rng(0)
    digits = random.integers(0, 256, (5, 6, 6), dtype=np.uint8)
    patches = random.integers(0, 256, (5, 6, 6, 3), dtype=np.uint8)
    wanted = np.abs(patches.astype(int) - digits[..., None].astype(int))
    np.testing.assert_array_equal(invert_by_digits(digits, patches), wanted)


def test_random_patches_reach_every_border():
    photo = np.arange(36, dtype=np.uint8).reshape(6, 6, 1).repeat(3, axis=2)
    patches = random_patches([photo], 300, 4, np.random.default_rng(0))
    assert sorted(set(patches[:, 0, 0, 0])) == [0, 1, 2, 6, 7, 8, 12, 13, 14]


@pytest.mark.parametrize("damage", ["cut off", "one bit", "no zip", "wrong arrays", "a folder"])
def test_a_damaged_cache_entry_is_built_again(fresh_cache, suite, damage):
    wanted = digest(suite.load("optdigits-m"))
    path = builtin.cache_file("optdigits-m")
    builtin.read("optdigits-m")
    whole = bytearray(path.read_bytes())
    if damage == "cut off":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "one bit":
        whole[len(whole) // 3] ^= 4
        path.write_bytes(whole)
    elif damage == "no zip":
        path.write_bytes(b"nothing of use")
    elif damage == "wrong arrays":
        np.savez(path, images=np.zeros(3))
    else:
        path.unlink()
        path.mkdir()
    assert digest(builtin.read("optdigits-m")) == wanted
    if damage != "a folder":  # that stays in the way, and costs only the time
        with np.load(path) as arrays:
            assert set(arrays.files) >= {"train_images", "test_labels"}


def test_a_kept_entry_is_read_and_not_built(fresh_cache, monkeypatch):
    first = digest(builtin.read("optdigits"))
    monkeypatch.setitem(builtin.RECIPES, "optdigits", lambda split: pytest.fail("built again"))
    assert digest(builtin.read("optdigits")) == first


def test_a_new_recipe_version_has_its_own_entries(monkeypatch):
    before = builtin.cache_file("print")
    monkeypatch.setattr(builtin, "RECIPE_VERSION", builtin.RECIPE_VERSION + 1)
    assert builtin.cache_file("print") != before


def test_it_is_a_benchmark_of_domain_generalization(suite):
    """Each domain can be learned, and what is learned on one does not carry to the next."""

    def features(split):
        grey = split.images.mean(axis=-1).reshape(len(split), 16, 2, 16, 2).mean(axis=(2, 4))
        grey = grey.reshape(len(split), -1)
        return (grey - grey.mean(axis=1, keepdims=True)) / (grey.std(axis=1, keepdims=True) + 1)

    accuracy = {}
    for source in DOMAINS:
        train = suite.load(source).train
        model = KNeighborsClassifier(3).fit(features(train), train.labels)
        for target in DOMAINS:
            test = suite.load(target).test
            accuracy[source, target] = model.score(features(test), test.labels)
    assert accuracy["optdigits", "optdigits"] > 0.92
    assert accuracy["print", "print"] > 0.65
    # Nearest neighbours see neither shape nor polarity; above chance is what they can show here.
    assert accuracy["optdigits-m", "optdigits-m"] > 0.4
    assert accuracy["street", "street"] > 0.3
    for target in ("optdigits-m", "print", "street"):
        assert accuracy["optdigits", target] < accuracy["optdigits", "optdigits"] - 0.25
