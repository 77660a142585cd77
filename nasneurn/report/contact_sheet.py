"""A contact sheet of a suite: every domain, as it is and as a stem shows it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nasneurn.domains.suite import Part, Split, Suite
from nasneurn.files import written_atomically
from nasneurn.tensors import tensor_of

if TYPE_CHECKING:
    from torch import nn

#: Images of one domain on the sheet, one a class as far as they go.
COLUMNS = 10
INK, FAINT, PAPER = "#1b1f24", "#6b737c", "#ffffff"


def contact_sheet(suite: Suite, out: Path, stem: str = "neurn") -> Path:
    """Draw two rows a domain, training images and the same through ``stem``, to the PNG ``out``.

    Of a domain that is only tested these are test images.

    What a stem gives outside [0, 1] is scaled for the eye, each image from its 1st to its 99th
    percentile.

    Raises:
        InputError: no such stem, a domain that cannot be read, or ``out`` cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from nasneurn.stems import create_stem

    module = create_stem(stem)
    rows = []
    for domain in suite.domains:
        part: Part = "test" if domain in suite.tested_only else "train"
        chosen = examples(suite.images(domain, part), len(suite.classes))
        raw = np.asarray(chosen.images)
        rows.append((domain, raw, through(module, raw)))

    columns = max(len(raw) for _, raw, _ in rows)
    tile, gap, top = 0.62, 0.16, 0.75
    left = 0.5 + 0.1 * max(len(stem), 10, *map(len, suite.domains))
    width = left + columns * tile + 0.3
    height = top + len(rows) * (2 * tile + gap) + 0.1
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    FigureCanvasAgg(figure)

    def write(x: float, y: float, text: str, **style: Any) -> None:
        figure.text(x / width, 1 - y / height, text, va="center", **style)

    write(0.25, 0.28, f"The suite {suite.name}", size=13, weight="bold", color=INK)
    for column in range(columns):
        if columns <= len(suite.classes):
            x = left + (column + 0.5) * tile
            write(x, 0.58, suite.classes[column][:9], size=8, color=FAINT, ha="center")
    for row, (domain, raw, seen) in enumerate(rows):
        y = top + row * (2 * tile + gap)
        write(0.25, y + 0.5 * tile, domain, size=10, weight="bold", color=INK)
        write(0.25, y + 1.5 * tile, stem, size=9, color=FAINT)
        for column in range(len(raw)):
            for below, image in enumerate((raw[column], seen[column])):
                place = (left + column * tile, y + below * tile)
                axes = figure.add_axes(
                    (
                        place[0] / width,
                        1 - (place[1] + tile) / height,
                        0.96 * tile / width,
                        0.96 * tile / height,
                    )
                )
                axes.imshow(image, interpolation="nearest")
                axes.set_axis_off()
    for text in figure.texts:  # names of folders, in which a dollar sign begins no formula
        text.set_parse_math(False)
    with written_atomically(out) as draft:
        figure.savefig(draft, format="png", dpi=150)
    return out


def examples(split: Split, classes: int) -> Split:
    """Choose the images shown: the first of each of the first classes, or more of fewer."""
    each = max(COLUMNS // classes, 1)
    rows = [
        row
        for label in range(min(classes, COLUMNS))
        for row in np.flatnonzero(split.labels == label)[:each]
    ]
    return split.take(np.asarray(rows, dtype=np.int64))


def through(stem: "nn.Module", images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Apply a stem to uint8 (N, H, W, 3) and return what can be shown: floats in [0, 1]."""
    import torch

    batch = tensor_of(np.asarray(images)).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        seen = stem.eval()(batch).float().permute(0, 2, 3, 1).numpy()
    if seen.shape[-1] != 3:  # a stem with its own channels is shown by their mean
        seen = np.repeat(seen.mean(axis=-1, keepdims=True), 3, axis=-1)
    if seen.min() < 0 or seen.max() > 1:
        low, high = np.percentile(seen, (1, 99), axis=(1, 2, 3), keepdims=True)
        seen = (seen - low) / np.maximum(high - low, 1e-12)
    return np.asarray(np.clip(seen, 0, 1), dtype=np.float32)
