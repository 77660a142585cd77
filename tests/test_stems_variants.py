"""Other forms of NeuRN, each against its formula written again with numpy."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from drawn import images
from hypothesis import given, settings
from hypothesis import strategies as st

from nasneurn.errors import InputError
from nasneurn.stems import create_stem, neurn, neurn_grey, neurn_resized, neurn_scales
from nasneurn.stems.moments import deviations, respond

AXES = {"image": (1, 2, 3), "channel": (2, 3), "batch": (0, 1, 2, 3)}


def sigma_of(x, k=3):
    """Numpy's standard deviation of each patch, in float64."""
    r = k // 2
    padded = np.pad(x.double().numpy(), ((0, 0), (0, 0), (r, r), (r, r)), mode="reflect")
    patches = np.lib.stride_tricks.sliding_window_view(padded, (k, k), (2, 3))
    return np.where(patches.min((-2, -1)) == patches.max((-2, -1)), 0, patches.std((-2, -1)))


def contrast_of(x, k=3):
    sigma = sigma_of(x, k)
    c = sigma.max((1, 2, 3), keepdims=True)
    return np.divide(sigma, c, where=c > 0, out=np.zeros_like(sigma))


def near(found, expected, **options):
    expected = torch.as_tensor(np.asarray(expected)).float()
    torch.testing.assert_close(found, expected, **{"rtol": 1e-4, "atol": 1e-6, **options})


# ---------------------------------------------------------------- a quantile in place of c


@settings(max_examples=40, deadline=None)
@given(
    quantile=st.floats(0.3, 0.9999),
    scope=st.sampled_from(tuple(AXES)),
    k=st.sampled_from((3, 5, 9)),
    size=st.tuples(st.integers(9, 32), st.integers(9, 32)),
    seed=st.integers(0, 99),
)
def test_the_quantile_is_numpys(quantile, scope, k, size, seed):
    x = images(2, 3, *size, seed=seed)
    sigma = sigma_of(x, k)
    c = np.quantile(sigma, quantile, axis=AXES[scope], keepdims=True)
    for found in (
        neurn(x, k, scope=scope, quantile=quantile),
        respond(*deviations(x, k, "reflect"), scope, "contrast", 1e-3, quantile),
    ):
        near(found, np.minimum(sigma / c, 1), rtol=1e-3, atol=1e-5)


def test_an_outlier_no_longer_decides():
    x = 0.1 * images(1, 1, 32, 32)
    spoiled = x.clone()
    spoiled[0, 0, 16, 16] = 100.0
    far = torch.ones(32, 32, dtype=torch.bool)
    far[14:19, 14:19] = False
    before, after = neurn(x, quantile=0.98), neurn(spoiled, quantile=0.98)
    assert (after - before)[0, 0][far].abs().max() < 0.15
    assert neurn(spoiled)[0, 0][far].max() < 0.01
    assert after.max() == 1


def test_where_nearly_all_is_blank_any_contrast_is_full():
    x = torch.zeros(2, 1, 32, 32, requires_grad=True)
    with torch.no_grad():
        x[0, 0, 10, 10] = 0.3
    y = neurn(x, quantile=0.9)
    expected = torch.zeros(2, 1, 32, 32)
    expected[0, 0, 9:12, 9:12] = 1
    assert torch.equal(y.detach(), expected)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient, torch.zeros_like(x))


@pytest.mark.parametrize("exponent", [-100, -3, 60])
@pytest.mark.parametrize("scope", AXES)
def test_a_power_of_two_changes_no_bit(exponent, scope):
    x = images(2, 3, 17, 21)
    x[0, 1] *= 1e-3
    x[1, 2] = 0.3
    other = torch.from_numpy(np.ldexp(x.numpy(), exponent))
    options = {"scope": scope, "quantile": 0.95}
    assert torch.equal(neurn(other, **options), neurn(x, **options))


@pytest.mark.parametrize("scope", AXES)
@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.97])
def test_gradients_by_differences(scope, quantile):
    x = images(2, 2, 7, 8).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: neurn(x, scope=scope, quantile=quantile), x)
    # The kernel's own gradient is that of the plain operations.
    single = images(2, 2, 9, 9).requires_grad_()
    weights = images(2, 2, 9, 9, seed=1)
    (own,) = torch.autograd.grad(
        (weights * neurn(single, scope=scope, quantile=quantile)).sum(), single
    )
    plain = respond(*deviations(single, 3, "reflect"), scope, "contrast", 1e-3, quantile)
    (other,) = torch.autograd.grad((weights * plain).sum(), single)
    torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-4)


def test_what_is_not_a_number_is_not_hidden():
    x = images(2, 1, 12, 12)
    x[0, 0, 3, 3] = math.nan
    y = neurn(x, quantile=0.5)
    assert y[0].isnan().all()
    assert y[1].isfinite().all()


@pytest.mark.parametrize(
    ("stem", "told"),
    [
        ("neurn:quantile=1.0", "quantile is 1.0; it must be a number between 0 and 1, or null"),
        ("neurn:quantile=high", "quantile is 'high'"),
        ("neurn:quantile=0.9,mode=local", "only the mode contrast has it"),
        ("neurn_grey:k=4", "k is 4"),
        ("neurn_scales:by=median", "by is 'median', must be one of mean, maximum"),
        ("neurn_scales:k=5", r"k is 5; it must be a list of odd integers"),
        ("neurn_scales:k=[3,4]", "k is 4"),
        ("neurn_resized:order=first", "order is 'first'"),
        ("neurn_resized:by=bicubic", "did you mean 'nearest'|by is 'bicubic'"),
        ("neurn_resized:side=1", "side is 1; it must be an integer from 2 up"),
    ],
)
def test_wrong_options_are_told_when_the_stem_is_made(stem, told):
    with pytest.raises(InputError, match=told):
        create_stem(stem)


def test_a_quantile_is_told_apart():
    assert "quantile" not in repr(create_stem("neurn"))
    assert repr(create_stem("neurn:quantile=0.99")).endswith("quantile=0.99)")


# ---------------------------------------------------------------- grey, scales, resizing


def test_of_the_grey_image():
    x = images(2, 3, 16, 16)
    luma = np.tensordot((0.299, 0.587, 0.114), x.double().numpy(), (0, 1))
    expected = contrast_of(torch.from_numpy(luma[:, None]), 5)
    near(neurn_grey(x, 5), np.repeat(expected, 3, 1), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("by", "join"), [("mean", np.mean), ("maximum", np.max)])
def test_several_scales(by, join):
    x = images(2, 3, 20, 18)
    expected = join([contrast_of(x, k) for k in (3, 5, 9)], axis=0)
    near(neurn_scales(x, by=by), expected)
    near(neurn_scales(x, [7], by), contrast_of(x, 7))


def small_of(x, side):
    """Means of equal blocks, where ``side`` divides the image."""
    n, c, height, width = x.shape
    blocks = x.double().numpy().reshape(n, c, side, height // side, side, width // side)
    return torch.from_numpy(blocks.mean((3, 5)))


@pytest.mark.parametrize("side", [8, 16])
def test_before_and_after_enlarging_by_nearest_neighbours(side):
    x = images(2, 3, 32, 32)
    small = small_of(x, side)
    times = np.ones((32 // side, 32 // side))
    before = np.kron(contrast_of(small), times)
    near(neurn_resized(x, side), before, rtol=1e-3, atol=1e-5)
    after = contrast_of(torch.from_numpy(np.kron(small.numpy(), times)))
    near(neurn_resized(x, side, "after"), after, rtol=1e-3, atol=1e-5)


def test_before_and_after_enlarging_smoothly():
    x = images(2, 3, 32, 32)
    small = small_of(x, 16)

    def enlarged(y):
        """Linear between the centres of pixels, which repeat beyond the border."""
        place = np.clip((np.arange(32) + 0.5) / 2 - 0.5, 0, 15)
        weights = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(16)))
        return np.einsum("ih,jw,nchw->ncij", weights, weights, np.asarray(y))

    near(neurn_resized(x, by="bilinear"), enlarged(contrast_of(small)), rtol=1e-3, atol=1e-5)
    after = contrast_of(torch.from_numpy(enlarged(small)))
    near(neurn_resized(x, order="after", by="bilinear"), after, rtol=1e-3, atol=1e-5)


def test_after_nearest_neighbours_large_pixels_are_blank_within():
    x = F.interpolate(images(1, 1, 8, 8), 32, mode="nearest")
    after = neurn_resized(x, 8, "after")[0, 0]
    inside = torch.arange(32) % 4
    blank = (inside == 1) | (inside == 2)
    assert not after[blank][:, blank].any()
    # What is before has the picture of the small image.
    assert (neurn_resized(x, 8)[0, 0] > 0).all()


def test_images_that_are_small_already_keep_their_size():
    small = images(1, 3, 8, 8)
    torch.testing.assert_close(neurn_resized(small), neurn(small))
    narrow = images(1, 3, 32, 8)
    shrunk = F.interpolate(narrow, (16, 8), mode="area")
    again = F.interpolate(neurn(shrunk), (32, 8), mode="nearest")
    torch.testing.assert_close(neurn_resized(narrow), again)
