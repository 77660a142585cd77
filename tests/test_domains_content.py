"""What identifies a folder suite: digests of its content, and handles for other processes."""

import os
import pickle

import numpy as np
import pytest
from pets import PARTS, chosen_for_the_test, fresh, make_pets, note_hashed, save

from nasneurn.domains import listing, load_suite, loading
from nasneurn.errors import InputError


@pytest.fixture
def root(tmp_path, fresh_cache):
    return make_pets(tmp_path / "pets")


@pytest.fixture
def hashed(monkeypatch):
    return note_hashed(monkeypatch)


def test_digests_are_of_the_content(root, tmp_path):
    before = {part: load_suite(root, size=16).digest("photo", part) for part in PARTS}
    assert len(set(before.values())) == 3
    assert all(len(digest) == 16 for digest in before.values())
    other = load_suite(root, size=8)
    assert other.digest("photo", "all") != before["all"]

    # Wherever the files lie, and whenever they were written.
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    root.rename(moved)
    for path in moved.rglob("*.*"):
        os.utime(path, ns=(5, 5))
    assert {part: load_suite(moved, size=16).digest("photo", part) for part in PARTS} == before

    # A byte of one image changes its parts, and not the other: no pixel needs to change.
    names = chosen_for_the_test(moved, "photo")
    chosen = moved / sorted(names)[0]
    chosen.write_bytes(chosen.read_bytes() + b"\0")
    after = {part: fresh(moved).digest("photo", part) for part in PARTS}
    assert [part for part in PARTS if after[part] != before[part]] == ["test", "all"]


def test_an_equal_size_does_not_hide_another_content(root):
    path = root / "photo" / "cat" / "0.png"
    before = load_suite(root, size=16).digest("photo", "train")
    size = path.stat().st_size
    save(path, (201, 41, 41))
    assert path.stat().st_size == size
    os.utime(path, ns=(7, 7))
    assert fresh(root).digest("photo", "train") != before


def test_each_file_is_read_once_for_its_digest_and_its_pixels(root, hashed):
    suite = load_suite(root, size=16)
    first = suite.digest("photo", "train")
    suite.images("photo", "train")
    assert sorted(hashed) == sorted(path.name for path in (root / "photo").rglob("*.*"))
    hashed.clear()
    again = fresh(root)
    assert again.known_digest("photo", "train") == first == again.digest("photo", "train")
    (root / "photo" / "cat" / "new.png").write_bytes((root / "photo/cat/0.png").read_bytes())
    kept = list((root.parent / "cache").rglob("*.npy"))
    assert kept
    assert all(path.stat().st_size > 0 for path in kept)
    changed = fresh(root)
    assert changed.known_digest("photo", "all") is None
    changed.digest("photo", "all")
    assert hashed.count("new.png") == 1


def test_where_the_cache_would_be_too_large_only_new_files_are_read(root, hashed, monkeypatch):
    monkeypatch.setenv("NASNEURN_CACHE_LIMIT", "0")
    before = load_suite(root, size=16).digest("photo", "all")
    assert len(hashed) == 20
    hashed.clear()
    assert fresh(root).digest("photo", "all") == before
    assert hashed == []
    save(root / "photo" / "cat" / "new.png")
    assert fresh(root).digest("photo", "all") != before
    assert hashed == ["new.png"]


@pytest.mark.parametrize("damage", ["empty", "cut off", "one bit", "other arrays", "a folder"])
def test_damaged_hashes_are_found_again(root, damage):
    wanted = load_suite(root, size=16).digest("photo", "all")
    (path,) = (root.parent / "cache").rglob("hashes.npz")
    whole = bytearray(path.read_bytes())
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut off":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "one bit":
        whole[len(whole) // 2] ^= 4
        path.write_bytes(whole)
    elif damage == "other arrays":
        np.savez(path, keys=np.zeros(3, np.uint64), hashes=np.zeros((3, 2), np.uint8))
    else:
        path.unlink()
        path.mkdir()
    assert fresh(root).digest("photo", "all") == wanted


# ---------------------------------------------------------------- handles


def test_a_handle_is_small_and_opens_without_a_scan(root, monkeypatch):
    suite = load_suite(root, size=16)
    wanted = suite.digest("photo", "train"), suite.labels("sketch", "test").tolist()
    pickled = pickle.dumps(suite.handle)
    assert len(pickled) < 1000
    assert pickle.loads(pickled).open() is suite
    loading._opened.clear()
    monkeypatch.setattr(listing, "_scan", lambda root: pytest.fail("scanned again"))
    opened = pickle.loads(pickled).open()
    assert opened is not suite
    assert (opened.digest("photo", "train"), opened.labels("sketch", "test").tolist()) == wanted
    assert opened.handle == suite.handle


def test_a_handle_scans_when_the_cache_has_lost_the_listing(root, tmp_path):
    handle = load_suite(root, size=16).handle
    for content in (None, b"", b"PK garbage"):
        loading._opened.clear()
        (path,) = (tmp_path / "cache").rglob("listing-*.npz")
        if content is None:
            path.rename(tmp_path / "kept")
        else:
            path.write_bytes(content)
        assert handle.open().handle == handle
        (tmp_path / "kept").rename(path) if content is None else None
    save(root / "photo" / "cat" / "new.png")
    loading._opened.clear()
    with pytest.raises(InputError, match=r"pets: its files .* have changed since the run began"):
        handle.open()


def test_a_tree_is_scanned_once_in_a_process(root, monkeypatch):
    scanned = []
    real = listing._scan
    monkeypatch.setattr(listing, "_scan", lambda root: scanned.append(root) or real(root))
    first = load_suite(root, size=16)
    assert load_suite(root, size=16) is first
    load_suite(root, size=8)
    assert scanned == [root]
    save(root / "photo" / "cat" / "new.png")
    assert len(load_suite(root, size=16).labels("photo", "all")) == 21
