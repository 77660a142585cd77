"""NeuRN against a two-pass oracle that scipy computes, and its invariances."""

import io

import numpy as np
import pytest
import scipy.ndimage
import torch
from drawn import images
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import nasneurn
from nasneurn.errors import InputError
from nasneurn.stems import NeuRN, create_stem, neurn
from nasneurn.stems.moments import deviations, respond

BORDERS = {"reflect": "mirror", "zero": "constant", "replicate": "nearest"}
SCOPES = {"image": (1, 2, 3), "channel": (2, 3), "batch": (0, 1, 2, 3)}
MODES = ("contrast", "reciprocal", "local")
HALVES = {torch.float16: 1e-3, torch.bfloat16: 8e-3}


def oracle(x, k=3, border="reflect", scope="image", mode="contrast", eps=1e-3):
    """Two passes per patch, in float64, by numpy's own standard deviation."""
    x = x.detach().double().numpy()
    sigma = np.zeros_like(x)
    for n, c in np.ndindex(x.shape[:2]):
        sigma[n, c] = scipy.ndimage.generic_filter(x[n, c], np.std, k, mode=BORDERS[border])
    sigma[sigma < 1e-12] = 0
    if mode == "local":
        return torch.from_numpy(sigma)
    c = sigma.max(SCOPES[scope], keepdims=True)
    if mode == "contrast":
        return torch.from_numpy(np.divide(sigma, c, where=c > 0, out=np.zeros_like(sigma)))
    blank = sigma.max((2, 3) if scope == "channel" else (1, 2, 3), keepdims=True) == 0
    return torch.from_numpy(np.where(blank, 0, 1 / (c * sigma + eps)))


# ---------------------------------------------------------------- NeuRN's values


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("border", BORDERS)
def test_agrees_with_the_oracle(border, scope, mode, dtype):
    x = images(2, 3, 11, 14, dtype=dtype)
    x[0, 1] = 0
    rtol = {torch.float64: 1e-9, torch.float32: 5e-6}[dtype]
    for k in (3, 5, 9):
        got = neurn(x, k, border=border, scope=scope, mode=mode)
        assert got.dtype == dtype
        want = oracle(x, k, border, scope, mode)
        torch.testing.assert_close(got.double(), want, rtol=rtol, atol=1e-7)


def test_by_hand():
    x = torch.tensor([[0.0, 0, 0], [0, 9, 0], [0, 0, 0]]).view(1, 1, 3, 3)
    sigma = neurn(x, mode="local")[0, 0]
    # One nine among nine values: mean 1, variance (64 + 8) / 9 = 8.
    assert sigma[1, 1].item() == pytest.approx(8**0.5)
    # Reflected at the corner, four nines among nine values.
    assert sigma[0, 0].item() == pytest.approx(9 * (4 / 9 * 5 / 9) ** 0.5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("shade", [0.0, 0.3, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_blank_images_give_zeros_and_zero_gradients(mode, scope, shade, dtype):
    x = torch.full((2, 3, 9, 9), shade, dtype=dtype, requires_grad=True)
    y = neurn(x, 5, scope=scope, mode=mode)
    assert torch.equal(y, torch.zeros_like(y))
    y.sum().backward()
    assert torch.equal(x.grad, torch.zeros_like(x))
    assert not neurn(x.detach(), 5, scope=scope, mode=mode).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_blank_image_in_a_batch(mode, scope, dtype):
    x = images(3, 2, 8, 8, dtype=dtype)
    x[1] = 0.7
    x.requires_grad_()
    y = neurn(x, scope=scope, mode=mode)
    y.square().sum().backward()
    assert not y[1].any()
    assert not x.grad[1].any()
    assert y[0].any()
    assert y.isfinite().all()
    assert x.grad.isfinite().all()
    assert torch.equal(neurn(x.detach(), scope=scope, mode=mode)[1], torch.zeros_like(x[1]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_flat_patches_are_exactly_zero(dtype):
    x = torch.full((1, 1, 12, 30), 1 / 3, dtype=dtype)
    x[..., 20:] = 0.1
    sigma = neurn(x, 7, mode="local")
    assert not sigma[..., :17].any()
    assert not sigma[..., 23:].any()
    assert sigma[..., 17:23].all()


@pytest.mark.parametrize("k", [3, 15])
def test_faint_contrast_on_a_bright_image(k):
    noise = images(1, 2, 24, 24, dtype=torch.float64)
    x = (noise + 1e6).float()  # rounded to sixteenths: that is the image
    want = oracle(x, k)
    torch.testing.assert_close(neurn(x, k).double(), want, rtol=1e-5, atol=1e-7)
    plain = deviations(x, k, "reflect")[0]
    torch.testing.assert_close((plain / plain.max()).double(), want, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("scale", [1.0, 1e-3, 100.0])
def test_half_precision_within_its_rounding(dtype, scale):
    x = (images(2, 3, 16, 16) * scale + scale).to(dtype)
    y = neurn(x)
    assert y.dtype == dtype
    torch.testing.assert_close(y.double(), oracle(x), rtol=HALVES[dtype], atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_autocast_changes_nothing(dtype):
    x = images(2, 3, 16, 16, dtype=dtype)
    expected = neurn(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = neurn(x)
        plain = respond(*deviations(x.double(), 3, "reflect"), "image", "contrast", 1e-3)
    assert y.dtype == dtype
    assert torch.equal(y, expected)
    torch.testing.assert_close(plain, oracle(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (2, 0, 8, 8)])
def test_empty_batches(border, scope, mode, shape):
    x = torch.zeros(shape, requires_grad=True)
    y = neurn(x, border=border, scope=scope, mode=mode)
    assert y.shape == shape
    y.sum().backward()
    assert x.grad.shape == shape


@settings(max_examples=40, deadline=None)
@given(
    st.floats(1e-3, 1e3),
    st.sampled_from((1, -1)),
    st.floats(-5, 5),
    st.sampled_from(("image", "channel", "batch")),
    st.sampled_from((3, 5, 9)),
    st.integers(0, 99),
)
def test_affine_invariance(a, sign, b, scope, k, seed):
    x = images(2, 3, 12, 10, seed=seed, dtype=torch.float64)
    y = neurn(sign * a * (x + b), k, scope=scope)
    torch.testing.assert_close(y, neurn(x, k, scope=scope), rtol=1e-7, atol=1e-9)
    assert y.min() >= 0
    assert y.max() == 1


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(3)), st.permutations(range(4)), st.sampled_from(list(SCOPES)))
def test_order_of_channels_and_images_is_kept(channels, batch, scope):
    x = images(4, 3, 9, 9)
    y = neurn(x, scope=scope)
    assert torch.equal(neurn(x[batch][:, channels], scope=scope), y[batch][:, channels])


def test_mirrored_and_turned_images():
    x = images(1, 2, 13, 9, dtype=torch.float64)
    torch.testing.assert_close(neurn(x.flip(2), 5), neurn(x, 5).flip(2))
    torch.testing.assert_close(neurn(x.mT, 5), neurn(x, 5).mT)


def test_scopes_by_their_maxima():
    x = images(3, 3, 10, 10) * torch.tensor([1.0, 2, 3]).view(1, 3, 1, 1)
    assert torch.equal(neurn(x, scope="channel").amax((2, 3)), torch.ones(3, 3))
    assert torch.equal(neurn(x, scope="image").amax((1, 2, 3)), torch.ones(3))
    assert neurn(x, scope="batch").max() == 1
    assert (neurn(x, scope="batch").amax((1, 2, 3)) == 1).sum() == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("border", BORDERS)
def test_gradcheck(border, scope, mode):
    x = images(2, 2, 4, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda y: neurn(y, 3, border=border, scope=scope, mode=mode, eps=0.1), x
    )


def test_gradcheck_twice():
    x = images(1, 1, 4, 5, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda y: neurn(y, 3), x)


# ---------------------------------------------------------------- compiled, exported, stored


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "options"),
    [
        pytest.param("inductor", {}, marks=pytest.mark.slow),
        ("aot_eager", {"k": 5, "border": "replicate", "scope": "batch"}),
    ],
)
def test_compile_in_one_graph(backend, options):
    torch._dynamo.reset()
    x = images(2, 3, 16, 16)
    x[1] = 1 / 3
    module = NeuRN(**options)
    compiled = torch.compile(module, fullgraph=True, backend=backend)
    one, two = x.clone().requires_grad_(), x.clone().requires_grad_()
    want, got = module(one), compiled(two)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)
    assert not got[1].any()
    want.square().sum().backward()
    got.square().sum().backward()
    torch.testing.assert_close(two.grad, one.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_export(mode):
    x = images(4, 3, 16, 16)
    module = NeuRN(5, mode=mode)
    batch = {"x": {0: torch.export.Dim("batch", min=2, max=64)}}
    program = torch.export.export(module, (x,), dynamic_shapes=batch)
    for data in (x, images(7, 3, 16, 16, seed=1)):
        got = program.module()(data)
        torch.testing.assert_close(got, module(data), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("border", BORDERS)
def test_onnx(border):
    onnxruntime = pytest.importorskip("onnxruntime")
    x = images(2, 3, 16, 16)
    module = NeuRN(5, border=border).eval()
    program = torch.onnx.export(module, (x,), dynamo=True, verbose=False)
    stored = io.BytesIO(program.model_proto.SerializeToString())
    session = onnxruntime.InferenceSession(stored.getvalue())
    (got,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(got), module(x), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_trace():
    x = images(2, 3, 12, 12)
    traced = torch.jit.trace(NeuRN(), x)
    other = images(2, 3, 12, 12, seed=1)
    torch.testing.assert_close(traced(other), neurn(other), rtol=1e-5, atol=1e-6)


def test_state_dict_is_that_of_the_network_without():
    with_stem = nn.Sequential(nn.Conv2d(3, 3, 1), NeuRN())
    assert list(with_stem.state_dict()) == ["0.weight", "0.bias"]


def test_repr_names_the_options():
    assert repr(NeuRN(5, scope="batch")) == (
        "NeuRN(k=5, border='reflect', scope='batch', mode='contrast')"
    )
    assert "eps=0.01" in repr(NeuRN(mode="reciprocal", eps=0.01))


def test_names_at_the_top_of_the_package():
    assert nasneurn.NeuRN is NeuRN
    assert nasneurn.create_stem is create_stem


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 4}, "k is 4; it must be an odd integer of at least 3"),
        ({"k": 1}, "k is 1"),
        ({"k": -3}, "k is -3"),
        ({"k": 3.0}, "k is 3.0"),
        ({"k": True}, "k is True"),
        (
            {"border": "reflct"},
            "border is 'reflct', must be one of reflect, zero, replicate; did you mean 'reflect'",
        ),
        ({"border": "wrap"}, "border is 'wrap', must be one of reflect, zero, replicate"),
        ({"scope": "images"}, "did you mean 'image'"),
        ({"mode": "ratio"}, "mode is 'ratio', must be one of contrast"),
        ({"eps": 0.0}, "eps is 0.0; it must be a positive number"),
        ({"eps": float("nan")}, "eps is nan"),
    ],
)
def test_wrong_options(options, words):
    for ask in (lambda: neurn(images(1, 1, 8, 8), **options), lambda: NeuRN(**options)):
        with pytest.raises(InputError, match=words) as caught:
            ask()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("x", "options", "words"),
    [
        (torch.zeros(1, 3, 8, 8, dtype=torch.int64), {}, "torch.int64; a floating point tensor"),
        (torch.zeros(8), {}, r"shape \(8,\); \(H, W\) at the least"),
        (np.zeros((1, 1, 8, 8)), {}, "ndarray; a tensor"),
        (torch.zeros(1, 1, 8, 2), {"k": 5}, "8 x 2; k=5 with border='reflect' needs at least 3"),
        (torch.zeros(1, 1, 0, 4), {"border": "zero"}, "0 x 4"),
    ],
)
def test_wrong_images(x, options, words):
    with pytest.raises(InputError, match=words):
        neurn(x, **options)


def test_smallest_images():
    assert neurn(images(1, 1, 3, 3), 5).shape == (1, 1, 3, 3)
    for border in ("zero", "replicate"):
        x = images(1, 1, 1, 2)
        torch.testing.assert_close(
            neurn(x, 9, border=border).double(), oracle(x, 9, border), rtol=1e-5, atol=1e-7
        )
