"""Found architectures drawn as pictures of their blocks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from nasneurn.report.style import DPI, STYLE

#: One drawn block: what stands in it, and the kind that gives it its colour.
Block = tuple[str, str]


def blocks_of(record: Mapping[str, Any]) -> list[Block]:
    """The blocks of a record of ``architecture.json`` in the order of the data, stem first."""
    architecture = dict(record["architecture"])
    stem = architecture.pop("stem", None) or record["stem"]["name"]
    drawn: list[Block] = [(str(stem).replace("_", "\n").replace(":", "\n"), "stem")]
    if "embed_dim" in architecture:
        drawn.append((f"embed\n{architecture['embed_dim']}", "embedding"))
        for index in range(architecture["depth"]):
            heads, ratio = architecture[f"num_head_{index}"], architecture[f"mlp_ratio_{index}"]
            drawn.append((f"{heads} heads\nMLP x{ratio:g}", f"MLP x{ratio:g}"))
        return drawn
    return drawn + [(str(value), str(value)) for value in architecture.values()]


def draw_architectures(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """One line of blocks for each record, coloured by what was chosen."""
    lines = [blocks_of(record) for record in records]
    kinds = sorted({kind for line in lines for _, kind in line} - {"stem", "embedding"})
    palette = dict(zip(kinds, sns.color_palette("Set2", len(kinds)), strict=True))
    colours = {"stem": "0.85", "embedding": "0.93", **palette}
    longest = max(len(line) for line in lines)
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(3.4 + 0.86 * longest, 0.5 + 0.62 * len(lines)))
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set_xlim(-3.2, longest + 0.2)
        axis.set_ylim(len(lines), -0.3)
        axis.axis("off")
        for row, (record, line) in enumerate(zip(records, lines, strict=True)):
            axis.text(-3.1, row + 0.3, str(record["run"]), va="center", weight="bold")
            about = (
                f"{record['flops'] / 1e6:.1f} M multiply-adds, {record['params'] / 1e3:.0f} k "
                f"weights, {100 * record['source_accuracy']:.1f}% held-out"
            )
            axis.text(-3.1, row + 0.62, about, va="center", fontsize=7, color="0.4")
            for column, (text, kind) in enumerate(line):
                _block(axis, column, row, text, colours[kind])
        figure.savefig(path, dpi=DPI)


def _block(axis: Axes, column: int, row: int, text: str, colour: Any) -> None:
    if column:
        axis.plot([column - 0.06, column], [row + 0.45] * 2, color="0.5", linewidth=1)
    axis.add_patch(
        FancyBboxPatch(
            (column + 0.02, row + 0.14), 0.9, 0.62,
            boxstyle="round,pad=0,rounding_size=0.08", facecolor=colour, edgecolor="none",
        )
    )  # fmt: skip
    lines = text.count("\n") + 1
    axis.text(
        column + 0.47, row + 0.45, text, ha="center", va="center", fontsize=8 if lines < 3 else 6.5
    )
