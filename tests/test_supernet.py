"""Supernets: paths, recalibration, files, and the training through NNI."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nni.nas.nn.pytorch import ModelSpace
from pytorch_lightning.callbacks import EMAWeightAveraging
from torch import Tensor, nn

from search_spaces.costs import costs_of, network_cost
from search_spaces.errors import SpaceError
from search_spaces.interface import activate, draw_architecture
from search_spaces.nni_fixes import NNILightningModule
from search_spaces.shufflenet import CANDIDATES
from search_spaces.spos import SPOS
from search_spaces.stem_choice import Stem
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


@settings(max_examples=10, deadline=None)
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


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"layer_2": None}, "has no value for the choice 'layer_2'"),
        ({"layer_2": "k9"}, "layer_2 is 'k9', must be one of 'k3', 'k5', 'k7', 'xcep'"),
        (
            {"layer2": "k3"},
            "names 'layer2', which is no choice of the space; did you mean 'layer_2'",
        ),
        ({"stem": "neurn"}, "names 'stem', which is no choice of the space$"),
    ],
)
def test_what_is_no_architecture_is_refused(
    supernet: ModelSpace, changes: dict[str, str | None], told: str
) -> None:
    changed = dict.fromkeys(LABELS, "k3") | changes
    architecture = {label: value for label, value in changed.items() if value}
    for use in (activate, subnet):
        with pytest.raises(SpaceError, match=told):
            use(supernet, architecture)
    with (
        pytest.raises(SpaceError, match=told),
        recalibrated(supernet, architecture, [images()]),
    ):
        pass


class Standardize(nn.Module):
    """A mean and a deviation that are no weights and are in no file."""

    def __init__(self, mean: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((3, 1, 1), mean), persistent=False)
        self.register_buffer("deviation", torch.full((3, 1, 1), 0.25), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


def stem_named(name: str) -> Stem:
    one = nn.Sequential(nn.Identity(), Standardize(0.5))
    if name == "one":
        return one
    return {"raw": nn.Sequential(nn.Identity(), Standardize(0.0)), "mid": one}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one", "several"])
def test_a_stem_with_statistics_goes_everywhere_with_its_space(name: str, tmp_path: Path) -> None:
    def build() -> SPOS:
        torch.manual_seed(0)
        return SPOS(width=0.25, blocks=(1, 1, 1, 1), stem=stem_named(name))

    supernet = as_supernet(build()).eval()
    file = tmp_path / "it"
    save_supernets(file, {"it": supernet.state_dict()}, None)
    loaded = load_supernet(file, "it", build()).eval()
    path = dict.fromkeys(LABELS, "k3") | ({"stem": "mid"} if name == "several" else {})
    bare = SPOS(width=0.25, blocks=(1, 1, 1, 1))
    state = {key: value for key, value in supernet.state_dict().items() if "stem" not in key}
    bare.load_state_dict(state)
    frozen = bare.freeze(dict.fromkeys(LABELS, "k3")).eval()
    with torch.no_grad():
        expected = frozen((images() - 0.5) / 0.25)
        for each in (supernet, loaded, copy.deepcopy(supernet)):
            activate(each, path)
            assert torch.equal(each(images()), expected)
            assert torch.equal(subnet(each, path)(images()), expected)
            doubled = copy.deepcopy(each).to(torch.float64)
            torch.testing.assert_close(doubled(images().double()).float(), expected)
    costs = costs_of(build, (3, 32, 32))
    assert costs(path) == network_cost(frozen, (3, 32, 32))


def test_an_architecture_without_its_stem_is_refused() -> None:
    supernet = as_supernet(SPOS(width=0.25, blocks=(1, 1, 1, 1), stem=stem_named("several")))
    with pytest.raises(SpaceError, match="has no value for the choice 'stem'"):
        activate(supernet, dict.fromkeys(LABELS, "k3"))


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


class Batches:
    """Labelled noise, the same each time; knows how far it was read."""

    def __init__(self, count: int) -> None:
        self.count, self.next = count, 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while self.next < self.count:
            self.next += 1
            yield images(16, self.next), torch.arange(16) % 10

    def __len__(self) -> int:
        return self.count

    def state_dict(self) -> dict[str, int]:
        return {"next": self.next}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.next = state["next"]


class Classifier(NNILightningModule):
    """Cross-entropy and Adam; breaks the training off at a batch."""

    def __init__(self, stop: int = 10**9) -> None:
        super().__init__()
        self.stop = stop

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        if batch_idx == self.stop:
            raise ConnectionError
        torch.manual_seed(batch_idx)  # dropout
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 1e-3)


def train(
    folder: Path,
    stop: int = 10**9,
    accumulate: int = 1,
    ema: float = 0.0,
    space: SPOS | None = None,
) -> dict[str, Tensor]:
    torch.manual_seed(0)
    space = space or small_space()
    callbacks = [EMAWeightAveraging(decay=ema, use_buffers=False)] if ema else []
    trained = train_supernet(
        space, Classifier(stop), Batches(8 * accumulate),
        path_of=lambda batch: draw_architecture(space, 5, batch), folder=folder,
        accumulate=accumulate, callbacks=callbacks, checkpoint_seconds=0.0, accelerator="cpu",
        devices=1,
    )  # fmt: skip
    return trained.state_dict()


@pytest.mark.slow
def test_the_supernet_stays_on_the_device_of_its_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Lightning's teardown takes the trained module to the CPU: here, as on a GPU, another device.
    expected = train(tmp_path / "usual", space=small_space())

    def go_away(module: nn.Module) -> nn.Module:
        return module.to("meta")

    monkeypatch.setattr(nn.Module, "cpu", go_away)
    monkeypatch.setattr(NNILightningModule, "cpu", go_away)
    space = small_space()
    train(tmp_path / "far", space=space)
    assert {weight.device.type for weight in space.parameters()} == {"cpu"}
    activate(space, draw_architecture(space, 0))
    with torch.no_grad():
        assert space.eval()(images()).isfinite().all()
    assert all(torch.equal(value, space.state_dict()[key]) for key, value in expected.items())


def test_a_path_that_lacks_a_choice_is_not_drawn_at_random(tmp_path: Path) -> None:
    space = small_space()
    with pytest.raises(SpaceError, match="has no value for the choice 'layer_2'"):
        train_supernet(
            space, Classifier(), Batches(2), path_of=lambda batch: {"layer_1": "k3"},
            folder=tmp_path, accelerator="cpu", devices=1,
        )  # fmt: skip


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_average_lags_behind_the_weights(tmp_path: Path) -> None:
    start = as_supernet(small_space()).state_dict()
    last, average = train(tmp_path / "last"), train(tmp_path / "average", ema=0.9)
    key = "classifier.0.weight"
    moved = (last[key] - start[key]).norm()
    assert 0 < (average[key] - start[key]).norm() < 0.8 * moved


@pytest.mark.slow
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
