"""Figures without pyplot, so that many processes and threads may draw and nothing is left open."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import RLock
from typing import IO, TYPE_CHECKING, Any
from warnings import catch_warnings, filterwarnings

from alignment.errors import AlignmentError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Transform

#: Dots an inch of the files.
DPI = 150

#: Lines and text that are not the data's own.
INK, FAINT = "#333333", "#777777"


#: Vector files have their letters in them, and the same names inside each time that they are made.
VECTORS: Any = {"pdf.fonttype": 42, "svg.hashsalt": "nasneurn"}
#: Nor do they say when they were made: the same figure is the same file.
UNDATED: dict[str, dict[str, None]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}

#: Matplotlib's settings are one for all threads: who changes them lets others wait.
_SETTINGS = RLock()


@contextmanager
def plain_style() -> Iterator[None]:
    """Within it, text is no TeX, and its letters are those that Matplotlib itself brings."""
    import matplotlib as mpl

    with _SETTINGS, mpl.rc_context({"font.family": "DejaVu Sans", "text.usetex": False}):
        yield


@cache
def _axes_class() -> "type[Axes]":
    from matplotlib.axes import Axes

    class ShownAxes(Axes):
        """Axes that a notebook shows as their figure, which pyplot does not know of."""

        def _repr_png_(self) -> bytes:
            from io import BytesIO

            content = BytesIO()
            save(self, content)
            return content.getvalue()

    return ShownAxes


def new_axes(
    width: float, height: float, box: tuple[float, float, float, float] | None = None
) -> "Axes":
    """Axes in a figure of their own.

    Args:
        width: of the figure, in inches.
        height: the same.
        box: left, bottom, width and height of the axes, in inches; None leaves usual margins.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    if box is None:
        return figure.add_subplot(axes_class=_axes_class())
    left, bottom, wide, high = box
    place = (left / width, bottom / height, wide / width, high / height)
    return figure.add_axes(place, axes_class=_axes_class())


def save(axes: "Axes", target: "Path | IO[bytes]", format: str = "png") -> None:
    """Write the figure of ``axes`` as PNG, PDF or SVG."""
    import matplotlib as mpl

    with plain_style(), mpl.rc_context(VECTORS), catch_warnings():
        # A name in letters that the font lacks is drawn with boxes in their place.
        filterwarnings("ignore", message="Glyph .* missing from")
        _root(axes).savefig(target, dpi=DPI, format=format, metadata=UNDATED.get(format))


def as_written(texts: "Iterable[Text]") -> None:
    """Have ``texts`` shown as they are: a dollar sign begins no formula."""
    for text in texts:
        text.set_parse_math(False)


def text_width(texts: Iterable[str], size: float) -> float:
    """Width of the widest of ``texts`` in inches, in points of ``size``."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    renderer, font = RendererAgg(1, 1, 72), FontProperties(family="DejaVu Sans", size=size)
    with catch_warnings():
        filterwarnings("ignore", message="Glyph .* missing from")
        widths = [renderer.get_text_width_height_descent(text, font, False)[0] for text in texts]
    return float(max(widths, default=0.0)) / 72


def _narrow(part: str, width: float, size: float) -> list[str]:
    """A part that is too wide in pieces at its spaces, the further ones with a space in front."""
    pieces = [""]
    for word in part.split(" "):
        longer = f"{pieces[-1]} {word}" if pieces[-1].strip() else f"{pieces[-1]}{word}"
        if not pieces[-1].strip() or text_width([longer], size) <= width:
            pieces[-1] = longer
        else:
            pieces.append(f" {word}")
    return pieces


def wrapped(parts: Iterable[str], width: float, size: float) -> str:
    """``parts`` with semicolons between them, in lines that are no wider than ``width`` inches."""
    lines: list[str] = []
    for part in (piece for whole in parts for piece in _narrow(whole, width, size)):
        if part.startswith(" "):  # it goes on with a part that was too wide
            lines.append(part[1:])
            continue
        longer = f"{lines[-1]}; {part}" if lines else part
        if lines and text_width([longer], size) <= width:
            lines[-1] = longer
        else:
            lines = [*lines[:-1], f"{lines[-1]};", part] if lines else [part]
    return "\n".join(lines)


def beside(
    axes: "Axes", x: float, y: float, *, across: str = "inches", up: str = "inches"
) -> "Transform":
    """Places around ``axes``, which stay there when a layout moves them.

    Args:
        axes: beside them.
        x: the corner, in shares of their width: 0 is left, 1 right.
        y: the same of their height: 0 is below, 1 above.
        across: in what a place is given: "inches" from the corner; "shares" of the axes' width,
            from their left; or their "data".
        up: the same of heights.
    """
    from matplotlib.transforms import (
        BboxTransformTo,
        ScaledTranslation,
        blended_transform_factory,
    )

    inches = _root(axes).dpi_scale_trans + ScaledTranslation(x, y, BboxTransformTo(axes.bbox))
    units = {"inches": inches, "shares": axes.transAxes, "data": axes.transData}
    return blended_transform_factory(units[across], units[up])


def _root(axes: "Axes") -> "Figure":
    """The figure of ``axes``, also where these are in a part of it."""
    figure = axes.get_figure(root=True)
    if figure is None:
        raise AlignmentError("the axes to draw into are in no figure; take some of a figure")
    return figure


def size_of(axes: "Axes") -> tuple[float, float]:
    """Width and height of ``axes`` in inches, as they are now."""
    box = axes.get_window_extent()
    dpi = _root(axes).dpi
    return float(box.width / dpi), float(box.height / dpi)
