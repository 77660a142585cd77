"""Augmenting algorithms against independent statements of their formulas, on fixed numbers."""

import math

import numpy as np
import pytest
import torch
from drawn import images
from scipy.signal import correlate2d
from scipy.special import rel_entr, softmax
from torch import nn
from torch.nn import functional as F
from torchvision.ops import deform_conv2d
from torchvision.transforms import v2

from nasneurn.algorithms import create_algorithm
from nasneurn.algorithms.divergence import jensen_shannon
from nasneurn.algorithms.mixstyle import mixed
from nasneurn.algorithms.pro_randconv import Taps, smooth_fields, smoothed_kernel, standardized
from nasneurn.algorithms.randconv import RandConv, random_kernel
from nasneurn.errors import InputError


def linear(classes: int = 5, size: int = 12) -> nn.Module:
    torch.manual_seed(9)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * size * size, classes))


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    shares = softmax(logits.detach().double().numpy(), axis=1)
    return float(-np.log(shares[np.arange(len(labels)), labels.numpy()]).mean())


def divergence(logits: list[torch.Tensor]) -> float:
    shares = [softmax(one.detach().double().numpy(), axis=1) for one in logits]
    mixture = sum(shares) / len(shares)
    return float(np.mean([rel_entr(one, mixture).sum(1).mean() for one in shares]))


def test_the_jensen_shannon_divergence_is_that_of_scipy() -> None:
    torch.manual_seed(0)
    logits = [3 * torch.randn(7, 4) for _ in range(3)]
    assert float(jensen_shannon(logits)) == pytest.approx(divergence(logits), rel=1e-5)
    assert float(jensen_shannon([logits[0]] * 3)) == pytest.approx(0, abs=1e-6)


# ---------------------------------------------------------------- RandConv


class GivenKernels:
    """What RandConv draws, told apart."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.drawn: list[np.ndarray] = []

        def kernel(channels: int, size: int, side: int) -> torch.Tensor:
            made = random_kernel(channels, size, side)
            edge = (side - size) // 2
            self.drawn.append(made[:, :, edge : side - edge, edge : side - edge].double().numpy())
            return made

        monkeypatch.setattr("nasneurn.algorithms.randconv.random_kernel", kernel)


def test_randconv_mixes_each_draw_with_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = GivenKernels(monkeypatch)
    shares = [0.25, 0.5, 0.9]
    monkeypatch.setattr(RandConv, "_shares", lambda self, count: shares[:count])
    x = images(2, 3, 12, 12)
    torch.manual_seed(4)
    draws = RandConv().draws(x, 3)
    assert len({kernel.shape[-1] for kernel in kernels.drawn}) > 1
    for draw, kernel, share in zip(draws, kernels.drawn, shares, strict=True):
        for image, got in zip(2 * x.double().numpy() - 1, draw, strict=True):
            for channel in range(3):
                planes = zip(image, kernel[channel], strict=True)
                convolved = sum(correlate2d(plane, w, mode="same") for plane, w in planes)
                want = (share * image[channel] + (1 - share) * convolved + 1) / 2
                np.testing.assert_allclose(got[channel], want, atol=1e-5)


def test_randconv_draws_kernels_as_in_the_paper() -> None:
    torch.manual_seed(0)
    for size in (1, 3, 5, 7):
        draws = torch.stack([random_kernel(3, size, 7) for _ in range(400)])
        edge = (7 - size) // 2
        inside = draws[..., edge : 7 - edge, edge : 7 - edge]
        assert inside.std().item() == pytest.approx((3 * size**2) ** -0.5, rel=0.05)
        assert draws.count_nonzero() == inside.count_nonzero()


def test_randconvs_loss_is_that_of_the_first_draw_and_the_divergence_of_three() -> None:
    network, x, y = linear(), images(6, 3, 12, 12), torch.arange(6) % 5
    torch.manual_seed(1)
    draws = RandConv().draws(x, 3)
    answers = [network(draw) for draw in draws]
    torch.manual_seed(1)
    loss = create_algorithm("randconv").loss(network, x, y, F.cross_entropy)
    assert loss.item() == pytest.approx(cross_entropy(answers[0], y) + 10 * divergence(answers))
    torch.manual_seed(1)
    (draw,) = RandConv().draws(x, 1)
    torch.manual_seed(1)
    loss = create_algorithm("randconv", consistency=0).loss(network, x, y, F.cross_entropy)
    assert loss.item() == pytest.approx(cross_entropy(network(draw), y))


@pytest.mark.parametrize(("chained", "powers"), [(False, (2, 2, 2)), (True, (2, 4, 4))])
def test_in_the_authors_code_further_draws_are_of_the_first(
    chained: bool, powers: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    doubling = 2 * torch.eye(3).reshape(3, 3, 1, 1)
    monkeypatch.setattr("nasneurn.algorithms.randconv.random_kernel", lambda *_: doubling)
    monkeypatch.setattr(RandConv, "_shares", lambda self, count: [0.0] * count)
    x, seen = images(6, 3, 12, 12), []
    network = linear()
    network.register_forward_pre_hook(lambda module, given: seen.append(2 * given[0] - 1))
    algorithm = RandConv(kernel_sizes=[1], chained=chained)
    algorithm.loss(network, x, torch.arange(6) % 5, F.cross_entropy)
    for power, given in zip(powers, seen, strict=True):
        torch.testing.assert_close(given, power * (2 * x - 1), atol=1e-5, rtol=1e-5)


def test_without_mixing_half_of_the_batches_stay_as_they_are() -> None:
    x = images(2, 3, 8, 8)
    torch.manual_seed(0)
    algorithm = RandConv(mix=False)
    same = [torch.allclose(algorithm.augment(x), x, atol=1e-6) for _ in range(400)]
    assert 160 < sum(same) < 240


# ---------------------------------------------------------------- Pro-RandConv


def in_rows(images: torch.Tensor) -> torch.Tensor:
    return images.permute(2, 3, 0, 1).reshape(images.shape[2] * images.shape[3], -1)


@pytest.mark.parametrize("scale", [0.0, 0.2, 3.0])
def test_the_deformable_convolution_is_that_of_torchvision(scale: float) -> None:
    torch.manual_seed(0)
    x, offsets = torch.randn(4, 3, 9, 13), scale * torch.randn(18, 9, 13)
    kernel = torch.randn(3, 3, 3, 3)
    want = deform_conv2d(x, offsets.expand(4, -1, -1, -1), kernel, padding=1)
    got = Taps(offsets).convolved(in_rows(x), kernel)
    torch.testing.assert_close(got, in_rows(want), rtol=1e-4, atol=1e-4)


def test_pro_randconv_applies_one_block_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    offsets, kernel = 0.2 * torch.randn(18, 8, 8), torch.randn(3, 3, 3, 3)
    algorithm = create_algorithm("pro_randconv", most=4)
    monkeypatch.setattr(type(algorithm), "_offsets", lambda *_: offsets)
    monkeypatch.setattr("nasneurn.algorithms.pro_randconv.smoothed_kernel", lambda _: kernel)
    x = images(2, 3, 8, 8)
    for seed in range(5):
        torch.manual_seed(seed)
        times = int(torch.randint(1, 5, ()))
        gain, shift = 0.5 * torch.randn(2, 3, 1)
        values = 2 * x - 1
        for _ in range(times):
            values = deform_conv2d(values, offsets.expand(2, -1, -1, -1), kernel, padding=1)
            values = torch.tanh(F.instance_norm(values, weight=gain[:, 0], bias=shift[:, 0]))
        torch.manual_seed(seed)
        torch.testing.assert_close(algorithm.augment(x), (values + 1) / 2, rtol=1e-4, atol=1e-5)


def test_pro_randconvs_draws_have_the_papers_distributions() -> None:
    torch.manual_seed(0)
    kernels = torch.stack([smoothed_kernel(3) for _ in range(3000)])
    # The middle is not smoothed; a corner by exp(-1 / s^2), s from U(0, 1).
    assert kernels[..., 1, 1].std().item() == pytest.approx(27**-0.5, rel=0.03)
    uniform = (np.arange(100_000) + 0.5) / 100_000
    want = math.sqrt(np.exp(-2 / uniform**2).mean() / 27)
    assert kernels[..., 0, 0].std().item() == pytest.approx(want, rel=0.15)
    fields = smooth_fields(500, 16, 16)
    assert fields.std((1, 2)).numpy() == pytest.approx(np.ones(500), rel=1e-4)
    assert fields.mean((1, 2)).abs().max() < 1e-5
    power = np.abs(np.fft.fft2(fields.double().numpy())) ** 2
    # |k|^-5 in amplitude is |k|^-10 in power; of one field the scale is random, ratios are not.
    ratios = np.median(power[:, 1, 0] / power[:, 2, 0])
    assert ratios == pytest.approx(2**10, rel=0.25)


def test_pro_randconvs_offsets_are_as_wide_as_they_are_named() -> None:
    torch.manual_seed(0)
    algorithm = create_algorithm("pro_randconv", offset=0.5)
    scales = torch.stack([algorithm._offsets(8, 8).std((1, 2)) for _ in range(2000)])
    # scale = d |N(0, 1)|, d from U(0, 0.5): the mean of its square is 0.25 / 3.
    assert scales.square().mean().item() == pytest.approx(0.25 / 3, rel=0.1)
    plain = create_algorithm("pro_randconv", offset=0)._offsets(8, 8)
    assert not plain.any()


def test_standardized_is_instance_norm() -> None:
    x = torch.randn(2, 3, 5, 6)
    want = in_rows(F.instance_norm(x)).view(30, 2, 3)
    torch.testing.assert_close(standardized(in_rows(x).view(30, 2, 3)), want)


# ---------------------------------------------------------------- Fourier


@pytest.mark.parametrize("size", [12, 13])
def test_amplitudes_are_mixed_as_by_numpys_transform(size: int) -> None:
    x = images(5, 3, size, size)
    algorithm = create_algorithm("fourier", strength=0.7)
    torch.manual_seed(2)
    others, shares = torch.randperm(5).numpy(), 0.7 * torch.rand(5, 1, 1, 1).double().numpy()
    torch.manual_seed(2)
    got = algorithm.augment(x).numpy()
    spectrum = np.fft.fft2(x.double().numpy())
    amplitude = np.abs(spectrum)
    mixture = (1 - shares) * amplitude + shares * amplitude[others]
    want = np.fft.ifft2(mixture * np.exp(1j * np.angle(spectrum)))
    np.testing.assert_allclose(want.imag, 0, atol=1e-12)
    np.testing.assert_allclose(got, want.real.clip(0, 1), atol=1e-5)


@pytest.mark.parametrize("name", ["pro_randconv", "fourier"])
def test_the_loss_is_of_images_as_they_are_and_augmented(name: str) -> None:
    network, x, y = linear(), images(6, 3, 12, 12), torch.arange(6) % 5
    algorithm = create_algorithm(name)
    torch.manual_seed(1)
    augmented = algorithm.augment(x)
    torch.manual_seed(1)
    loss = algorithm.loss(network, x, y, F.cross_entropy).item()
    both = cross_entropy(network(x), y) + cross_entropy(network(augmented), y)
    assert loss == pytest.approx(both / 2)


# ---------------------------------------------------------------- MixStyle


def test_mixstyle_gives_maps_the_mixed_statistics() -> None:
    torch.manual_seed(0)
    maps, others = torch.randn(4, 2, 5, 6) * 3 + 1, torch.tensor([2, 0, 3, 1])
    shares = torch.rand(4, 1, 1, 1)
    got = mixed(maps, others, shares).numpy()
    x = maps.numpy().astype(float)
    for n in range(4):
        for c in range(2):
            own, other, s = x[n, c], x[others[n], c], float(shares[n])
            deviation = np.sqrt(own.var(ddof=1) + 1e-6)
            scale = s * deviation + (1 - s) * np.sqrt(other.var(ddof=1) + 1e-6)
            middle = s * own.mean() + (1 - s) * other.mean()
            np.testing.assert_allclose(
                got[n, c], scale * (own - own.mean()) / deviation + middle, rtol=1e-4, atol=1e-4
            )


def test_mixstyles_statistics_carry_no_gradient() -> None:
    maps = torch.randn(2, 1, 3, 3, requires_grad=True)
    mixed(maps, torch.tensor([1, 0]), torch.full((2, 1, 1, 1), 0.3)).sum().backward()
    deviations = (maps.detach().var((2, 3)) + 1e-6).sqrt().flatten()
    wanted = 0.3 + 0.7 * deviations.flip(0) / deviations
    torch.testing.assert_close(maps.grad, wanted.view(2, 1, 1, 1).expand(2, 1, 3, 3))


# ---------------------------------------------------------------- AugMix and torchvision's


def test_augmix_is_that_of_torchvision_and_its_loss_that_of_the_paper() -> None:
    network, x, y = linear(), (images(6, 3, 12, 12) * 255).round() / 255, torch.arange(6) % 5
    nearest = v2.InterpolationMode.NEAREST
    mixture = v2.AugMix(severity=3, mixture_width=3, all_ops=False, interpolation=nearest)
    torch.manual_seed(1)
    as_bytes = (x * 255).round().to(torch.uint8)
    views = [torch.stack([mixture(one) for one in as_bytes]) / 255 for _ in range(2)]
    answers = [network(one) for one in (x, *views)]
    torch.manual_seed(1)
    loss = create_algorithm("augmix").loss(network, x, y, F.cross_entropy).item()
    want = cross_entropy(answers[0], y) + 12 * divergence(answers)
    assert loss == pytest.approx(want, rel=1e-4)
    torch.manual_seed(1)
    with pytest.raises(InputError, match="all_ops is 'nope'; it must be true or false"):
        create_algorithm("augmix:all_ops=nope")
    loss = create_algorithm("augmix", consistency=0).loss(network, x, y, F.cross_entropy).item()
    assert loss == pytest.approx(cross_entropy(answers[1], y), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "transform"),
    [
        ("trivial_augment", v2.TrivialAugmentWide()),
        ("rand_augment", v2.RandAugment(2, 9)),
        ("rand_augment:operations=3,magnitude=20", v2.RandAugment(3, 20)),
    ],
)
def test_each_image_is_augmented_by_torchvision(name: str, transform: v2.Transform) -> None:
    as_bytes = (images(6, 3, 12, 12) * 255).round().to(torch.uint8)
    network, y = linear(), torch.arange(6) % 5
    torch.manual_seed(1)
    want = torch.stack([transform(one) for one in as_bytes])
    torch.manual_seed(1)
    got = create_algorithm(name).augment(as_bytes / 255)
    torch.testing.assert_close(got, want / 255)
    torch.manual_seed(1)
    loss = create_algorithm(name).loss(network, as_bytes / 255, y, F.cross_entropy).item()
    assert loss == pytest.approx(cross_entropy(network(want / 255), y))


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("randconv:kernel_sizes=[]", "kernel_sizes is"),
        ("randconv:kernel_sizes=[1,2]", "kernel size is 2"),
        ("randconv:mix=3", "mix is 3"),
        ("randconv:chained=2", "chained is 2"),
        ("randconv:consistency=-1", "consistency is -1; it must be 0 or more"),
        ("pro_randconv:most=0", "most is 0; it must be a whole number from 1 up"),
        ("pro_randconv:offset=-0.1", "offset is -0.1"),
        ("pro_randconv:contrast=0", "contrast is 0; it must be above 0"),
        ("mixstyle:probability=1.5", "probability is 1.5; it must be 0 to 1"),
        ("mixstyle:alpha=0", "alpha is 0"),
        ("mixstyle:stages=0", "stages is 0"),
        ("fourier:strength=2", "strength is 2; it must be above 0 and at most 1"),
        ("augmix:severity=11", "severity is 11; it must be 1 to 10"),
        ("augmix:depth=0", "depth is 0"),
        ("augmix:consistency=.nan", "must hold finite numbers"),
        ("rand_augment:magnitude=31", "magnitude is 31; it must be 0 to 30"),
    ],
)
def test_options_out_of_range_are_told_in_one_line(name: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        create_algorithm(name)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("gap", [50.0, 100.0, 200.0, 1e4])
def test_the_divergence_has_a_gradient_however_sure_the_answers_are(gap: float) -> None:
    sure = torch.tensor([[gap, 0.0, -gap]], requires_grad=True)
    other = torch.tensor([[0.0, gap, -gap]], requires_grad=True)
    jensen_shannon([sure, other]).backward()
    assert sure.grad is not None
    assert torch.isfinite(sure.grad).all()
    exact = [one.detach().double().requires_grad_() for one in (sure, other)]
    jensen_shannon(exact).backward()
    assert exact[0].grad is not None
    torch.testing.assert_close(sure.grad.double(), exact[0].grad, rtol=1e-4, atol=1e-6)
