"""The published matrix, this project's, and the difference, side by side."""

from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from alignment.arrays import FloatArray
from alignment.colours import palette
from alignment.drawing import as_written, new_axes, plain_style
from alignment.fidelity import AS_THEY_ARE, Fidelity

#: Differences beyond this have the colours at the ends of the scale.
_MOST = 0.6


def draw_fidelity(fidelity: Fidelity, way: str) -> Axes:
    """Three panels with the same rows and columns, in the published order.

    The first two share one scale and the palette of the paper's figure.

    Args:
        fidelity: what is drawn.
        way: which of ``fidelity.compared``.

    Returns:
        The axes of the first panel.
    """
    one, published = fidelity.compared[way], fidelity.published
    count = len(published.names)
    side = max(3.2, 0.155 * count)
    low = float(np.floor(10 * min(published.values.min(), one.similarity.min())) / 10)
    both = {"cmap": palette("rocket"), "vmin": low, "vmax": 1.0}
    apart = {"cmap": "RdBu_r", "vmin": -_MOST, "vmax": _MOST}
    # Inches: what the names, the gap between two panels, a scale, title and note take.
    margin, gap, bars, top, bottom = 1.4, 0.2, 0.75, 1.45, 1.85
    width = 2 * margin + 3 * side + gap + 2 * bars + 0.2
    height = top + side + bottom
    with plain_style():
        first = new_axes(width, height, (margin, bottom, side, side))
        figure = first.figure
        left = [margin + side + gap, 2 * margin + 2 * side + gap + bars]
        places = [(x / width, bottom / height, side / width, side / height) for x in left]
        axes = [first, *map(figure.add_axes, places)]
        names = list(published.names)
        panels: list[tuple[str, FloatArray, dict[str, object]]] = [
            (published.title, published.values, both),
            (f"nasneurn, networks {way}", one.similarity, both),
            ("difference: nasneurn minus published", one.similarity - published.values, apart),
        ]
        for place, (axis, (title, values, scale)) in enumerate(zip(axes, panels, strict=True)):
            _panel(axis, values, names, title, scale, named=place != 1)
        _bar(figure, axes[1], "similarity", width)
        _bar(figure, axes[2], "difference", width, extend="both")
        title = f"How near the alignment of {count} networks comes to {published.title}"
        about = f"{one.agreement}\n{fidelity.options.words()}"
        note = "\n".join(wrap(_note(fidelity, way), int(width * 9)))
        x, grey = margin / width, "#444444"
        figure.text(x, 1 - 0.3 / height, title, size=14, va="top")
        figure.text(x, 1 - 0.62 / height, about, size=10, va="top", color=grey, linespacing=1.4)
        figure.text(x, 0.1 / height, note, size=9, va="bottom", color=grey)
        as_written(
            text for one in axes for text in (*one.get_xticklabels(), *one.get_yticklabels())
        )
        return first


def _panel(
    axes: Axes,
    values: FloatArray,
    names: list[str],
    title: str,
    scale: dict[str, object],
    *,
    named: bool,
) -> None:
    axes.pcolormesh(values, **scale)  # type: ignore[arg-type]
    axes.invert_yaxis()
    axes.set_aspect("equal")
    places = np.arange(len(names)) + 0.5
    axes.set_xticks(places, names, rotation=90, fontsize=8)
    if named:
        axes.set_yticks(places, names, fontsize=8)
    else:
        axes.set_yticks([])
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(title, fontsize=11, loc="left", pad=6)


def _bar(
    figure: Figure | SubFigure, axes: Axes, label: str, width: float, extend: str = "neither"
) -> None:
    place = axes.get_position()
    bar = figure.add_axes((place.x1 + 0.15 / width, place.y0, 0.16 / width, place.height * 0.5))
    figure.colorbar(axes.collections[0], cax=bar, extend=extend)
    bar.set_title(label, fontsize=9, loc="left", pad=10)
    bar.tick_params(labelsize=8)


def _note(fidelity: Fidelity, way: str) -> str:
    """What "as printed" means."""
    here = set(fidelity.published.names)
    changed = [one for one in fidelity.published.substitutions if one.name in here]
    if way == AS_THEY_ARE or not changed:
        return ""
    copies = [one for one in changed if one.sequence_of]
    alone = [one.name for one in changed if not one.sequence_of]
    parts = []
    if copies:
        parts.append(
            f"{copies[0].name} to {copies[-1].name} have the sequence of {copies[0].sequence_of}, "
            "as equal rows of the figure show"
        )
    if alone:
        parts.append(
            f"{' and '.join(alone)} have their LayerNorms alone, which is fitted: their sequences "
            "in the figure are not known"
        )
    return f"As printed: {'; '.join(parts)}."
