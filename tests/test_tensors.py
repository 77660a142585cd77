"""Arrays that may not be written: no warning of PyTorch reaches the user, nothing is changed."""

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

from nasneurn.domains import Split
from nasneurn.tensors import tensor_of
from nasneurn.training.images import DeviceImages, StreamedImages

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _no_warning() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def read_only(count: int = 20) -> Split:
    images = np.frombuffer(bytes(range(240)) * (count * 192 // 240), np.uint8)
    labels = np.arange(count, dtype=np.int64) % 2
    labels.flags.writeable = False
    return Split(images.reshape(count, 8, 8, 3), labels)


def test_what_may_be_written_is_shared_and_the_rest_copied() -> None:
    own = np.zeros(3)
    tensor_of(own)[0] = 1
    assert own[0] == 1
    fixed = np.frombuffer(b"abc", np.uint8)
    tensor_of(fixed)[0] = 0
    assert bytes(fixed) == b"abc"
    flipped = np.arange(6).reshape(2, 3)[:, ::-1]  # a stride below 0, which PyTorch refuses
    assert tensor_of(flipped).tolist() == flipped.tolist()


def test_images_are_put_on_a_device_without_a_warning() -> None:
    split = read_only()
    placed = DeviceImages.of(split, CPU)
    streamed = StreamedImages(split, np.arange(20), CPU)
    for images in (placed, streamed):
        batches = list(images.batches(7))
        shown = torch.cat([pixels for pixels, _ in batches]).permute(0, 2, 3, 1)
        assert torch.equal((shown * 255).round().byte(), torch.tensor(np.array(split.images)))


def test_pictures_of_pillow_are_taken_without_a_warning() -> None:
    picture = np.asarray(Image.new("RGB", (8, 8), "teal"))
    assert tensor_of(picture).shape == (8, 8, 3)
