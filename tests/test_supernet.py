"""Supernets: paths, recalibration, files, and the training through NNI."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nni.nas.nn.pytorch import ModelSpace
from torch import Tensor, nn

from nasneurn.search.run import SupernetModule
from nasneurn.training import DeviceImages, Recipe, ShuffledBatches, averaging
from search_spaces.errors import SpaceError
from search_spaces.interface import activate, draw_architecture
from search_spaces.spos import CANDIDATES, SPOS
from search_spaces.supernet import (
    as_supernet,
    load_supernet,
    recalibrate,
    recalibrated,
    save_supernets,
    subnet,
    train_supernet,
)

LABELS = [f"layer_{number}" for number in range(1, 5)]


def small_space() -> SPOS:
    torch.manual_seed(0)
    # Not aligned: candidates that compute the same could not tell one path from another.
    return SPOS(width=0.25, blocks=(1, 1, 1, 1), initialization="published")


@pytest.fixture(scope="module")
def supernet() -> ModelSpace:
    made = as_supernet(small_space())
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training: no two alike
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
    return made.eval()


def images(count: int = 8, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


architectures = st.fixed_dictionaries(
    {label: st.sampled_from(list(CANDIDATES)) for label in LABELS}
)


@settings(max_examples=25, deadline=None)
@given(architecture=architectures)
def test_frozen_subnet_equals_the_path_bit_for_bit(
    supernet: ModelSpace, architecture: dict[str, str]
) -> None:
    activate(supernet, architecture)
    with torch.no_grad():
        assert torch.equal(subnet(supernet, architecture)(images()), supernet(images()))


def test_paths_differ(supernet: ModelSpace) -> None:
    outputs = []
    for name in CANDIDATES:
        activate(supernet, dict.fromkeys(LABELS, name))
        with torch.no_grad():
            outputs.append(supernet(images()))
    assert all(not torch.allclose(outputs[0], other) for other in outputs[1:])


def test_subnet_shares_nothing_with_the_supernet(supernet: ModelSpace) -> None:
    before = {key: value.clone() for key, value in supernet.state_dict().items()}
    network = subnet(supernet, dict.fromkeys(LABELS, "k5"))
    recalibrate(network, [images()])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    after = supernet.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_recalibrated_path_equals_the_recalibrated_subnet(supernet: ModelSpace) -> None:
    architecture = draw_architecture(supernet, 1)
    batches = [images(16, 1), images(16, 2)]
    before = {key: value.clone() for key, value in supernet.state_dict().items()}
    network = subnet(supernet, architecture)
    recalibrate(network, batches)
    with torch.no_grad(), recalibrated(supernet, architecture, batches) as path:
        assert torch.equal(path(images()), network(images()))
    after = supernet.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_statistics_come_back_after_an_error(supernet: ModelSpace) -> None:
    before = {key: value.clone() for key, value in supernet.state_dict().items()}
    with (
        pytest.raises(ZeroDivisionError),
        recalibrated(supernet, dict.fromkeys(LABELS, "k3"), [images()]),
    ):
        raise ZeroDivisionError
    after = supernet.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_recalibration_gives_the_mean_and_variance_of_the_images() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3))
    recalibrate(network, [images(32, 1), images(32, 2)])
    both = torch.cat([images(32, 1), images(32, 2)])
    norm = network[0]
    torch.testing.assert_close(norm.running_mean, both.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, both.var((0, 2, 3)), rtol=1e-3, atol=0)
    assert norm.momentum == 0.1
    assert not norm.training


def test_draws_are_a_function_of_the_stream() -> None:
    space = small_space()
    torch.manual_seed(1)
    first = [draw_architecture(space, 5, step) for step in range(40)]
    torch.manual_seed(2)
    assert [draw_architecture(space, 5, step) for step in range(40)] == first
    assert [draw_architecture(space, 6, step) for step in range(40)] != first


def test_draws_are_uniform() -> None:
    space = small_space()
    drawn = [draw_architecture(space, 0, step) for step in range(400)]
    for label in LABELS:
        counts = [sum(path[label] == name for path in drawn) for name in CANDIDATES]
        # Four cells of a fair draw of 400: five standard deviations either way.
        assert all(100 - 44 < count < 100 + 44 for count in counts)


def test_supernets_are_saved_and_loaded(supernet: ModelSpace, tmp_path: Path) -> None:
    path = tmp_path / "supernet.ckpt"
    save_supernets(path, {"a": supernet.state_dict(), "b": small_space().state_dict()}, {"x": 1})
    loaded = load_supernet(path, "a", small_space()).eval()
    architecture = draw_architecture(supernet, 9)
    activate(supernet, architecture)
    activate(loaded, architecture)
    with torch.no_grad():
        assert torch.equal(loaded(images()), supernet(images()))
    with pytest.raises(SpaceError, match="holds no supernet 'c'; it holds a, b"):
        load_supernet(path, "c", small_space())
    with pytest.raises(SpaceError, match="is of another space"):
        load_supernet(path, "a", SPOS(width=0.5, blocks=(1, 1, 1, 1)))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SpaceError, match="not a readable supernet checkpoint"):
        load_supernet(path, "a", small_space())


def toy_data() -> DeviceImages:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return DeviceImages(pixels, torch.arange(40) % 10)


class StopAt(SupernetModule):
    """Breaks the training off at a batch."""

    stop = 10**9

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        if batch_idx == self.stop:
            raise ConnectionError
        return super().training_step(batch, batch_idx)


def train(
    folder: Path, stop: int = 10**9, accumulate: int = 1, ema: float = 0.0
) -> dict[str, Tensor]:
    torch.manual_seed(0)
    space = small_space()
    module = StopAt(Recipe(shift=1), 8, seed=3)
    module.stop = stop
    loader = ShuffledBatches(toy_data(), 16, 8 * accumulate, seed=4)
    trained = train_supernet(
        space, module, loader, path_of=lambda batch: draw_architecture(space, 5, batch),
        folder=folder, accumulate=accumulate,
        callbacks=averaging(ema), checkpoint_seconds=0.0, accelerator="cpu", devices=1,
    )  # fmt: skip
    return trained.state_dict()


@pytest.mark.parametrize(("accumulate", "ema"), [(1, 0.0), (2, 0.0), (2, 0.5)])
def test_training_broken_off_ends_in_the_same_weights(
    tmp_path: Path, accumulate: int, ema: float
) -> None:
    whole = train(tmp_path / "whole", accumulate=accumulate, ema=ema)
    with pytest.raises(ConnectionError):
        train(tmp_path / "broken", stop=5, accumulate=accumulate, ema=ema)
    assert (tmp_path / "broken" / "training.ckpt").exists()
    continued = train(tmp_path / "broken", accumulate=accumulate, ema=ema)
    assert all(torch.equal(value, continued[key]) for key, value in whole.items())


def test_the_average_lags_behind_the_weights(tmp_path: Path) -> None:
    start = as_supernet(small_space()).state_dict()
    last, average = train(tmp_path / "last"), train(tmp_path / "average", ema=0.9)
    key = "classifier.0.weight"
    moved = (last[key] - start[key]).norm()
    assert 0 < (average[key] - start[key]).norm() < 0.8 * moved


def test_training_moves_only_what_a_path_can_reach(tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = small_space().state_dict()
    after = train(tmp_path)
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    for label in range(4):
        for name in CANDIDATES:
            prefix = f"features.{label}.{name}."
            drawn = any(
                draw_architecture(small_space(), 5, batch)[f"layer_{label + 1}"] == name
                for batch in range(8)
            )
            assert any(key.startswith(prefix) for key in moved) == drawn


def test_nothing_is_written_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    train(tmp_path / "out")
    assert list(home.rglob("*")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out"]
