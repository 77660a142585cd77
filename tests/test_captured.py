"""Steps as CUDA graphs: on a GPU, and their order of work on any machine."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from nasneurn.algorithms import ALGORITHMS, ERM
from nasneurn.algorithms.interface import capturable
from nasneurn.algorithms.weight_averages import EMA
from nasneurn.networks import create_network
from nasneurn.progress import meter
from nasneurn.stems import STEMS, create_stem
from nasneurn.training import fit as fitting
from nasneurn.training import module
from nasneurn.training.captured import WARM_UP, CapturedStep
from nasneurn.training.fine_tuning import Body
from nasneurn.training.fit import fit
from nasneurn.training.images import DeviceImages, ShuffledBatches
from nasneurn.training.protocol import Optimization
from search_spaces.checkpointing import TimedCheckpoint

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
OPTIMIZATION = Optimization(1e-2, weight_decay=0.01, schedule="cosine", shift=1)
SGD = replace(OPTIMIZATION, optimizer="sgd")


def images_of(count: int = 64, device: str = "cpu") -> DeviceImages:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=random)
    return DeviceImages(images.to(device), (torch.arange(count) % 10).to(device))


def trained(
    network: nn.Module,
    capture: bool,
    device: str = "cpu",
    algorithm: ERM | None = None,
    *,
    optimization: Optimization = OPTIMIZATION,
    body: Body | None = None,
    steps: int = 12,
    **options: object,
) -> dict[str, Tensor]:
    data = images_of(device=device)
    loader = ShuffledBatches(data, 16, steps, seed=1)
    network = network.to(device).train()
    with meter("test", steps, shown=False) as progress:
        fit(
            network, loader, optimization, algorithm or ERM(), 3, torch.device(device), progress,
            body=body, capture=capture, **options,  # type: ignore[arg-type]
        )  # fmt: skip
    return {name: value.detach().cpu() for name, value in network.state_dict().items()}


def weights_of(network: nn.Module) -> Tensor:
    """All weights in one vector."""
    return torch.cat([weight.detach().cpu().ravel() for weight in network.parameters()])


class RunAgain(CapturedStep):
    """A step that is done again where a graph would be replayed."""

    replays = 0

    def _in_own_stream(self, step: Callable[[], None]) -> None:
        step()

    def _captured(self) -> Callable[[], None]:
        def replay() -> None:
            RunAgain.replays += 1
            with self._rates_on_the_device():
                self._step()

        return replay


@pytest.fixture
def run_again(monkeypatch: pytest.MonkeyPatch) -> type[RunAgain]:
    monkeypatch.setattr(module, "CapturedStep", RunAgain)
    monkeypatch.setattr(fitting, "_can_capture", lambda algorithm, device: capturable(algorithm))
    RunAgain.replays = 0
    return RunAgain


def network_of(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10),
    )  # fmt: skip


def test_steps_of_several_batches_are_not_captured(run_again: type[RunAgain]) -> None:
    trained(network_of(), capture=True, accumulate_grad_batches=2)
    assert run_again.replays == 0


@pytest.mark.parametrize("optimization", [OPTIMIZATION, SGD])
def test_whole_steps_give_the_weights_of_steps_in_parts(
    run_again: type[RunAgain], optimization: Optimization
) -> None:
    plain = trained(network_of(), capture=False, optimization=optimization)
    whole = trained(network_of(), capture=True, optimization=optimization)
    assert run_again.replays == 12 - WARM_UP
    for name, value in plain.items():
        torch.testing.assert_close(whole[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_rates_by_layer_and_averages_follow_whole_steps(run_again: type[RunAgain]) -> None:
    tuned = Optimization(1e-2, head_rate=3.0, layer_decay=0.5)
    found = []
    for capture in (False, True):
        network = network_of()
        algorithm = EMA(decay=0.9)
        body = Body(network, heads=("6",))
        trained(network, capture, algorithm=algorithm, optimization=tuned, body=body)
        found.append({**network.state_dict(), **algorithm.measured(network).state_dict()})
    assert run_again.replays
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-4, atol=1e-6)


def test_whole_steps_go_on_from_a_checkpoint(run_again: type[RunAgain], tmp_path: Path) -> None:
    path = tmp_path / "state.ckpt"
    whole = trained(network_of(), capture=True)
    kept = TimedCheckpoint(path, 0.0)
    trained(network_of(), capture=True, callbacks=[kept], max_steps=7)
    assert path.is_file()
    resumed = trained(network_of(), capture=True, resume_from=path)
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-4, atol=1e-6)


class Branches(nn.Module):
    """Looks at its images on the way."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.mean() > 2 else -x


class Masks(nn.Module):
    """Has as many values on the way as are bright."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x[x > 0.5].mean()


class Gathers(nn.Module):
    """Takes rows by their numbers, which no one waits for."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, torch.arange(2, -1, -1, device=x.device)]


WAITING = (Branches(), Masks())


@pytest.mark.parametrize("waiting", WAITING)
def test_what_waits_for_the_device_is_not_captured(
    run_again: type[RunAgain], waiting: nn.Module
) -> None:
    plain = trained(nn.Sequential(waiting, network_of()), capture=False)
    whole = trained(nn.Sequential(waiting, network_of()), capture=True)
    assert not run_again.replays
    for name, value in plain.items():
        torch.testing.assert_close(whole[name], value, rtol=1e-4, atol=1e-6)


def test_what_does_not_wait_is_captured(run_again: type[RunAgain]) -> None:
    trained(nn.Sequential(Gathers(), network_of()), capture=True)
    assert run_again.replays == 12 - WARM_UP


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "stem"),
    [*product(["lcnet_035"], STEMS), ("resnet18", "neurn"), ("deit_tiny_patch16_224", "neurn")],
)
def test_networks_and_stems_do_not_wait(run_again: type[RunAgain], name: str, stem: str) -> None:
    network = nn.Sequential(create_stem(stem), create_network(name, 10, 32, "fit"))
    trained(network, capture=True, steps=WARM_UP + 1)
    assert run_again.replays == 1


def test_algorithms_say_whether_they_can_be_captured() -> None:
    made = {name: ALGORITHMS.create(name) for name in ALGORITHMS}
    assert {name for name, one in made.items() if capturable(one)} == {"erm", "ema", "swa"}


def test_a_loss_of_ones_own_does_not_inherit_the_word_of_another() -> None:
    class Own(ERM):
        def loss(self, *given: object) -> Tensor:  # type: ignore[override]
            raise NotImplementedError

    class Said(Own):
        capturable = True

        def loss(self, *given: object) -> Tensor:  # type: ignore[override]
            raise NotImplementedError

    assert not capturable(Own())
    assert capturable(Said())

    class OfDomains(Said):
        def loss(self, network, images, labels, criterion, *, domains=None):  # type: ignore[no-untyped-def, override]
            return criterion(network(images), labels)

        capturable = True

    assert not capturable(OfDomains())


# ---------------------------------------------------------------- on a GPU


@on_a_gpu
@pytest.mark.parametrize("name", ["digits_convnet", "lcnet_035", "ghostnet_050"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_graph_trains_as_single_operations_do(
    name: str, precision: str, optimizer: Literal["adamw", "sgd"]
) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    slow, found = Optimization(1e-4, schedule="cosine", optimizer=optimizer), []
    for capture in (False, True):
        torch.manual_seed(0)
        network = create_network(name, 10, 32, "fit")
        before = weights_of(network)
        trained(network, capture, "cuda", optimization=slow, precision=precision)
        found.append(weights_of(network) - before)
    # Where a gradient is zero but for rounding, Adam goes a whole rate at each step, either way: so
    # all weights are judged together. Without any step the difference would be 1.
    assert (found[1] - found[0]).norm() < 0.5 * found[0].norm()


@on_a_gpu
@pytest.mark.parametrize("waiting", WAITING)
def test_what_waits_for_the_gpu_trains_without(waiting: nn.Module) -> None:
    trained(nn.Sequential(waiting, network_of()), capture=True, device="cuda")
