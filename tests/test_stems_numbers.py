"""NeuRN over the whole range of float32, against numpy's deviations in float64."""

import numpy as np
import pytest
import torch
from drawn import images
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nasneurn.stems import NeuRN, neurn
from nasneurn.stems.moments import deviations, respond

PADS = {"reflect": "reflect", "zero": "constant", "replicate": "edge"}
SCOPES = {"image": (1, 2, 3), "channel": (2, 3), "batch": (0, 1, 2, 3)}
MODES = ("contrast", "reciprocal", "local")


def plain(x, k=3, *, border="reflect", scope="image", mode="contrast", eps=1e-3):
    """The path of plain operations, whatever the tensor."""
    return respond(*deviations(x, k, border), scope, mode, eps)


def scaled(x, exponent):
    return torch.from_numpy(np.ldexp(x.numpy(), exponent))


def oracle(x, k=3, border="reflect", scope="image", mode="contrast", eps=1e-3):
    """Numpy's standard deviation of each patch in float64, where no square leaves the range."""
    r = k // 2
    padded = np.pad(x.double().numpy(), ((0, 0), (0, 0), (r, r), (r, r)), mode=PADS[border])
    patches = np.lib.stride_tricks.sliding_window_view(padded, (k, k), (2, 3))
    sigma = np.where(patches.min((-2, -1)) == patches.max((-2, -1)), 0, patches.std((-2, -1)))
    c = sigma.max(SCOPES[scope], keepdims=True)
    if mode == "local":
        return torch.from_numpy(sigma)
    if mode == "contrast":
        return torch.from_numpy(np.divide(sigma, c, where=c > 0, out=np.zeros_like(sigma)))
    blank = sigma.max((2, 3) if scope == "channel" else (1, 2, 3), keepdims=True) == 0
    return torch.from_numpy(np.where(blank, 0, 1 / (c * sigma + eps)))


@pytest.fixture(params=[neurn, plain], ids=["kernel", "plain"])
def compute(request):
    return request.param


# ---------------------------------------------------------------- the answer


@settings(max_examples=60, deadline=None)
@given(
    exponent=st.integers(-100, 127),
    compute=st.sampled_from((neurn, plain)),
    k=st.sampled_from((3, 5, 9, 15)),
    border=st.sampled_from(tuple(PADS)),
    scope=st.sampled_from(tuple(SCOPES)),
    size=st.tuples(st.integers(8, 40), st.integers(8, 40)),
    seed=st.integers(0, 99),
)
def test_a_power_of_two_changes_no_bit(exponent, compute, k, border, scope, size, seed):
    x = images(2, 3, *size, seed=seed) * 1.99
    x[0, 1] *= 1e-3
    x[1, 2] = 0.3
    other = scaled(x, exponent)
    assume(bool(other.isfinite().all()))
    assert torch.equal(scaled(other, -exponent), x)
    options = {"k": k, "border": border, "scope": scope}
    assert torch.equal(compute(other, **options), compute(x, **options))


@pytest.mark.parametrize("magnitude", [1e-38, 1e-30, 1e-22, 1e-10, 1.0, 1e10, 1e20, 1e30, 3.4e38])
@pytest.mark.parametrize("border", PADS)
@pytest.mark.parametrize("scope", SCOPES)
def test_contrast_at_every_magnitude(compute, magnitude, border, scope):
    x = (2 * images(2, 3, 17, 21) - 1) * magnitude
    x[0, 1] = 0.2 * magnitude
    assert x.isfinite().all()
    for k in (3, 9):
        got = compute(x, k, border=border, scope=scope)
        want = oracle(x, k, border, scope)
        torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=1e-6)


def test_contrast_of_subnormal_images(compute):
    x = torch.randint(0, 1000, (1, 1, 12, 12), generator=torch.Generator().manual_seed(0))
    x = torch.from_numpy(np.ldexp(x.numpy().astype(np.float32), -149))
    assert 0 < x.max() < 1e-41
    torch.testing.assert_close(compute(x).double(), oracle(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("magnitude", [1e-36, 1e-22, 1e-10, 1e10, 1e20, 3e38])
def test_sigma_itself_at_every_magnitude(compute, magnitude):
    x = (2 * images(2, 3, 15, 15) - 1) * magnitude
    got = compute(x, 5, mode="local").double()
    torch.testing.assert_close(got / magnitude, oracle(x, 5, mode="local") / magnitude)


@pytest.mark.parametrize("magnitude", [1e-36, 1e-10, 1e-2, 1e10, 1e18, 1e30])
@pytest.mark.parametrize("scope", SCOPES)
def test_reciprocal_at_every_magnitude(compute, magnitude, scope):
    x = images(2, 3, 15, 15) * magnitude
    x[0, 1] = magnitude
    got = compute(x, scope=scope, mode="reciprocal").double()
    assert got.isfinite().all()
    want = oracle(x, scope=scope, mode="reciprocal")
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1.5e-38)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("mode", MODES)
def test_planes_of_unlike_magnitudes(compute, mode, scope):
    """A bright blank channel hides no faint contrast beside it, nor does a bright image."""
    x = images(3, 3, 12, 12)
    x[0, 0], x[0, 1], x[0, 2] = 1e30, 1e-15 * x[0, 1], 1e-18 * x[0, 2]
    x[1] = 7e37
    x[2, 1] *= 1e-30
    got = compute(x, scope=scope, mode=mode)
    want = oracle(x, scope=scope, mode=mode)
    torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=1.5e-38)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("shade", [1.4e-45, 1e-38, 1e20, 3.4e38, -3.4e38])
def test_blank_images_of_every_magnitude(compute, mode, scope, shade):
    x = torch.full((2, 3, 9, 9), shade, requires_grad=True)
    y = compute(x, 5, scope=scope, mode=mode)
    y.sum().backward()
    assert not y.any()
    assert torch.equal(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize("spoiler", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("magnitude", [1e-30, 1.0, 1e30])
def test_what_is_not_finite_spoils_what_it_touches_alone(compute, spoiler, magnitude):
    clean = images(2, 2, 16, 16) * magnitude
    x = clean.clone()
    x[0, 1, 8, 8] = spoiler
    touched = torch.zeros(2, 2, 16, 16, dtype=torch.bool)
    touched[0, 1, 7:10, 7:10] = True
    sigma = compute(x, mode="local")
    assert not sigma[touched].isfinite().any()
    torch.testing.assert_close(
        sigma[~touched] / magnitude, compute(clean, mode="local")[~touched] / magnitude
    )
    contrast = compute(x)
    assert contrast[touched].isnan().all()
    assert torch.equal(contrast[1], compute(clean)[1])


def test_float64_beyond_the_range_of_float32():
    x = images(1, 2, 9, 9).double()
    for exponent in (-1000, -500, 500, 1000):
        assert torch.equal(neurn(scaled(x, exponent)), neurn(x))


# ---------------------------------------------------------------- the gradient


@pytest.mark.parametrize("magnitude", [1e-30, 1e-20, 1.0, 1e20, 1e30])
@pytest.mark.parametrize(("scope", "mode"), [(s, m) for s in SCOPES for m in ("contrast", "local")])
def test_gradient_at_every_magnitude(compute, magnitude, scope, mode):
    x = images(2, 3, 13, 11) * magnitude
    x[0, 2] = magnitude
    weights = images(2, 3, 13, 11, seed=1) - 0.5
    exact = x.double().requires_grad_()
    (plain(exact, 5, scope=scope, mode=mode) * weights).sum().backward()
    given_ = x.clone().requires_grad_()
    (compute(given_, 5, scope=scope, mode=mode) * weights).sum().backward()
    greatest = exact.grad.abs().max()
    assert given_.grad.isfinite().all()
    assert ((given_.grad - exact.grad).abs().max() / greatest) < 1e-5


def test_gradient_of_reciprocal_at_small_and_great_magnitudes(compute):
    for magnitude in (1e-15, 1e6):
        x = images(2, 3, 13, 11) * magnitude
        exact = x.double().requires_grad_()
        plain(exact, mode="reciprocal").sum().backward()
        given_ = x.clone().requires_grad_()
        compute(given_, mode="reciprocal").sum().backward()
        torch.testing.assert_close(
            given_.grad.double() / exact.grad.abs().max(),
            exact.grad / exact.grad.abs().max(),
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize("magnitude", [1e-20, 1e20, 1e-200, 1e200])
@pytest.mark.parametrize("scope", SCOPES)
def test_gradcheck_at_great_and_small_magnitudes(magnitude, scope):
    x = images(2, 2, 4, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: neurn(x * magnitude, scope=scope), x)


# ---------------------------------------------------------------- exported


@pytest.mark.parametrize("scope", SCOPES)
def test_exported_programs_keep_the_range(scope):
    x = images(2, 3, 8, 8)
    program = torch.export.export(NeuRN(scope=scope), (x,)).module()
    for magnitude in (1e-38, 1e-20, 1.0, 1e20, 3e38):
        got, want = program(x * magnitude), oracle(x * magnitude, scope=scope)
        torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_onnx_keeps_the_range(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    x = images(2, 3, 8, 8)
    program = torch.onnx.export(NeuRN().eval(), (x,), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    for magnitude in (1e-38, 1e-20, 1.0, 1e20, 3e38):
        data = x * magnitude
        (got,) = session.run(None, {session.get_inputs()[0].name: data.numpy()})
        torch.testing.assert_close(
            torch.from_numpy(got).double(), oracle(data), rtol=1e-5, atol=1e-6
        )
