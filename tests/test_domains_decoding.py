"""From a file to pixels, whatever kind of image it holds."""

import numpy as np
import pytest
from pets import save
from PIL import Image

from nasneurn.domains.decoding import decode, pillow
from nasneurn.errors import InputError

KINDS = {
    "grey.png": {"mode": "L"},
    "palette.png": {"mode": "P"},
    "bilevel.png": {"mode": "1"},
    "alpha.png": {"mode": "RGBA"},
    "grey_alpha.png": {"mode": "LA"},
    "cmyk.jpg": {"mode": "CMYK"},
    "grey.jpg": {"mode": "L"},
    "animated.gif": {"mode": "P"},
    "lossless.webp": {"mode": "RGB", "lossless": True},
    "plain.tiff": {"mode": "RGB"},
    "plain.ppm": {"mode": "RGB"},
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0)])
def test_every_kind_of_file_is_decoded_to_rgb(tmp_path, name, colour):
    save(tmp_path / name, colour, **KINDS[name])
    image = decode(tmp_path / name, 16)
    assert (image.shape, image.dtype) == ((16, 16, 3), np.uint8)
    assert np.abs(image.astype(int) - colour).max() <= 2


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert decode(tmp_path / "clear.png", 8).min() == 255
    palette = Image.new("P", (20, 20), 3)
    palette.putpalette([0, 0, 0] * 256)
    palette.save(tmp_path / "palette.png", transparency=3)
    assert decode(tmp_path / "palette.png", 8).min() == 255


def test_deep_grey_is_scaled_and_not_cut(tmp_path):
    shades = np.linspace(0, 65535, 16 * 16).reshape(16, 16).astype(np.uint16)
    Image.fromarray(shades).save(tmp_path / "deep.png")
    decoded = decode(tmp_path / "deep.png", 16)
    np.testing.assert_allclose(decoded[..., 0], shades / 257, atol=1)
    Image.fromarray(shades.astype(np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(InputError, match=r"float.tiff: pixels are 32-bit floats"):
        decode(tmp_path / "float.tiff", 16)


@pytest.mark.parametrize(("bound", "read"), [(300, True), (150, False)])
def test_of_a_large_image_nothing_or_one_line_is_told(tmp_path, monkeypatch, recwarn, bound, read):
    save(tmp_path / "large.png", size=(20, 20))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", bound)
    pillow.cache_clear()
    if read:
        assert decode(tmp_path / "large.png", 8).shape == (8, 8, 3)
    else:
        with pytest.raises(InputError, match=r"large.png: not a readable image"):
            decode(tmp_path / "large.png", 8)
    assert not recwarn


def test_of_damaged_notes_in_an_image_nothing_is_told(tmp_path, recwarn):
    exif = Image.Exif()
    exif[0x010E] = "a long description of what is to be seen"
    Image.new("RGB", (20, 20), "red").save(tmp_path / "photo.jpg", exif=exif.tobytes()[:40])
    pillow.cache_clear()
    assert decode(tmp_path / "photo.jpg", 8)[..., 0].min() > 200
    assert not recwarn


def test_the_central_square_is_kept(tmp_path):
    """Thirds of red, green, blue: of a wide image the middle one stays."""
    for size, axis in (((90, 30), 1), ((30, 90), 0)):
        pixels = np.zeros((size[1], size[0], 3), dtype=np.uint8)
        for third in range(3):
            where = [slice(None), slice(None)]
            where[axis] = slice(30 * third, 30 * (third + 1))
            pixels[(*where, third)] = 255
        Image.fromarray(pixels).save(tmp_path / "wide.png")
        decoded = decode(tmp_path / "wide.png", 10)
        assert np.all(decoded[1:-1, 1:-1] == (0, 255, 0))
        # The filter of the outermost pixels reaches over the cut, as if cut after resizing.
        assert decoded[..., 1].min() > 200


def test_the_cameras_orientation_is_heeded(tmp_path):
    pixels = np.zeros((20, 20, 3), dtype=np.uint8)
    pixels[:10] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    decoded = decode(tmp_path / "turned.png", 8)
    assert decoded[0].max() < 10
    assert decoded[-1].min() > 245
