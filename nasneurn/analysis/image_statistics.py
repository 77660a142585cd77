"""What images are like, one number an image: intensity, contrast, colour and spatial frequency.

Images are floating point arrays (N, C, H, W), of pixels in [0, 1] or of what a stem makes of them.
All but colour and saturation are of the mean of the channels.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

Images = npt.NDArray[np.floating]
Values = npt.NDArray[np.float64]

#: Side of the patches that may be blank: NeuRN's smallest.
PATCH = 3
#: A patch that varies by no more than this counts as blank: far less than a step of 8 bits.
BLANK = 1e-6


def grey(images: Images) -> Values:
    """The mean of the channels, (N, H, W)."""
    values: Values = np.asarray(images, dtype=np.float64).mean(axis=1)
    return values


def image_statistics(images: Images) -> pd.DataFrame:
    """A row for each image of (N, C, H, W), with the columns

    - ``mean``: of all pixels;
    - ``rms_contrast``: the standard deviation of the pixels (Peli, JOSA A 7, 1990);
    - ``michelson_contrast``: (max - min) / (max + min); 0 if both are 0, and NaN of images with
      negative values, for which it has no meaning;
    - ``colour``: the standard deviation between the channels, averaged over the pixels;
    - ``gradient``: the mean absolute difference of neighbours, down and across;
    - ``slope``: of the logarithm of the radial power over that of the frequency, see
      :func:`radial_power`; about -2 for photographs (Field, JOSA A 4, 1987), about 0 for white
      noise, NaN for a blank image;
    - ``fine``: the share of that power, summed over rings, in the upper half of the frequencies;
    - ``blank``: the share of 3 x 3 patches of one shade in all channels;
    - ``saturated``: the share of values that are 0 or less, or 1 or more.
    """
    values = grey(images)
    flat = values.reshape(len(values), -1)
    low, high = flat.min(axis=1), flat.max(axis=1)
    total = np.where(high + low > 0, high + low, 1.0)
    frequencies, power = radial_power(images)
    return pd.DataFrame(
        {
            "mean": flat.mean(axis=1),
            "rms_contrast": flat.std(axis=1),
            "michelson_contrast": np.where(low < 0, np.nan, (high - low) / total),
            "colour": np.asarray(images, dtype=np.float64).std(axis=1).mean(axis=(1, 2)),
            "gradient": (_mean_step(values, 1) + _mean_step(values, 2)) / 2,
            "slope": spectral_slope(frequencies, power),
            "fine": _fine_share(frequencies, power),
            "blank": blank_share(images),
            "saturated": ((images <= 0) | (images >= 1)).mean(axis=(1, 2, 3)),
        }
    )


def _mean_step(values: Values, axis: int) -> Values:
    return np.asarray(np.abs(np.diff(values, axis=axis)).mean(axis=(1, 2)))


def radial_power(images: Images) -> tuple[Values, Values]:
    """The power spectrum of each image, averaged over rings of equal frequency.

    The mean is taken away, and a Hann window keeps the images' borders from being seen as edges.

    Args:
        images: (N, C, H, W), 4 x 4 at least.

    Returns:
        Frequencies (B,), in cycles a pixel, above 0 and up to 1/2, and the power (N, B).
    """
    values = grey(images)
    height, width = values.shape[1:]
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    # The weighted mean: the window must not turn the level of an image into a low frequency.
    level = (values * window).sum(axis=(1, 2), keepdims=True) / window.sum()
    spectrum = np.abs(np.fft.rfft2((values - level) * window)) ** 2
    distance = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    rings = min(height, width) // 2
    ring = np.rint(distance * 2 * rings).astype(np.int64)
    # The half that rfft2 leaves out mirrors the columns between the first and the last.
    weight = np.full(distance.shape, 2.0)
    weight[:, 0] = 1.0
    if width % 2 == 0:
        weight[:, -1] = 1.0
    power = np.empty((len(values), rings))
    for number in range(rings):
        chosen = ring == number + 1
        shares = weight[chosen] / weight[chosen].sum()
        power[:, number] = spectrum[:, chosen] @ shares
    return np.arange(1, rings + 1) / (2 * rings), power


def spectral_slope(frequencies: Values, power: Values) -> Values:
    """The least-squares slope of log power over log frequency, (N,); NaN without any power."""
    x = np.log(frequencies)
    x = x - x.mean()
    some = power > 0
    logs = np.log(np.where(some, power, 1.0))
    slopes = logs @ x / (x @ x)
    return np.where(some.all(axis=1), slopes, np.nan)


def _fine_share(frequencies: Values, power: Values) -> Values:
    # A ring of frequency f has 2 pi f of area, so this is a share of the variance.
    energy = power * frequencies
    total = energy.sum(axis=1)
    upper = energy[:, frequencies > frequencies.max() / 2].sum(axis=1)
    return np.where(total > 0, upper / np.where(total > 0, total, 1.0), 0.0)


def blank_share(images: Images) -> Values:
    """The share of 3 x 3 patches that have one shade in each channel, (N,).

    There a contrast normalization has nothing to normalize but noise.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    sizes = (1, 1, PATCH, PATCH)
    spread = maximum_filter(images, sizes) - minimum_filter(images, sizes)
    reach = PATCH // 2
    inner = spread[:, :, reach : -reach or None, reach : -reach or None].max(axis=1)
    return np.asarray((inner <= BLANK).mean(axis=(1, 2)), dtype=np.float64)
