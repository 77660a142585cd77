"""An image file as bytes of one size: ``decode``, the one way from a file to pixels."""

import hashlib
import io
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

from nasneurn.errors import InputError, one_line
from nasneurn.files import opened, reading

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

#: Raise it when images are decoded otherwise: cache entries are made again, and digests differ.
RECIPE_VERSION = 1
#: Pixels of grey images of more than 8 bits go from 0 to 65535.
DEEP_GREY = ("I", "I;16", "I;16B", "I;16L", "I;16N")
#: Bytes of the SHA-256 of a file that are kept.
HASH_BYTES = 16


@cache
def pillow() -> ModuleType:
    """Pillow's images, which say nothing of a large one, or of one whose notes are damaged.

    Between a bound of Pillow's and its double, it warns in two lines that name a file of its own,
    as of damaged EXIF data; beyond that it refuses, which is told as any other fault of a file.
    """
    from PIL import Image

    # Images are read in threads, so for the process: a context would change that of the others.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    return Image


def file_hash(data: bytes) -> bytes:
    """The first :data:`HASH_BYTES` of the SHA-256 of a file's bytes."""
    return hashlib.sha256(data).digest()[:HASH_BYTES]


def read_bytes(path: Path | str) -> bytes:
    """Read a file whole.

    Raises:
        InputError: it cannot be read.
    """
    with reading(path), opened(Path(path)) as file:
        return file.read()


def decode(path: Path | str, size: int, data: bytes | None = None) -> npt.NDArray[np.uint8]:
    """Read one image file as uint8 (``size``, ``size``, 3).

    The central square is resized, bilinear and antialiased: the shorter side becomes ``size`` and
    what the longer has beyond it is cut. Grey is repeated, what is transparent is laid on white,
    the camera's orientation is heeded, and of an animation the first frame is taken.

    Args:
        path: the file.
        size: side of the result in pixels.
        data: the file's bytes, where they have been read.

    Raises:
        InputError: the file is no image, is cut off, or has a kind of pixel that is not handled.
    """
    from PIL import ImageOps, UnidentifiedImageError

    Image = pillow()
    stream = io.BytesIO(read_bytes(path) if data is None else data)
    try:
        with Image.open(stream) as given:
            given.draft("RGB", (size, size))  # lets JPEG decode at a half or less, when enough
            image = ImageOps.exif_transpose(given)
            if image.mode in DEEP_GREY:
                shades = np.asarray(image, dtype=np.float64) / 257
                image = Image.fromarray(np.clip(np.rint(shades), 0, 255).astype(np.uint8))
            elif image.mode == "F":
                raise InputError(f"{path}: pixels are 32-bit floats; save it with 8 bits a channel")
            if "A" in image.getbands() or "transparency" in image.info:
                image = image.convert("RGBA")
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image)
            image = image.convert("RGB")
            side = min(image.size)
            left, top = (image.width - side) / 2, (image.height - side) / 2
            resized = image.resize(
                (size, size),
                Image.Resampling.BILINEAR,
                box=(left, top, left + side, top + side),
            )
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(
            f"{path}: not a readable image (of no format that Pillow knows); replace or remove it"
        ) from None
    # Pillow's readers raise SyntaxError for a broken PNG and struct.error for a broken TIFF.
    except Exception as error:
        raise InputError(
            f"{path}: not a readable image ({one_line(error)}); replace or remove it"
        ) from error
    return np.asarray(resized)
