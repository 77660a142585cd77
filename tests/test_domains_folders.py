"""Suites from folders of images: what is found, how it is divided, and what the cache keeps."""

import os
import shutil

import numpy as np
import pytest
from pets import (
    COLOURS,
    chosen_for_the_test,
    fresh,
    make_pets,
    note_decoded,
    note_hashed,
    save,
)

from nasneurn.domains import FilePixels, load_suite
from nasneurn.errors import InputError


@pytest.fixture
def root(tmp_path, fresh_cache):
    return make_pets(tmp_path / "pets")


@pytest.fixture
def decoded(monkeypatch):
    return note_decoded(monkeypatch)


@pytest.fixture
def hashed(monkeypatch):
    return note_hashed(monkeypatch)


def test_a_folder_is_a_suite(root):
    suite = load_suite(root, size=16)
    assert (suite.name, suite.classes, suite.domains) == (
        "pets",
        ("cat", "dog"),
        ("photo", "sketch"),
    )
    domain = suite.load("sketch")
    assert (len(domain.train), len(domain.test)) == (16, 4)
    for split in (domain.train, domain.test):
        assert split.images.shape == (len(split), 16, 16, 3)
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int64)
        assert isinstance(split.images, FilePixels)
        for image, label in zip(split.images, split.labels, strict=True):
            expected = COLOURS[suite.classes[label]]
            assert np.abs(image.astype(int) - expected).max() <= 3
    assert np.bincount(domain.test.labels).tolist() == [2, 2]


def test_the_default_size_is_224(root):
    assert load_suite(str(root)).load("photo").test.images.shape == (4, 224, 224, 3)


def test_the_split_follows_the_paths_alone(root, tmp_path):
    before = chosen_for_the_test(root, "photo")
    # Written down, so that a change in the choice is seen: it would move published numbers.
    assert before == {"photo/cat/5.jpg", "photo/cat/8.png", "photo/dog/7.bmp", "photo/dog/9.jpg"}
    moved = tmp_path / "elsewhere" / "pets"
    moved.parent.mkdir()
    root.rename(moved)
    assert chosen_for_the_test(moved, "photo") == before
    save(moved / "photo" / "cat" / "new.png")
    assert len(chosen_for_the_test(moved, "photo") ^ before) <= 2


def test_images_are_decoded_once_and_again_when_they_change(root, decoded):
    for domain in ("photo", "sketch"):
        load_suite(root, size=16).images(domain, "train")
    assert len(decoded) == 40
    decoded.clear()
    for domain in ("photo", "sketch"):
        fresh(root).images(domain, "all")
    assert decoded == []
    changed = root / "photo" / "cat" / "0.png"
    save(changed, (0, 0, 250))
    os.utime(changed, ns=(1, 1))
    whole = fresh(root).images("photo", "all")
    fresh(root).images("sketch", "all")
    assert len(decoded) == 20  # the domain's, and not the other's
    assert sum(image[8, 8, 2] > 200 for image in whole.images) == 1
    # Nothing of the older state stays behind, and no draft.
    kept = sorted(path.name.rpartition("-")[0] for path in (root.parent / "cache").rglob("*.npy"))
    assert kept == ["photo-16", "sketch-16"]


def test_parts_share_one_cache_entry(root):
    suite = load_suite(root, size=16)
    whole = suite.images("photo", "all")
    assert len(whole) == 20
    together = sorted(
        image.tobytes()
        for part in ("train", "test")
        for image in suite.images("photo", part).images
    )
    assert together == sorted(image.tobytes() for image in whole.images)
    rows = np.array([7, 3, 3, 19])
    np.testing.assert_array_equal(whole.images[rows], np.asarray(whole.images)[rows])
    np.testing.assert_array_equal(whole.images[5:9], np.asarray(whole.images)[5:9])
    np.testing.assert_array_equal(whole.images[-1], np.asarray(whole.images)[-1])


def test_a_damaged_cache_entry_is_decoded_again(root):
    first = load_suite(root, size=16).images("photo", "all")
    wanted = np.asarray(first.images)
    (path,) = (root.parent / "cache").rglob("photo-16-*.npy")
    whole = path.read_bytes()
    for content in (b"", whole[:-1], b"garbage", whole.replace(b"16, 16", b"12, 12")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"gone or was cut short .* the next run"):
            first.images[:]
        np.testing.assert_array_equal(fresh(root).images("photo", "all").images[:], wanted)


def test_a_cache_that_would_be_too_large_is_not_written(root, decoded, monkeypatch):
    kept = np.asarray(load_suite(root, size=16).images("photo", "test").images)
    cache = root.parent / "cache"
    for path in cache.rglob("*.npy"):
        path.unlink()
    monkeypatch.setenv("NASNEURN_CACHE_LIMIT", "0.00001")
    decoded.clear()
    split = fresh(root).images("photo", "test")
    assert decoded == []
    assert (split.images.decoding, split.images.shape) == (True, kept.shape)
    np.testing.assert_array_equal(split.images[:], kept)
    np.testing.assert_array_equal(split.images[np.array([2, 0])], kept[[2, 0]])
    assert sorted(decoded[:4]) == ["5.jpg", "7.bmp", "8.png", "9.jpg"]
    assert not list(cache.rglob("*.npy"))


def test_a_disk_that_is_nearly_full_is_not_filled(root, monkeypatch):
    used = shutil.disk_usage(root)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: used._replace(free=2**31))
    assert load_suite(root, size=16).images("photo", "test").images.decoding
    monkeypatch.setattr(shutil, "disk_usage", lambda path: used._replace(free=2**31 + 10**5))
    assert not fresh(root).images("photo", "test").images.decoding


@pytest.mark.parametrize("limit", ["much", "-1", "nan"])
def test_a_limit_that_is_no_number_of_gib(root, monkeypatch, limit):
    monkeypatch.setenv("NASNEURN_CACHE_LIMIT", limit)
    with pytest.raises(InputError, match=f"NASNEURN_CACHE_LIMIT is '{limit}', must be a number"):
        load_suite(root, size=16).images("photo", "test")


def test_labels_come_from_the_listing(root, decoded, hashed):
    suite = load_suite(root, size=16)
    for part, count in (("train", 16), ("test", 4), ("all", 20)):
        assert np.bincount(suite.labels("photo", part)).tolist() == [count // 2] * 2
    assert suite.known_digest("photo", "all") is None
    assert (decoded, hashed) == ([], [])
    assert not list((root.parent / "cache").rglob("*.npy"))


def test_a_domain_that_is_no_source_is_tested_as_a_whole(root):
    suite = load_suite(root, size=16)
    assert suite.tested("sketch", sources=["photo"]) == "all"
    assert suite.tested("photo", sources=["photo"]) == "test"


def cut_off(path):
    path.write_bytes(path.read_bytes()[:80])


def empty(path):
    path.write_bytes(b"")


def other_text(path):
    path.write_text("<html>404 not found</html>")


@pytest.mark.parametrize("name", ["0.png", "1.jpg", "3.bmp"])
@pytest.mark.parametrize("damage", [cut_off, empty, other_text])
def test_an_unreadable_image_is_named(root, name, damage):
    path = root / "sketch" / "dog" / name
    damage(path)
    with pytest.raises(InputError, match=r"not a readable image") as raised:
        load_suite(root, size=16).load("sketch")
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "object at" not in str(raised.value)
    left = [path.name for path in (root.parent / "cache").rglob("*.npy")]
    assert len(left) < 2
    assert not any(name.startswith(".") for name in left)  # no draft of the split that failed
    assert len(load_suite(root, size=16).load("photo").train) == 16  # the other domain is sound


def test_a_class_that_one_domain_lacks(root):
    for domain, other in (("photo", "sketch"), ("sketch", "photo")):
        extra = root / other / "cow"
        save(extra / "0.png")
        save(extra / "1.png")
        with pytest.raises(InputError, match=rf"{domain}: no class 'cow', .* domain '{other}' has"):
            load_suite(root)
        for path in extra.iterdir():
            path.unlink()
        extra.rmdir()


def test_parts_of_data_are_no_classes_and_no_domains(root, tmp_path):
    for domain in ("photo", "sketch"):
        for part in ("Train", "val"):
            save(tmp_path / "parts" / domain / part / "cat" / "0.png")
            save(tmp_path / "one" / part / domain / "0.png")
    with pytest.raises(InputError, match=r"parts: its classes are Train, val, .* a split file"):
        load_suite(tmp_path / "parts")
    with pytest.raises(InputError, match="one: its domains are Train, val, which are parts"):
        load_suite(tmp_path / "one")
    (root / "photo" / "cat").rename(root / "photo" / "test")  # beside others it is a class
    (root / "sketch" / "cat").rename(root / "sketch" / "test")
    assert "test" in load_suite(root).classes


def test_too_few_images_domains_or_classes(root, tmp_path):
    for path in sorted((root / "photo" / "cat").iterdir())[1:]:
        path.unlink()
    with pytest.raises(InputError, match=r"photo/cat: holds one image .* at least 2"):
        load_suite(root)
    save(tmp_path / "one" / "photo" / "cat" / "0.png")
    with pytest.raises(InputError, match=r"one: holds 1 domains \(photo\); .* at least 2"):
        load_suite(tmp_path / "one")
    (tmp_path / "bare" / "a").mkdir(parents=True)
    (tmp_path / "bare" / "b").mkdir()
    with pytest.raises(InputError, match=r"bare/a: holds no class folders"):
        load_suite(tmp_path / "bare")
    for domain in ("a", "b"):
        save(tmp_path / "alike" / domain / "cat" / "0.png")
        save(tmp_path / "alike" / domain / "cat" / "1.png")
    with pytest.raises(InputError, match=r"alike: holds one class \(cat\); at least 2"):
        load_suite(tmp_path / "alike")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: holds 0 domains"):
        load_suite(tmp_path / "empty")


def test_other_files_and_hidden_ones_are_left_out(root):
    (root / "photo" / "cat" / "notes.txt").write_text("not an image")
    (root / "photo" / "cat" / "._0.png").write_bytes(b"a remnant of a Mac")
    (root / ".git").mkdir()
    (root / "readme.md").write_text("")
    assert len(load_suite(root, size=16).load("photo").train) == 16


def test_two_sizes_live_side_by_side(root):
    small, large = load_suite(root, size=8), load_suite(root, size=12)
    assert small.load("photo").test.images.shape[1] == 8
    assert large.load("photo").test.images.shape[1] == 12
    assert len(list((root.parent / "cache").rglob("photo-*.npy"))) == 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read(root):
    (root / "photo").chmod(0)
    try:
        with pytest.raises(InputError, match=r"photo: cannot be read"):
            load_suite(root)
    finally:
        (root / "photo").chmod(0o755)
