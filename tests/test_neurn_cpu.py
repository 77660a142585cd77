"""The compiled kernel against the plain path, and in the places where compiled code goes wrong."""

import importlib.util
import math
import multiprocessing
import os
import shutil
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
import torch
from drawn import images
from hypothesis import given, settings
from hypothesis import strategies as st

from nasneurn.stems import NeuRN, neurn, neurn_cpu
from nasneurn.stems.kernel import compiling
from nasneurn.stems.kernel.compiling import compiled
from nasneurn.stems.moments import deviations, respond
from nasneurn.stems.neural_response import _fits_kernel

BORDERS = ("reflect", "zero", "replicate")
SCOPES = ("image", "channel", "batch")
MODES = ("contrast", "reciprocal", "local")


@pytest.fixture(scope="module", autouse=True)
def split_over_threads():
    """Split small images over threads too, so that quick tests take that way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neurn_cpu, "_SMALL", 32_768)
        yield


def plain(x, k=3, *, border="reflect", scope="image", mode="contrast", eps=1e-3):
    """The path of plain operations, whatever the tensor."""
    wide = x if x.dtype == torch.float64 else x.float()
    return respond(*deviations(wide, k, border), scope, mode, eps).to(x.dtype)


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from((3, 5, 7, 9, 11, 13, 15, 21)),
    st.sampled_from(BORDERS),
    st.sampled_from(SCOPES),
    st.sampled_from(MODES),
    st.sampled_from((torch.float32, torch.float16, torch.bfloat16)),
    st.integers(0, 1000),
)
def test_kernel_equals_plain_path(shape, k, border, scope, mode, dtype, seed):
    if border == "reflect":
        shape = (*shape[:2], max(shape[2], k // 2 + 1), max(shape[3], k // 2 + 1))
    x = images(*shape, seed=seed, dtype=dtype)
    assert _fits_kernel(x)
    options = {"border": border, "scope": scope, "mode": mode}
    expected = plain(x.double(), k, **options)
    rounding = {torch.float32: 4e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}[dtype]
    torch.testing.assert_close(neurn(x, k, **options).double(), expected, rtol=rounding, atol=1e-7)


@pytest.mark.parametrize("shape", [(1, 1, 300, 70), (2, 3, 90, 257), (1, 2, 3, 9000)])
@pytest.mark.parametrize("k", [3, 5, 15])
def test_planes_of_several_bands(shape, k):
    x = images(*shape)
    torch.testing.assert_close(
        neurn(x, k, border="replicate").double(),
        plain(x.double(), k, border="replicate"),
        rtol=3e-6,
        atol=1e-7,
    )


@pytest.mark.parametrize("k", [3, 7, 9])
@pytest.mark.parametrize(("border", "scope", "mode"), product(BORDERS, SCOPES, MODES))
def test_gradient_equals_float64_autograd(k, border, scope, mode):
    x = images(3, 2, 17, 21)
    weights = images(3, 2, 17, 21, seed=1) - 0.5
    exact = x.double().requires_grad_()
    (plain(exact, k, border=border, scope=scope, mode=mode) * weights).sum().backward()
    quick = x.clone().requires_grad_()
    (neurn(quick, k, border=border, scope=scope, mode=mode) * weights).sum().backward()
    assert (quick.grad - exact.grad).abs().max() < 1e-5 * exact.grad.abs().max()


def test_gradient_of_equal_maxima_is_shared_as_torch_shares_it():
    x = images(1, 1, 9, 9).expand(1, 2, 9, 9).clone()  # each channel has the greatest sigma
    weights = images(1, 2, 9, 9, seed=1)
    exact = x.double().requires_grad_()
    (plain(exact) * weights).sum().backward()
    quick = x.clone().requires_grad_()
    (neurn(quick) * weights).sum().backward()
    torch.testing.assert_close(quick.grad.double(), exact.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("k", [3, 15])
def test_gradient_of_faint_contrast_on_a_steep_ramp(k):
    x = torch.linspace(0, 1, 64).view(1, 1, 64, 1) + 1e-3 * images(2, 3, 64, 64)
    exact = x.double().requires_grad_()
    (plain(exact, k) ** 2).sum().backward()
    quick = x.clone().requires_grad_()
    (neurn(quick, k) ** 2).sum().backward()
    assert (quick.grad - exact.grad).abs().max() < 1e-4 * exact.grad.abs().max()


def test_half_precision_gradients_keep_their_dtype():
    x = images(2, 3, 16, 16, dtype=torch.float16).requires_grad_()
    neurn(x).sum().backward()
    assert x.grad.dtype == torch.float16
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("mode", MODES)
def test_second_derivatives_equal_those_of_float64_autograd(mode):
    """As a penalty on the gradient takes them."""
    x = images(2, 3, 8, 8)

    def penalty(response, x):
        (grad,) = torch.autograd.grad((response**3).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad((grad**2).sum(), x)
        return second

    exact = x.double().requires_grad_()
    quick = x.clone().requires_grad_()
    expected = penalty(plain(exact, mode=mode), exact)
    found = penalty(neurn(quick, mode=mode), quick)
    assert expected.abs().max() > 0
    torch.testing.assert_close(
        found.double(), expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item()
    )


@pytest.mark.parametrize("size", [40, 120])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sign", [1, -1])
def test_nan_stays_where_the_plain_path_leaves_it(size, scope, mode, sign):
    x = images(2, 3, size, size)
    x[0, 1, size // 2, 3] = math.copysign(math.nan, sign)
    expected = plain(x, scope=scope, mode=mode)
    got = neurn(x, scope=scope, mode=mode)
    assert expected.isnan().any()
    torch.testing.assert_close(got, expected, equal_nan=True, rtol=1e-5, atol=1e-6)


def test_infinity_is_not_hidden():
    x = images(1, 1, 16, 16)
    x[0, 0, 8, 8] = float("inf")
    assert not neurn(x, mode="local").isfinite().all()
    assert neurn(x).isnan().any()


@pytest.mark.parametrize("memory", ["channels_last", "sliced", "transposed", "expanded", "flipped"])
def test_any_memory_layout(memory):
    x = images(4, 3, 24, 20)
    given_, dense = {
        "channels_last": (x.to(memory_format=torch.channels_last), x),
        "sliced": (x[::2, :, 1:, ::2], x[::2, :, 1:, ::2].clone()),
        "transposed": (x.transpose(2, 3), x.transpose(2, 3).contiguous()),
        "expanded": (x[:, :1].expand(4, 3, 24, 20), x[:, :1].repeat(1, 3, 1, 1)),
        "flipped": (x.flip(3), x.flip(3).contiguous()),
    }[memory]
    assert torch.equal(neurn(given_), neurn(dense.contiguous()))


def test_input_is_not_written_to():
    x = images(2, 3, 16, 16)
    before = x.clone()
    neurn(x.requires_grad_()).sum().backward()
    assert torch.equal(x, before)


def test_number_of_threads_changes_nothing():
    x = images(64, 3, 40, 40)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = neurn(x)
        torch.set_num_threads(3)
        three = neurn(x)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(one, three)


def test_concurrent_calls():
    batches = [images(24, 3, 64, 64, seed=i) for i in range(8)]
    expected = [neurn(x) for x in batches]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for got, want in zip(pool.map(neurn, batches), expected, strict=True):
                assert torch.equal(got, want)


def _in_child(x, queue):
    # Only the stem itself: torch's own operations on large tensors need OpenMP's threads, which
    # a forked child has not.
    queue.put(float(neurn(x).numpy().sum()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_of_a_parent_with_threads():
    x = images(24, 3, 64, 64)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    try:
        expected = float(neurn(x).numpy().sum())
        child = context.Process(target=_in_child, args=(x, queue), daemon=True)
        child.start()
        assert queue.get(timeout=30) == expected
        child.join(30)
        assert child.exitcode == 0
    finally:
        torch.set_num_threads(before)
        child.kill()


def test_transforms_and_modes_take_the_plain_path():
    from torch._subclasses.fake_tensor import FakeTensorMode

    x = images(2, 3, 8, 8)
    stacked = torch.func.vmap(neurn)(x.unsqueeze(1))
    torch.testing.assert_close(stacked[:, 0], neurn(x), rtol=1e-5, atol=1e-6)
    _, tangent = torch.func.jvp(lambda y: neurn(y, mode="local"), (x,), (x,))
    torch.testing.assert_close(tangent, neurn(x, mode="local"), rtol=1e-4, atol=1e-5)
    with FakeTensorMode() as mode:
        assert neurn(mode.from_tensor(x)).shape == x.shape
    assert neurn(x.to("meta")).shape == x.shape
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, x)
        out = torch.autograd.forward_ad.unpack_dual(neurn(dual, mode="local"))
        assert out.tangent is not None


def test_inference_mode():
    x = images(2, 3, 8, 8)
    with torch.inference_mode():
        assert torch.equal(neurn(x.clone()), neurn(x))


@pytest.mark.slow
def test_importing_stems_does_not_load_numba():
    code = "import sys, nasneurn.stems; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def function(tmp_path, monkeypatch):
    """A function in a file of its own, which numba caches beside it."""
    from numba.core import config

    monkeypatch.setattr(config, "CACHE_DIR", "")
    source = tmp_path / "doubling.py"
    source.write_text("def double(a):\n    for i in range(a.size):\n        a[i] *= 2\n")
    spec = importlib.util.spec_from_file_location("doubling", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.double


def test_kernels_are_cached(function, tmp_path):
    a = torch.ones(3)
    compiled(function)(a.numpy())
    assert a.tolist() == [2, 2, 2]
    assert list((tmp_path / "__pycache__").glob("*.nbc"))


def test_a_change_in_any_file_of_the_kernel_leaves_the_cache_behind(
    function, tmp_path, monkeypatch
):
    """Numba itself looks only at the file of the function that it caches."""
    a = torch.ones(3)
    for fingerprint in ("one", "two"):
        monkeypatch.setattr(compiling, "FINGERPRINT", fingerprint)
        copy = types.FunctionType(function.__code__, function.__globals__, "double")
        compiling.compiled(copy)(a.numpy())
        assert list((tmp_path / "__pycache__").glob(f"*_{fingerprint}-*.nbc"))


def test_the_fingerprint_is_of_every_file(tmp_path):
    found = set()
    for name in ("a.py", "b.py", "a.py"):
        with (tmp_path / name).open("a") as file:
            file.write("x = 1\n")
        found.add(compiling.fingerprint(tmp_path))
    assert len(found) == 3


def test_a_cache_that_can_not_be_written(function, tmp_path):
    call = compiled(function)
    shutil.rmtree(tmp_path / "__pycache__")
    (tmp_path / "__pycache__").write_text("not a folder")
    a = torch.ones(3)
    call(a.numpy())
    call(a.numpy())
    assert a.tolist() == [4, 4, 4]


def test_no_place_for_a_cache():
    names = {}
    exec("def double(a):\n    for i in range(a.size):\n        a[i] *= 2\n", names)
    a = torch.ones(3)
    compiled(names["double"])(a.numpy())
    assert a.tolist() == [2, 2, 2]


def test_a_module_in_a_network_trains():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), NeuRN(), torch.nn.Conv2d(4, 2, 3))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    x = images(4, 3, 16, 16)
    losses = []
    for _ in range(5):
        loss = net(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
