"""Every stem by its name, and each rival of NeuRN against another implementation."""

import copy
import pickle

import numpy as np
import pytest
import scipy.ndimage
import torch
from drawn import images
from torch import nn

from nasneurn import stems
from nasneurn.errors import InputError
from nasneurn.stems import create_stem, list_stems

# ---------------------------------------------------------------- every stem by name


@pytest.fixture(params=list_stems())
def name(request):
    return request.param


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str
)
@pytest.mark.parametrize("training", [True, False])
def test_shape_and_dtype_are_kept(name, channels, dtype, training):
    x = images(2, channels, 16, 12, dtype=dtype)
    before = x.clone()
    y = create_stem(name).train(training)(x)
    assert y.shape == x.shape
    assert y.dtype == dtype
    assert y.isfinite().all()
    assert torch.equal(x, before)


def test_no_parameters_or_buffers(name):
    stem = create_stem(name)
    assert not list(stem.parameters())
    assert not list(stem.buffers())
    assert not stem.state_dict()


def test_evaluation_is_deterministic_and_per_image(name):
    stem = create_stem(name).eval()
    x = images(4, 3, 16, 16)
    y = stem(x)
    assert torch.equal(stem(x), y)
    torch.testing.assert_close(stem(x[1:2]), y[1:2])


def test_copies_compute_the_same(name):
    stem = create_stem(name).eval()
    x = images(2, 3, 16, 16)
    for other in (copy.deepcopy(stem), pickle.loads(pickle.dumps(stem))):
        assert torch.equal(other(x), stem(x))
        assert repr(other) == repr(stem)


def test_autocast_keeps_the_dtype(name):
    stem = create_stem(name).eval()
    x = images(2, 3, 16, 16)
    expected = stem(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = stem(x)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, expected)


def test_blank_and_empty_batches(name):
    for training in (True, False):
        stem = create_stem(name).train(training)
        x = torch.full((2, 1, 12, 12), 0.3, requires_grad=True)
        y = stem(x)
        y.sum().backward()
        assert y.isfinite().all()
        assert x.grad.isfinite().all()
        assert stem(torch.zeros(0, 3, 12, 12)).shape == (0, 3, 12, 12)
        assert stem(torch.zeros(2, 3, 12, 12, device="meta")).shape == (2, 3, 12, 12)


@pytest.mark.parametrize("stem", ["neurn", "instance_norm", "local_contrast_norm", "sobel"])
def test_blank_images_are_zero(stem):
    x = torch.full((2, 1, 12, 12), 1 / 3)
    assert not create_stem(stem)(x).any()


def test_unknown_names_and_options_are_told_with_the_nearest():
    with pytest.raises(
        InputError, match=r"stem is 'neurm', must be one of none, neurn, .*did you mean 'neurn'"
    ):
        create_stem("neurm")
    with pytest.raises(InputError, match=r"or package\.module:Name$"):
        create_stem("???")
    with pytest.raises(
        InputError, match=r"option of the stem neurn is 'boarder', .*did you mean 'border'"
    ):
        create_stem("neurn", boarder="zero")
    with pytest.raises(InputError, match="the stem sobel has none"):
        create_stem("sobel", k=3)
    with pytest.raises(InputError, match="size is 4"):
        create_stem("local_contrast_norm", size=4)


# ---------------------------------------------------------------- each rival


def test_grey_is_luma_in_every_channel():
    x = images(2, 3, 5, 5, dtype=torch.float64)
    want = torch.einsum("nchw,c->nhw", x, torch.tensor([0.299, 0.587, 0.114]).double())
    for channel in stems.grey(x).unbind(1):
        torch.testing.assert_close(channel, want, rtol=1e-6, atol=1e-7)
    with pytest.raises(InputError, match="4 channels"):
        stems.grey(images(1, 4, 2, 2))


def test_instance_norm_is_that_of_torch():
    x = images(2, 3, 9, 9)
    want = torch.nn.functional.instance_norm(x, eps=1e-5)
    torch.testing.assert_close(stems.instance_norm(x), want, rtol=1e-5, atol=1e-5)


def test_local_contrast_norm_is_that_of_the_paper():
    x = images(2, 3, 20, 18, dtype=torch.float64)
    g = np.exp(-0.5 * ((np.arange(9) - 4) / 2.25) ** 2)
    window = np.outer(g, g) / np.outer(g, g).sum() / 3

    def blur(a):  # over the window and all channels
        each = [scipy.ndimage.correlate(c, window, mode="nearest") for c in a]
        return np.sum(each, axis=0)

    for image, got in zip(x.numpy(), stems.local_contrast_norm(x).numpy(), strict=True):
        v = image - blur(image)
        s = np.sqrt(blur(v**2))
        np.testing.assert_allclose(got, v / np.maximum(s.mean(), s), rtol=1e-6, atol=1e-9)


def test_local_response_norm_is_that_of_torch():
    x = images(2, 3, 6, 6)
    assert torch.equal(create_stem("local_response_norm", size=3)(x), nn.LocalResponseNorm(3)(x))


def test_sobel_is_that_of_scipy():
    x = images(1, 2, 12, 9, dtype=torch.float64)
    for plane, got in zip(x[0].numpy(), stems.sobel(x)[0].numpy(), strict=True):
        gx = scipy.ndimage.sobel(plane, 1, mode="nearest") / 8
        gy = scipy.ndimage.sobel(plane, 0, mode="nearest") / 8
        np.testing.assert_allclose(got, np.hypot(gx, gy), atol=1e-12)


def test_randconv_is_told_to_be_an_algorithm():
    for name in ("randconv", "randconv:mix=false"):
        with pytest.raises(InputError, match=r"randconv is an algorithm: --algorithms randconv$"):
            create_stem(name)
