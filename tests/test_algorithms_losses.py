"""DANN, CORAL, SAM, averages and adversarial images against their formulas, on fixed numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.special import softmax
from torch import nn
from torch.nn import functional as F

from nasneurn.algorithms import Task, create_algorithm
from nasneurn.algorithms.coral import coral_distance
from nasneurn.algorithms.watching import last_linear, logits_and_features
from nasneurn.choices import Choice
from nasneurn.errors import InputError
from nasneurn.networks import create_network
from nasneurn.training.images import DeviceImages


def some_data(count: int = 40, classes: int = 5, size: int = 6) -> DeviceImages:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)
    return DeviceImages(images, torch.arange(count) % classes)


def batch_of(data: DeviceImages, count: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    return data.pixels(np.arange(count)), data.labels[:count]


def two_layers(data: DeviceImages, classes: int = 5) -> nn.Module:
    torch.manual_seed(3)
    width = data.images[0].numel()
    return nn.Sequential(nn.Flatten(), nn.Linear(width, 7), nn.Tanh(), nn.Linear(7, classes))


def slopes(loss: torch.Tensor, network: nn.Module) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, list(network.parameters()), retain_graph=True))


# ---------------------------------------------------------------- features


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits_convnet", "resnet18", "mobilenetv3_small_100", "vgg11"])
def test_features_are_what_the_last_layer_makes_its_answer_of(name: str) -> None:
    torch.manual_seed(0)
    network, images = create_network(name), torch.rand(2, 3, 32, 32)
    before = [(key, value.clone()) for key, value in network.state_dict().items()]
    head = last_linear(network, images, 10)
    assert all(torch.equal(network.state_dict()[key], value) for key, value in before)
    assert all(module.training for module in network.modules())
    network.eval()
    logits, features = logits_and_features(network, head, images)
    torch.testing.assert_close(F.linear(features, head.weight.flatten(1), head.bias), logits)
    assert not head._forward_hooks


def test_a_network_without_a_last_linear_layer_is_told_in_one_line() -> None:
    network = nn.Sequential(nn.Conv2d(3, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(InputError, match="no linear layer of the Sequential gives its 10 logits"):
        last_linear(network, torch.rand(2, 3, 8, 8), 10)


# ---------------------------------------------------------------- CORAL


def test_coral_is_the_distance_of_numpys_covariances() -> None:
    torch.manual_seed(0)
    parts = [torch.randn(n, 4) * (n / 5) for n in (5, 9, 2)]
    first, second, third = (np.cov(part.double().numpy(), rowvar=False) for part in parts)
    pairs = [(first, second), (first, third), (second, third)]
    want = np.mean([np.linalg.norm(a - b, "fro") ** 2 / (4 * 4**2) for a, b in pairs])
    assert coral_distance(parts).item() == pytest.approx(want, rel=1e-5)


def test_a_domain_with_one_image_in_a_batch_has_no_covariance() -> None:
    parts = [torch.randn(5, 4), torch.randn(1, 4)]
    assert coral_distance(parts).item() == 0
    assert coral_distance([torch.randn(1, 4), torch.randn(0, 4)]).item() == 0


@pytest.mark.parametrize("of", ["logits", "features"])
def test_corals_loss_compares_the_sources(of: str) -> None:
    data = some_data()
    network, (images, labels) = two_layers(data), batch_of(data)
    domains = torch.tensor([0, 1, 2] * 4)
    algorithm: Any = create_algorithm("coral", weight=3.0, of=of)
    algorithm.prepare(network, Task(data, 5, sources=3))
    loss = algorithm.loss(network, images, labels, F.cross_entropy, domains=domains)
    values = network(images) if of == "logits" else network[:3](images)
    seen = [values.detach().double().numpy()[domains == one] for one in range(3)]
    covariances = [np.cov(one, rowvar=False) for one in seen]
    size = values.shape[1]
    distances = [
        np.square(covariances[a] - covariances[b]).sum() / (4 * size**2)
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    plain = F.cross_entropy(network(images), labels).item()
    assert loss.item() == pytest.approx(plain + 3 * np.mean(distances), rel=1e-5)


def test_pseudo_domains_are_images_as_they_are_and_augmented() -> None:
    data = some_data()
    network, (images, labels) = two_layers(data), batch_of(data)
    algorithm: Any = create_algorithm("coral", pseudo="fourier")
    algorithm.prepare(network, Task(data, 5, sources=1))
    torch.manual_seed(5)
    augmented: torch.Tensor = create_algorithm("fourier").augment(images)  # type: ignore[attr-defined]
    torch.manual_seed(5)
    loss = algorithm.loss(network, images, labels, F.cross_entropy)
    one, other = network(images), network(augmented)
    tasks = (F.cross_entropy(one, labels) + F.cross_entropy(other, labels)) / 2
    assert loss.item() == pytest.approx((tasks + coral_distance([one, other])).item(), rel=1e-5)


# ---------------------------------------------------------------- DANN


@pytest.mark.parametrize("step", [0, 3, 10])
def test_danns_features_go_up_where_its_discriminator_goes_down(step: int) -> None:
    data = some_data()
    network, (images, labels) = two_layers(data), batch_of(data)
    domains = torch.tensor([0, 1, 2] * 4)
    algorithm: Any = create_algorithm("dann")
    own = algorithm.prepare(network, Task(data, 5, sources=3, steps=10))
    algorithm.after_step(network, step)
    loss = algorithm.loss(network, images, labels, F.cross_entropy, domains=domains)

    told = F.cross_entropy(own(network[:3](images)), domains)
    plain = F.cross_entropy(network(images), labels)
    assert loss.item() == pytest.approx((plain + told).item())
    gain = 2 / (1 + np.exp(-10 * step / 10)) - 1
    assert gain == pytest.approx({0: 0, 3: 0.905148, 10: 0.999909}[step], abs=1e-6)
    wanted = slopes(plain - gain * told, network)
    for got, want in zip(slopes(loss, network), wanted, strict=True):
        torch.testing.assert_close(got, want)
    for got, want in zip(slopes(loss, own), slopes(told, own), strict=True):
        torch.testing.assert_close(got, want)


def test_danns_discriminator_tells_all_domains_apart() -> None:
    data = some_data()
    algorithm: Any = create_algorithm("dann", pseudo="randconv", hidden=9)
    own = algorithm.prepare(two_layers(data), Task(data, 5, sources=2))
    assert own(torch.zeros(1, 7)).shape == (1, 4)
    assert sum(one.numel() for one in own.parameters()) == 7 * 9 + 9 + 9 * 4 + 4


# ---------------------------------------------------------------- SAM


class Quadratic(nn.Module):
    """Gives its weights; with the criterion below the loss is (3 w1^2 + w2^2) / 2."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([1.0, 4.0]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.weights


def test_sam_is_the_gradient_uphill_of_a_quadratic() -> None:
    # By hand: g = (3, 4), |g| = 5, so with rho = 0.5 the weights go to (1.3, 4.4); there the loss
    # is (3 * 1.69 + 19.36) / 2 = 12.215 and the gradient (3.9, 4.4).
    network = Quadratic()
    scale = torch.tensor([3.0, 1.0])
    nothing = torch.zeros(0)
    loss = create_algorithm("sam", rho=0.5).loss(
        network, nothing, nothing, lambda logits, _: (scale * logits.square()).sum() / 2
    )
    assert loss.item() == pytest.approx(12.215)
    loss.backward()
    assert network.weights.grad is not None
    assert network.weights.grad.tolist() == pytest.approx([3.9, 4.4])
    assert network.weights.tolist() == [1.0, 4.0]


def test_sam_keeps_the_batch_statistics_of_the_first_pass() -> None:
    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 5))

    images, labels = batch_of(some_data())
    plain, sam = network(), network()
    plain(images)
    create_algorithm("sam").loss(sam, images, labels, F.cross_entropy).backward()
    for name, buffer in plain.named_buffers():
        assert torch.equal(buffer, dict(sam.named_buffers())[name])


# ---------------------------------------------------------------- averages


def walked(name: str, steps: int, **options: Any) -> tuple[list[npt.NDArray[Any]], Any]:
    """Weights along a random walk, and what is measured after it."""
    network = nn.Linear(3, 2)
    algorithm: Any = create_algorithm(name, **options)
    algorithm.prepare(network, Task(some_data(), 5, steps=steps))
    torch.manual_seed(0)
    weights = []
    for step in range(1, steps + 1):
        with torch.no_grad():
            network.weight.add_(torch.randn_like(network.weight))
        algorithm.after_step(network, step)
        weights.append(network.weight.detach().double().numpy().copy())
    return weights, algorithm.measured(network).weight.detach().numpy()


def test_the_moving_average_is_that_of_a_loop() -> None:
    weights, got = walked("ema", 20, decay=0.9)
    average = np.zeros_like(weights[0])
    for step, weight in enumerate(weights):
        share = min(1 - 1 / (step + 1), 0.9)
        average = share * average + (1 - share) * weight
    np.testing.assert_allclose(got, average, rtol=1e-5, atol=1e-6)


def test_the_plain_mean_is_that_of_the_last_part() -> None:
    weights, got = walked("swa", 20, start=0.25)
    np.testing.assert_allclose(got, np.mean(weights[5:], axis=0), rtol=1e-5, atol=1e-6)


def test_before_its_start_the_network_itself_is_measured() -> None:
    network = nn.Linear(3, 2)
    algorithm: Any = create_algorithm("swa", start=0.5)
    algorithm.prepare(network, Task(some_data(), 5, steps=10))
    algorithm.after_step(network, 5)
    assert algorithm.measured(network) is network
    algorithm.after_step(network, 6)
    assert algorithm.measured(network) is not network


# ---------------------------------------------------------------- adversarial images


@pytest.mark.parametrize("entropy", [0.0, 10.0])
def test_images_go_up_as_those_of_a_linear_model_by_hand(entropy: float) -> None:
    data = some_data()
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(108, 5))
    options = {"ascent": 4, "rate": 20.0, "gamma": 2.0, "entropy": entropy}
    algorithm: Any = create_algorithm("me_ada", **options)
    algorithm.prepare(network, Task(data, 5))
    images, labels = batch_of(data)
    got = algorithm.ascended(network, images, labels).flatten(1).numpy()

    w = network[1].weight.detach().double().numpy()
    b = network[1].bias.detach().double().numpy()
    start = images.flatten(1).double().numpy()
    x = start.copy()
    for _ in range(4):
        p = softmax(x @ w.T + b, axis=1)
        slope = (p - np.eye(5)[labels]) @ w - 2.0 * 2 * (x - start) / 108
        h = -(p * np.log(p)).sum(1, keepdims=True)
        slope += entropy * (-p * (np.log(p) + h)) @ w
        x = x + 20 / 32 * slope
    np.testing.assert_allclose(got, x.clip(0, 1), atol=1e-5)
    assert np.abs(got - start).max() > 0.01


def test_images_are_made_in_phases_and_join_the_others() -> None:
    data = some_data()
    network = two_layers(data)
    algorithm: Any = create_algorithm("ada", every=3, phases=2, ascent=1)
    own = algorithm.prepare(network, Task(data, 5))
    sizes = []
    for step in range(12):
        algorithm.before_step(network, step)
        sizes.append(len(own))
    assert sizes == [0] * 3 + [40] * 3 + [80] * 6
    assert all(module.training for module in network.modules())

    seen: list[torch.Tensor] = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images, labels = batch_of(data, 40)
    torch.manual_seed(0)
    for _ in range(50):
        algorithm.loss(network, images, labels, F.cross_entropy)
    replaced = [(one != images).flatten(1).any(1).float().mean().item() for one in seen]
    assert np.mean(replaced) == pytest.approx(80 / 120, abs=0.03)
    assert torch.equal(images, batch_of(data, 40)[0])


def test_what_was_made_is_in_the_state() -> None:
    data = some_data()
    network = two_layers(data)
    one, other = (create_algorithm("ada", every=1, ascent=1) for _ in range(2))
    own, others = (a.prepare(network, Task(data, 5)) for a in (one, other))  # type: ignore[attr-defined]
    one.before_step(network, 1)  # type: ignore[attr-defined]
    others.load_state_dict(own.state_dict())
    for first, second in zip(
        own.chosen(torch.arange(40)), others.chosen(torch.arange(40)), strict=True
    ):
        assert torch.equal(first, second)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dann:pseudo=blur", "pseudo is 'blur', must be one of randconv"),
        ("dann:pseudo=randcon", "did you mean 'randconv'"),
        ("dann:weight=0", "weight is 0; it must be above 0"),
        ("dann:hidden=0.5", "hidden is 0.5"),
        ("dann:slope=-1", "slope is -1"),
        ("coral:of=pixels", "of is 'pixels', must be one of logits, features"),
        ("coral:weight=-1", "weight is -1"),
        ("sam:rho=0", "rho is 0; it must be above 0"),
        ("ema:decay=1", "decay is 1; it must be above 0 and below 1"),
        ("swa:start=1", "start is 1; it must be 0 or more and below 1"),
        ("ada:phases=0", "phases is 0"),
        ("ada:every=2.5", "every is 2.5; it must be a whole number from 1 up"),
        ("ada:ascent=0", "ascent is 0"),
        ("ada:rate=0", "rate is 0"),
        ("me_ada:entropy=-1", "entropy is -1"),
    ],
)
def test_options_out_of_range_are_told_in_one_line(name: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        create_algorithm(str(Choice.parse(name)))
    assert told in str(error.value)
    assert "\n" not in str(error.value)
