"""Batches, augmentation and the training of fixed networks."""

from itertools import chain

import pytest
import torch
from torch import nn

from nasneurn.errors import InputError
from nasneurn.interruption import Interrupted
from nasneurn.progress import meter
from nasneurn.training import (
    DeviceImages,
    Recipe,
    ShuffledBatches,
    as_pixels,
    choose_device,
    fit,
    shifted,
)
from nasneurn.training.evaluation import accuracy


def striped(count: int = 60) -> DeviceImages:
    """Images of two classes: bright rows above, or below."""
    labels = torch.arange(count) % 2
    images = torch.zeros(count, 3, 8, 8, dtype=torch.uint8)
    images[labels == 0, :, :4] = 200
    images[labels == 1, :, 4:] = 200
    return DeviceImages(images, labels)


def test_each_pass_sees_each_image_once_in_an_order_of_its_own() -> None:
    data = DeviceImages(torch.arange(12, dtype=torch.uint8).view(12, 1, 1, 1), torch.arange(12))
    labels = [batch[1].tolist() for batch in ShuffledBatches(data, 4, 6, seed=0)]
    first, second = list(chain(*labels[:3])), list(chain(*labels[3:]))
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second
    assert labels == [batch[1].tolist() for batch in ShuffledBatches(data, 4, 6, seed=0)]
    assert labels != [batch[1].tolist() for batch in ShuffledBatches(data, 4, 6, seed=1)]


def test_batches_continue_where_they_stopped() -> None:
    data = striped()
    whole = [labels.tolist() for _, labels in ShuffledBatches(data, 8, 20, seed=2)]
    broken = ShuffledBatches(data, 8, 20, seed=2)
    taken = iter(broken)
    for _ in range(9):
        next(taken)
    resumed = ShuffledBatches(data, 8, 20, seed=2)
    resumed.load_state_dict(broken.state_dict())
    assert [labels.tolist() for _, labels in resumed] == whole[9:]


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(InputError, match="batch size 61 is larger than the 60 training images"):
        ShuffledBatches(striped(), 61, 1, seed=0)


def test_pixels_are_floats_from_0_to_1() -> None:
    pixels = as_pixels(torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1))
    assert pixels.dtype == torch.float32
    torch.testing.assert_close(pixels.flatten(), torch.tensor([0.0, 0.2, 1.0]))


def test_shift_moves_each_image_whole() -> None:
    torch.manual_seed(0)
    images = torch.rand(32, 3, 9, 9)
    moved = shifted(images, 2)
    padded = nn.functional.pad(images, (2,) * 4, mode="replicate")
    offsets = set()
    for image, before in zip(moved, padded, strict=True):
        matches = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if torch.equal(before[:, y : y + 9, x : x + 9], image)
        ]
        assert len(matches) == 1
        offsets.add(matches[0])
    assert len(offsets) > 10
    assert shifted(images, 0) is images


def test_fit_learns_and_depends_on_the_seed_alone() -> None:
    def trained(seed: int) -> nn.Module:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
        loader = ShuffledBatches(striped(), 20, 30, seed=1)
        with meter("test", 30) as progress:
            device = torch.device("cpu")
            fit(network, loader, Recipe(1e-2, shift=1), seed, device, progress)
        return network.eval()

    first = trained(0)
    assert accuracy(first, striped()) == 1.0
    weights = first[1].weight
    torch.manual_seed(99)
    assert torch.equal(trained(0)[1].weight, weights)
    assert not torch.equal(trained(1)[1].weight, weights)


def test_a_loss_that_is_not_finite_names_the_step() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    nn.init.constant_(network[1].weight, float("nan"))
    loader = ShuffledBatches(striped(), 20, 3, seed=0)
    with meter("test", 3) as progress, pytest.raises(InputError, match="is nan at step 0"):
        fit(network, loader, Recipe(), 0, torch.device("cpu"), progress)


def test_accuracy_counts_all_images() -> None:
    class Always(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[1.0, 0.0]]).expand(len(x), 2)

    data = striped(1001)
    assert accuracy(Always(), data) == 501 / 1001


def test_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="device is 'tpu'"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        assert choose_device("auto").type == "cpu"
        with pytest.raises(InputError, match="no GPU"):
            choose_device("cuda")


def test_a_signal_stops_at_the_next_count(monkeypatch: pytest.MonkeyPatch) -> None:
    from nasneurn import interruption

    with meter("test", 3) as progress:
        progress.advance()
        monkeypatch.setattr(interruption, "_requested", True)
        with pytest.raises(Interrupted):
            progress.advance()
