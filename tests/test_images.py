"""Images of a split in batches: in memory and streamed, whole or from files."""

import json
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pets import fresh, make_pets

from nasneurn.domains import Split, joined, load_suite
from nasneurn.domains.pixels import Kept
from nasneurn.errors import InputError
from nasneurn.training import images as images_module
from nasneurn.training.images import (
    DeviceImages,
    ShuffledBatches,
    StreamedImages,
    open_images,
    rebatched,
)

CPU = torch.device("cpu")


def numbered(count, side=4):
    """Images whose first pixels spell their row."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    pixels[:, 0, :2, 0] = np.arange(count, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
    return Split(pixels, np.arange(count) * 7 % 10)


def numbers(batch):
    low, high = (batch[:, 0, 0, column].mul(255).round().int() for column in (0, 1))
    return (low + 256 * high).tolist()


@pytest.fixture(params=["one block", "many blocks"])
def small_windows(request, monkeypatch):
    """Windows of 15 images of 4 x 4, so that passes over 100 images cross their ends."""
    block = 720 if request.param == "one block" else 150
    monkeypatch.setattr(images_module, "WINDOW_BYTES", 720)
    monkeypatch.setattr(images_module, "BLOCK_BYTES", block)


def both(split, rows=None):
    return open_images(split, rows, CPU), open_images(split, rows, CPU, memory=0)


def test_what_fits_is_put_into_memory_and_the_rest_is_streamed():
    split = numbered(100)
    assert isinstance(open_images(split, None, CPU, memory=4800), DeviceImages)
    assert isinstance(open_images(split, None, CPU, memory=4799), StreamedImages)
    assert isinstance(open_images(split, np.arange(50), CPU, memory=2400), DeviceImages)


@pytest.mark.parametrize("size", [1, 7, 16, 100, 300])
@pytest.mark.parametrize("rows", [None, np.arange(3, 90, 2)])
def test_streamed_and_in_memory_images_are_the_same_in_order(small_windows, size, rows):
    memory, streamed = both(numbered(100), rows)
    assert len(memory) == len(streamed)
    assert torch.equal(memory.labels, streamed.labels)
    pairs = list(zip(memory.batches(size), streamed.batches(size), strict=True))
    assert [len(a[1]) for a, _ in pairs] == [len(b[1]) for _, b in pairs]
    for (pixels, labels), (others, other_labels) in pairs:
        assert torch.equal(pixels, others)
        assert pixels.stride() == others.stride()
        assert torch.equal(labels, other_labels)
    chosen = np.array([5, 2, 30])
    assert torch.equal(memory.pixels(chosen), streamed.pixels(chosen))


def test_evaluation_is_the_same(small_windows):
    from nasneurn.training.evaluation import accuracy

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 10)).eval()
    memory, streamed = both(numbered(1000))
    assert accuracy(network, memory) == accuracy(network, streamed)


def test_a_streamed_pass_meets_each_image_once_with_its_label(small_windows):
    split = numbered(100)
    passes = []
    _, streamed = both(split)
    for number in range(3):
        met = []
        for pixels, labels in streamed.follow(streamed.order(5, number), 8):
            met += numbers(pixels)
            assert labels.tolist() == split.labels[numbers(pixels)].tolist()
        assert sorted(met) == list(range(100))
        passes.append(met)
    assert passes[0] != passes[1] != passes[2]
    assert streamed.order(5, 1).tolist() == passes[1]
    assert streamed.order(6, 1).tolist() != passes[1]


def test_a_window_holds_images_from_everywhere():
    """At real sizes: of a sorted folder, each batch has images of many classes."""
    split = Split(np.broadcast_to(np.uint8(0), (600_000, 32, 32, 3)), np.arange(600_000) // 2000)
    streamed = open_images(split, None, CPU, memory=0)
    order = streamed.order(0, 0)
    np.testing.assert_array_equal(np.sort(order), np.arange(600_000))
    for start in range(0, 400_000, 40_000):
        batch = split.labels[order[start : start + 256]]
        assert len(np.unique(batch)) > 80


def test_in_memory_orders_are_as_they_were():
    """Written down: another order would be another training."""
    data = open_images(numbered(12), None, CPU)
    batches = [numbers(pixels) for pixels, _ in ShuffledBatches(data, 4, 4, seed=3)]
    assert batches == [
        np.random.default_rng([3, number]).permutation(12)[start : start + 4].tolist()
        for number, start in ((0, 0), (0, 4), (0, 8), (1, 0))
    ]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("taken", [0, 1, 9, 12, 13, 30])
def test_a_resumed_pass_gives_what_an_uninterrupted_one_gives(
    small_windows, streamed, parts, taken
):
    data = both(numbered(100))[streamed]
    whole = [numbers(pixels) for pixels, _ in ShuffledBatches(data, 8, 40, seed=2, parts=parts)]
    assert len(whole) == 40
    broken = ShuffledBatches(data, 8, 40, seed=2, parts=parts)
    iterator = iter(broken)
    for _ in range(taken):
        next(iterator)
    resumed = ShuffledBatches(data, 8, 40, seed=2, parts=parts)
    resumed.load_state_dict(json.loads(json.dumps(broken.state_dict())))
    assert [numbers(pixels) for pixels, _ in resumed] == whole[taken:]


@settings(deadline=None)
@given(chunks=st.lists(st.integers(0, 9), max_size=12), size=st.integers(1, 12))
def test_rebatched_keeps_all_images_in_order(chunks, size):
    ends = np.cumsum([0, *chunks])
    given = [np.arange(a, b, dtype=np.uint8) for a, b in pairwise(ends)]
    found = list(rebatched(given, size))
    assert [image for batch in found for image in batch] == list(range(ends[-1]))
    assert all(len(batch) == size for batch in found[:-1])
    assert all(0 < len(batch) <= size for batch in found)


def test_an_error_in_the_reading_thread_reaches_the_training(tmp_path, fresh_cache, monkeypatch):
    monkeypatch.setenv("NASNEURN_CACHE_LIMIT", "0")
    monkeypatch.setattr(images_module, "DECODED_TOGETHER", 4)
    root = make_pets(tmp_path / "pets")
    data = open_images(load_suite(root, size=16).images("photo", "train"), None, CPU, memory=0)
    assert sum(len(labels) for _, labels in data.batches(3)) == 16
    next(path for path in sorted(root.rglob("photo/dog/*"))).write_bytes(b"")
    with pytest.raises(InputError, match="not a readable image"):
        list(data.batches(3))


def test_batches_are_the_same_from_memory_the_cache_and_the_files(
    tmp_path, fresh_cache, monkeypatch, small_windows
):
    root = make_pets(tmp_path / "pets")
    monkeypatch.setenv("NASNEURN_CACHE_LIMIT", "0")
    decoded = load_suite(root, size=8).images("photo", "train")
    monkeypatch.delenv("NASNEURN_CACHE_LIMIT")
    kept = fresh(root, size=8).images("photo", "train")
    assert (decoded.images.decoding, kept.images.decoding) == (True, False)
    loaders = [
        ShuffledBatches(open_images(split, None, CPU, memory=0), 5, 9, seed=1)
        for split in (decoded, kept, Split(np.asarray(kept.images), kept.labels))
    ]
    for batches in zip(*loaders, strict=True):
        for pixels, labels in batches[1:]:
            assert torch.equal(pixels, batches[0][0])
            assert torch.equal(labels, batches[0][1])


@pytest.mark.parametrize("memory", [0, 10**6])
def test_several_sources_are_one_without_being_read(
    tmp_path, fresh_cache, monkeypatch, small_windows, memory
):
    suite = load_suite(make_pets(tmp_path / "pets"), size=8)
    random = np.random.default_rng(0)
    splits = [suite.images(domain, "train") for domain in suite.domains]
    splits.append(Split(random.integers(0, 256, (9, 8, 8, 3), dtype=np.uint8), np.arange(9) % 2))
    chosen = [np.sort(random.permutation(len(split))[:7]) for split in splits]
    wanted = np.concatenate(
        [split.images[rows] for split, rows in zip(splits, chosen, strict=True)]
    )
    parts = [split.select(rows) for split, rows in zip(splits, chosen, strict=True)]
    with monkeypatch.context() as patched:
        patched.setattr(Kept, "__call__", lambda *_: pytest.fail("read"))
        whole = joined([split.select(rows) for split, rows in zip(splits, chosen, strict=True)])
    np.testing.assert_array_equal(whole.images[:], wanted)
    assert whole.labels.tolist() == np.concatenate([part.labels for part in parts]).tolist()
    data = open_images(whole, None, CPU, memory=memory)
    images = torch.cat([pixels for pixels, _ in data.batches(4)]).permute(0, 2, 3, 1)
    np.testing.assert_array_equal(images.mul(255).round().byte().numpy(), wanted)


def test_no_rows_of_a_kept_file_are_no_images(tmp_path):
    kept = Kept(tmp_path / "images.npy", 3, 4)
    kept.write(kept.path, np.zeros((3, 4, 4, 3), np.uint8))
    assert kept(np.array([], dtype=np.int64)).shape == (0, 4, 4, 3)


EPOCH = """
import resource, sys
import numpy as np, torch
from nasneurn.domains import FilePixels, Split
from nasneurn.domains.pixels import Kept
from nasneurn.training.images import ShuffledBatches, open_images
from pathlib import Path
torch.set_num_threads(1)
count, side = int(sys.argv[2]), 64
kept = Kept(Path(sys.argv[1]), count, side)
kept.write(kept.path, [])
with kept.path.open("r+b") as file:  # the rest reads as zeros, and takes no disk
    file.truncate(file.seek(0, 2) + count * side * side * 3)
assert kept.is_whole()
split = Split(FilePixels(np.arange(count), side, kept, False), np.zeros(count, np.int64))
data = open_images(split, None, torch.device("cpu"), memory=0)
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
for pixels, labels in ShuffledBatches(data, 64, count // 64, seed=0):
    pass
print(peak() - before)
"""


@pytest.mark.slow
def test_streaming_takes_no_more_memory_than_its_windows(tmp_path):
    """740 MB of images go through in two windows of 128 MiB each, and little more."""
    done = subprocess.run(
        [sys.executable, "-c", EPOCH, str(tmp_path / "images.npy"), "60000"],
        capture_output=True, text=True, check=True, env={**os.environ},
    )  # fmt: skip
    assert float(done.stdout) < 400
