"""Digits drawn in the fonts that matplotlib ships: the looks of ``print`` and of ``street``.

Every image is drawn at twice its size and averaged down, so edges are as soft as a camera's.
Each look takes numpy's generator and nothing else that varies, so a seed fixes its images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = 32
#: Images are drawn this many times larger and averaged down.
OVERSAMPLING = 2
#: Height in pixels of the master drawing of a glyph, before it is placed.
MASTER = 96
AXIS = np.linspace(-1, 1, SIZE, dtype=np.float32)

Floats = npt.NDArray[np.float32]

#: Fonts of the training images and of the test images. No font is in both; every family but
#: STIX Italic's is, so that the test asks for a new cut and not for a new script. Left out are
#: cmmi10 (old-style figures), and the fonts of symbols and of large operators.
FONTS = {
    "train": (
        "DejaVuSans",
        "DejaVuSans-Bold",
        "DejaVuSans-BoldOblique",
        "DejaVuSansMono",
        "DejaVuSansMono-BoldOblique",
        "DejaVuSerif",
        "DejaVuSerif-Bold",
        "DejaVuSerif-Italic",
        "STIXGeneral",
        "STIXGeneralBolIta",
        "STIXGeneralItalic",
        "cmr10",
        "cmb10",
        "cmtt10",
    ),
    "test": (
        "DejaVuSans-Oblique",
        "DejaVuSansMono-Bold",
        "DejaVuSansMono-Oblique",
        "DejaVuSerif-BoldItalic",
        "STIXGeneralBol",
        "cmss10",
    ),
}


@cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    # The basic layout: the optional Raqm engine would place glyphs otherwise on some machines.
    return ImageFont.truetype(str(path), MASTER, layout_engine=ImageFont.Layout.BASIC)


@cache
def _glyph(font: str, digit: int, weight: int) -> Image.Image:
    """Draw one digit white on black, cropped to its ink; ``weight`` thickens it, in pixels."""
    drawn = Image.new("L", (2 * MASTER, 2 * MASTER))
    ImageDraw.Draw(drawn).text(
        (MASTER // 2, MASTER // 2), str(digit), font=_font(font), fill=255, stroke_width=weight
    )
    return drawn.crop(drawn.getbbox())


@dataclass(frozen=True)
class Hand:
    """How the digits of one image are set: one for a digit and its neighbours."""

    font: str
    weight: int
    height: float
    slant: float
    turn: float
    stretch: float


def _place(canvas: Floats, digit: int, hand: Hand, centre: tuple[float, float]) -> float:
    """Add a digit's ink to ``canvas`` (values 0 to 1) and return the digit's width in pixels.

    ``centre`` (x, y) and ``hand.height`` are in pixels of the final image.
    """
    glyph = _glyph(hand.font, digit, hand.weight)
    scale = hand.height * OVERSAMPLING / glyph.height
    across, down = scale * hand.stretch, scale
    cos, sin = np.cos(hand.turn), np.sin(hand.turn)
    # Glyph to canvas: scale, then slant, then turn. Pillow wants the inverse, about the centres.
    forward = (
        np.array([[cos, -sin], [sin, cos]])
        @ np.array([[1.0, -hand.slant], [0.0, 1.0]])
        @ np.diag([across, down])
    )
    # Shrunk first by a box filter: the affine transform samples points and would alias.
    factor = max(int(1 / max(across, down)), 1)
    source = glyph.reduce(factor) if factor > 1 else glyph
    inverse = np.linalg.inv(forward) / factor
    middle = np.array([source.width, source.height]) / 2
    shift = middle - inverse @ (np.array(centre) * OVERSAMPLING)
    coefficients = (*inverse[0], shift[0], *inverse[1], shift[1])
    placed = source.transform(
        (canvas.shape[1], canvas.shape[0]),
        Image.Transform.AFFINE,
        coefficients,
        resample=Image.Resampling.BILINEAR,
    )
    np.maximum(canvas, np.asarray(placed, dtype=np.float32) / 255, out=canvas)
    return glyph.width * across / OVERSAMPLING


def _reduced(canvas: Floats) -> Floats:
    """Average the oversampled canvas down to the final size."""
    blocks = canvas.reshape(SIZE, OVERSAMPLING, SIZE, OVERSAMPLING, *canvas.shape[2:])
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def _empty_canvas() -> Floats:
    return np.zeros((SIZE * OVERSAMPLING, SIZE * OVERSAMPLING), dtype=np.float32)


def _blurred(image: Floats, radius: float) -> Floats:
    """Blur (H, W, 3) values in 0..255 as a lens does; the result is whole-numbered."""
    pixels = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    return np.asarray(pixels.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32)


@cache
def _interpolation(cells: int) -> Floats:
    """Tabulate Pillow's bicubic enlargement of ``cells`` values: a (32, ``cells``) matrix."""
    units = Image.fromarray(np.eye(cells, dtype=np.float32))
    return np.asarray(units.resize((cells, SIZE), Image.Resampling.BICUBIC), dtype=np.float32)


def _smooth_noise(random: np.random.Generator, cells: int) -> Floats:
    """Clouds in about -1..1: noise on a grid of ``cells`` x ``cells``, interpolated."""
    grid = random.uniform(-1, 1, (cells, cells)).astype(np.float32)
    enlarge = _interpolation(cells)
    return np.asarray(enlarge @ grid @ enlarge.T, dtype=np.float32)


def _slope(random: np.random.Generator) -> Floats:
    """A plane in -1..1 that falls in a random direction, like light from one side."""
    angle = random.uniform(0, 2 * np.pi)
    plane = np.cos(angle) * AXIS[None, :] + np.sin(angle) * AXIS[:, None]
    return np.asarray(plane / np.sqrt(2), dtype=np.float32)


def printed(digit: int, fonts: tuple[str, ...], random: np.random.Generator) -> Floats:
    """Draw a scanned figure: dark ink on light paper, (H, W, 3) in 0..255."""
    hand = Hand(
        font=fonts[random.integers(len(fonts))],
        weight=int(random.integers(0, 4)),
        height=random.uniform(15, 25),
        slant=random.normal(0, 0.12),
        turn=random.normal(0, 0.06),
        stretch=random.uniform(0.85, 1.2),
    )
    canvas = _empty_canvas()
    _place(canvas, digit, hand, tuple(SIZE / 2 + random.uniform(-3, 3, 2)))
    coverage = _reduced(canvas)[..., None]
    # Ink lies unevenly on rough paper.
    coverage = (
        coverage
        * (1 - random.uniform(0, 0.25) * (0.5 + 0.5 * _smooth_noise(random, 12)))[..., None]
    )
    paper = random.uniform(195, 250) + random.normal(0, 1, 3) * np.array([2, 2, 5])
    light = random.uniform(0, 14) * _slope(random) + random.uniform(0, 4) * _smooth_noise(random, 5)
    ink = random.uniform(10, 85) + random.normal(0, 6, 3)
    image = (paper + light[..., None]) * (1 - coverage) + ink * coverage
    image = _blurred(image, random.uniform(0.2, 0.8))
    grain = random.normal(0, random.uniform(1, 5), (SIZE, SIZE, 1))
    return np.asarray(image + grain, dtype=np.float32)


#: Tints added to a grey: brick, ochre, wood, moss, steel and enamel blue.
PAINTS = np.array(
    [[42, -16, -26], [32, 14, -40], [22, 2, -24], [-22, 22, -10], [-14, -2, 16], [-34, -8, 42]]
)


def _paint(random: np.random.Generator) -> Floats:
    """Draw the colour of a wall, a door or a number: mostly grey, at times strongly tinted."""
    shade = random.uniform(25, 230)
    tint = random.normal(0, 6, 3)
    if random.random() < 0.3:
        tint = tint + PAINTS[random.integers(len(PAINTS))] * random.uniform(0.4, 1.3)
    return np.asarray(shade + tint, dtype=np.float32)


def street(digit: int, fonts: tuple[str, ...], random: np.random.Generator) -> Floats:
    """Draw a house number's figure as in SVHN, (H, W, 3) in 0..255.

    The figure fills the height of the crop; its neighbours reach into it; ground and figure differ
    little, either one being the lighter; light is uneven, focus soft, compression visible.
    """
    hand = Hand(
        font=fonts[random.integers(len(fonts))],
        weight=int(random.integers(0, 6)),
        height=random.uniform(19, 28),
        slant=random.normal(0, 0.08),
        turn=random.normal(0, 0.07),
        stretch=random.uniform(0.75, 1.15),
    )
    canvas = _empty_canvas()
    x, y = SIZE / 2 + random.uniform(-2, 2, 2)
    width = _place(canvas, digit, hand, (x, y))
    spacing = random.uniform(1, 5)
    for side in (-1, 1):
        if random.random() < 0.6:
            other = int(random.integers(10))
            glyph = _glyph(hand.font, other, hand.weight)
            other_width = hand.height * hand.stretch * glyph.width / glyph.height
            along = side * ((width + other_width) / 2 + spacing)
            centre = (x + along * np.cos(hand.turn), y + along * np.sin(hand.turn))
            _place(canvas, other, hand, centre)

    ground = _paint(random)
    # Contrast as measured on SVHN: standard deviations within an image of about 15 to 55.
    contrast = np.exp(random.normal(np.log(85), 0.42))
    lighter = random.random() < 0.5
    if not 0 <= ground.mean() + (contrast if lighter else -contrast) <= 255:
        lighter = ground.mean() < 128
    figure = ground + (contrast if lighter else -contrast) + random.normal(0, 9, 3)

    coverage = _reduced(canvas)[..., None]
    texture: Floats = np.asarray(random.uniform(0, 26) * _slope(random), dtype=np.float32)
    for cells, strength in ((4, 12), (9, 9), (20, 9)):
        texture += (random.uniform(0, strength) * _smooth_noise(random, cells)).astype(np.float32)
    wall = ground + texture[..., None] * random.uniform(0.8, 1.2, 3)
    if random.random() < 0.3:  # the edge of a plate, a door frame or a shadow
        wall += _edge(random)[..., None] * random.uniform(-45, 45)
    if random.random() < 0.35:  # raised figures throw a shadow
        dark = np.roll(coverage, tuple(random.integers(1, 3, 2)), axis=(0, 1))
        wall -= dark * random.uniform(10, 60)
    lit = figure + 0.5 * texture[..., None]
    image = _blurred(wall * (1 - coverage) + lit * coverage, random.uniform(0.5, 1.5))
    grain = random.normal(0, random.uniform(1, 4), (SIZE, SIZE, 3))
    return _compressed(np.asarray(image + grain, dtype=np.float32), int(random.integers(45, 92)))


def _edge(random: np.random.Generator) -> Floats:
    """A step from 0 to 1 along a straight, nearly upright or level line near a border."""
    position = random.uniform(0, 7)
    tilt = random.normal(0, 0.1)
    across, along = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    step = np.clip(position + tilt * along - across + 0.5, 0, 1).astype(np.float32)
    return np.rot90(step, int(random.integers(4)))


def _compressed(image: Floats, quality: int) -> Floats:
    """What JPEG leaves of the image."""
    buffer = BytesIO()
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality)
    return np.asarray(Image.open(buffer), dtype=np.float32)


Look = Callable[[int, tuple[str, ...], np.random.Generator], Floats]


def draw(
    look: Look, labels: npt.NDArray[np.int64], fonts: tuple[str, ...], random: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Draw one image a label: uint8, (N, 32, 32, 3)."""
    images = np.empty((len(labels), SIZE, SIZE, 3), dtype=np.uint8)
    for row, label in enumerate(labels):
        images[row] = np.clip(np.rint(look(int(label), fonts, random)), 0, 255)
    return images
