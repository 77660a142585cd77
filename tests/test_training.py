"""Batches, augmentation and the training of fixed networks."""

from itertools import chain

import pytest
import torch
from torch import nn

from nasneurn.algorithms import ERM
from nasneurn.errors import InputError
from nasneurn.interruption import Interrupted
from nasneurn.progress import meter
from nasneurn.training.augmentation import shifted
from nasneurn.training.devices import choose_device
from nasneurn.training.evaluation import accuracy, logits_of
from nasneurn.training.fit import fit
from nasneurn.training.images import DeviceImages, ShuffledBatches, as_pixels
from nasneurn.training.protocol import BUDGETS, Optimization, protocol_label
from nasneurn.training.scaling import Standardize, Statistics, output_statistics


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
            fit(network, loader, Optimization(1e-2, shift=1), ERM(), seed, device, progress)
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
    with meter("test", 3) as progress, pytest.raises(InputError, match="no longer finite at step"):
        fit(network, loader, Optimization(), ERM(), 0, torch.device("cpu"), progress)


def test_a_loss_that_recovers_is_refused_all_the_same() -> None:
    """What was not finite in any step is told at the end, though no step waits for it."""

    class OnceInfinite(ERM):
        calls = 0

        def loss(self, network, images, labels, criterion):  # type: ignore[no-untyped-def]
            self.calls += 1
            loss = super().loss(network, images, labels, criterion)
            return loss + float("inf") if self.calls == 2 else loss

    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    loader = ShuffledBatches(striped(), 20, 6, seed=0)
    with meter("test", 6) as progress, pytest.raises(InputError, match="no longer finite"):
        fit(network, loader, Optimization(), OnceInfinite(), 0, torch.device("cpu"), progress)


def test_the_network_stays_on_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning's teardown takes a module to the CPU; here, to where weights are lost."""
    from lightning_fabric.utilities.device_dtype_mixin import _DeviceDtypeModuleMixin

    moved = []

    def away(self: nn.Module) -> nn.Module:
        moved.append(self)
        return self.to("meta")

    monkeypatch.setattr(_DeviceDtypeModuleMixin, "cpu", away)
    monkeypatch.setattr(nn.Module, "cpu", away)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    loader = ShuffledBatches(striped(), 20, 3, seed=0)
    with meter("test", 3) as progress:
        fit(network, loader, Optimization(), ERM(), 0, torch.device("cpu"), progress)
    assert {weight.device.type for weight in network.parameters()} == {"cpu"}
    assert 0 <= accuracy(network.eval(), striped()) <= 1
    # The emulation is of what Lightning does to any other module.
    import pytorch_lightning as pl

    pl.LightningModule().cpu()
    assert moved


def test_evaluation_halves_a_batch_that_does_not_fit() -> None:
    class Small(nn.Module):
        largest = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > 100:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            self.largest = max(self.largest, len(x))
            return torch.stack([x[:, 0, :4].mean((1, 2)), x[:, 0, 4:].mean((1, 2))], dim=1)

    network = Small()
    assert accuracy(network, striped(1001)) == 1.0
    assert network.largest == 64

    class TooSmall(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(RuntimeError, match="can't allocate memory"):
        accuracy(TooSmall(), striped(10))


def test_what_leaves_a_stem_is_standardized() -> None:
    torch.manual_seed(0)
    images = torch.rand(64, 3, 8, 8) * torch.tensor([1.0, 0.1, 0.0]).view(1, 3, 1, 1) + 0.5
    statistics = output_statistics(nn.Identity(), images.split(10))
    by_torch = images.double()
    assert statistics.mean == pytest.approx(by_torch.mean((0, 2, 3)).tolist())
    deviation = by_torch.std((0, 2, 3), unbiased=False).tolist()
    assert statistics.deviation == pytest.approx([*deviation[:2], 1.0])
    scaled = Standardize(statistics)(images)
    torch.testing.assert_close(scaled.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        scaled.std((0, 2, 3), unbiased=False), torch.tensor([1.0, 1.0, 0.0]), atol=1e-4, rtol=0
    )
    assert not Standardize(statistics).state_dict()


def test_statistics_leave_the_generator_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = output_statistics(nn.Dropout(0.5), [torch.ones(8, 1, 4, 4)])
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert output_statistics(nn.Dropout(0.5), [torch.ones(8, 1, 4, 4)]) == first
    assert first != Statistics((1.0,), (1.0,))  # measured as in training


def test_a_protocol_is_told_by_what_differs() -> None:
    quick = BUDGETS["quick"]
    assert protocol_label("quick", quick) == "quick"
    changed = quick.changed({"epochs": 3, "scaling": "none"}, "protocol")
    assert protocol_label("quick", changed) == "quick:epochs=3,scaling=none"
    with pytest.raises(InputError, match="protocol: patience is 0"):
        quick.changed({"patience": 0}, "protocol")


def test_accuracy_counts_all_images() -> None:
    class Always(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[1.0, 0.0]]).expand(len(x), 2)

    data = striped(1001)
    assert accuracy(Always(), data) == 501 / 1001


@pytest.mark.parametrize(("side", "most"), [(8, 1001), (32, 128), (64, 32), (224, 8)])
def test_a_cpu_answers_in_parts_that_its_caches_hold(side: int, most: int) -> None:
    seen = []

    class Sum(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(len(x))
            return x.sum((2, 3))

    images = torch.arange(200).reshape(-1, 1, 1, 1).expand(200, 3, side, side).float()
    torch.testing.assert_close(logits_of(Sum(), images), images.sum((2, 3)))
    assert max(seen) == min(most, 200)
    assert sum(seen) == 200


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
