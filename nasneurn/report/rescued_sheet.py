"""A contact sheet of images that a stem rescues and of those that it loses, with saliency."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasneurn.diagnosis.examples import Examples, Sheet
from nasneurn.report.contact_sheet import through
from nasneurn.stems import create_stem

#: Red speaks against the right class, blue for it.
SALIENCY = "RdBu"
TILE = 0.82


def draw_sheet(sheet: Sheet) -> Figure:
    """For each kind the images, as they are and through the stem; under both the saliency."""
    stem = create_stem(sheet.applied_stem)
    blocks = [(one, _lines(one, stem, sheet.columns["stem"])) for one in sheet.examples]
    columns = max(len(one.images) for one in sheet.examples)
    count = sum(len(lines) for _, lines in blocks)
    width = 1.5 + TILE * max(columns, 6)
    height = 0.85 + TILE * count + 0.55 * len(blocks)
    figure = Figure(figsize=(width, height))

    def write(x: float, y: float, text: str, **style: Any) -> None:
        figure.text(x / width, 1 - y / height, text, **style)

    source, target = sheet.columns["source"], sheet.columns["target"]
    where = f"{source}, itself" if source == target else f"{source} → {target}"
    kind = [
        value for name, value in sheet.columns.items() if name not in ("source", "target", "stem")
    ]
    title = f"{where}, stem {sheet.columns['stem']}, {', '.join(kind)}"
    write(0.15, 0.3, title, size=11, weight="bold", va="center")
    told = "right class: answer without → with the stem"
    if sheet.examples[0].before is not None:
        told += "; blue speaks for the right class, red against it"
    write(0.15, 0.55, told, size=8, color="0.35", va="center")
    top = 0.85
    for one, lines in blocks:
        share = f"{100 * one.of_all / sheet.n:.1f}%"
        drawn = "all" if one.of_all == len(one.images) else f"{len(one.images)} drawn at random"
        write(
            0.15, top + 0.12, f"{one.kind}: {one.of_all} of {sheet.n} images ({share}), {drawn}",
            size=9, va="center",
        )  # fmt: skip
        top += 0.5
        for number, (name, tiles, style) in enumerate(lines):
            y = top + TILE * number
            write(0.15, y + TILE / 2, name, size=8, color="0.35", va="center")
            for column, tile in enumerate(tiles):
                place = (
                    (1.35 + TILE * column) / width,
                    1 - (y + 0.96 * TILE) / height,
                    0.94 * TILE / width,
                    0.94 * TILE / height,
                )
                axis: Axes = figure.add_axes(place)
                axis.imshow(tile, interpolation="nearest", **_limits(tile, style))
                axis.set_axis_off()
                if number == 0:
                    axis.set_title(one.captions[column], fontsize=7, pad=2)
        top += TILE * len(lines) + 0.05
    return figure


Line = tuple[str, npt.NDArray[Any], dict[str, Any]]


def _lines(one: Examples, stem: Any, name: str) -> list[Line]:
    """What stands below each other, from the image to the saliency with the stem."""
    lines: list[Line] = [("image", one.images, {})]
    if one.before is not None:
        lines.append(("network\nwithout stem", one.before, {"cmap": SALIENCY}))
    lines.append((f"through\n{name[:14]}", through(stem, one.images), {}))
    if one.after is not None:
        lines.append(("network\nwith stem", one.after, {"cmap": SALIENCY}))
    return lines


def _limits(tile: npt.NDArray[Any], style: dict[str, Any]) -> dict[str, Any]:
    """Saliency is scaled image by image: white is 0, and the strongest percent is cut."""
    if "cmap" not in style:
        return style
    reach = float(np.quantile(np.abs(tile), 0.99)) or 1.0
    return {**style, "vmin": -reach, "vmax": reach}
