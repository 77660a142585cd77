"""Statistics of images, beside closed forms and independent libraries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasneurn.analysis.image_statistics import blank_share, image_statistics, radial_power


def noise(exponent: float, count: int = 100, side: int = 32) -> np.ndarray:
    """Grey images whose amplitude falls as frequency ** -exponent."""
    white = np.random.default_rng(0).normal(size=(count, side, side))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    frequency[0, 0] = 1
    spectrum = np.fft.fft2(white) / frequency**exponent
    return np.repeat(np.fft.ifft2(spectrum).real[:, None], 3, axis=1)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_the_slope_is_that_of_the_noise(exponent: float) -> None:
    slope = image_statistics(noise(exponent))["slope"].mean()
    assert slope == pytest.approx(-2 * exponent, abs=0.25)


def test_radial_power_beside_rings_of_the_whole_spectrum() -> None:
    images = np.random.default_rng(0).random((3, 2, 12, 16))
    frequencies, power = radial_power(images)
    window = np.outer(np.hanning(14)[1:-1], np.hanning(18)[1:-1])
    distance = np.hypot(np.fft.fftfreq(12)[:, None], np.fft.fftfreq(16)[None])
    for image, found in zip(images.mean(axis=1), power, strict=True):
        centred = (image - np.average(image, weights=window)) * window
        whole = np.abs(np.fft.fft2(centred)) ** 2
        for frequency, ring in zip(frequencies, found, strict=True):
            chosen = np.rint(distance * 12) == round(frequency * 12)
            assert ring == pytest.approx(whole[chosen].mean())


def test_a_wave_has_its_power_at_its_frequency() -> None:
    wave = np.tile(np.sin(2 * np.pi * np.arange(32) * 8 / 32), (1, 1, 32, 1))
    frequencies, power = radial_power(wave)
    assert frequencies[power[0].argmax()] == 8 / 32


def test_known_images() -> None:
    halves = np.zeros((1, 3, 8, 8))
    halves[..., 4:] = 0.5
    (row,) = image_statistics(halves).to_dict(orient="records")
    assert row["mean"] == 0.25
    assert row["rms_contrast"] == 0.25
    assert row["michelson_contrast"] == 1.0
    assert row["colour"] == 0.0
    assert row["gradient"] == pytest.approx(0.5 / 7 / 2)
    assert row["saturated"] == 0.5
    # Of the 6 columns of whole patches, those centred beside the edge have two shades.
    assert row["blank"] == pytest.approx(4 / 6)


def test_a_blank_image_has_no_slope_and_no_fault() -> None:
    (row,) = image_statistics(np.full((1, 3, 8, 8), 0.25)).to_dict(orient="records")
    assert np.isnan(row.pop("slope"))
    assert row["blank"] == 1.0
    assert row["rms_contrast"] == row["fine"] == row["michelson_contrast"] == 0.0
    assert np.isnan(image_statistics(noise(0.0, 1))["michelson_contrast"].item())


def test_blank_needs_one_shade_in_each_channel() -> None:
    images = np.zeros((1, 3, 3, 3))
    images[0, 1] = 0.5
    assert blank_share(images).tolist() == [1.0]
    images[0, 1, 0, 0] = 0.5 + 2 / 255
    assert blank_share(images).tolist() == [0.0]


@settings(deadline=None, max_examples=30)
@given(factor=st.floats(0.1, 10), offset=st.floats(-5, 5), turns=st.integers(0, 3))
def test_invariances(factor: float, offset: float, turns: int) -> None:
    images = np.random.default_rng(1).random((4, 3, 8, 8))
    before = image_statistics(images)
    after = image_statistics(np.rot90(factor * images + offset, turns, axes=(2, 3)))
    np.testing.assert_allclose(after["mean"], factor * before["mean"] + offset, atol=1e-9)
    for name in ("rms_contrast", "colour", "gradient"):
        np.testing.assert_allclose(after[name], factor * before[name])
    for name in ("slope", "fine"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-6)
