"""Found architectures drawn as pictures of their blocks."""

from collections.abc import Mapping, Sequence
from typing import Any

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

#: One drawn block: what stands in it, and the kind that gives it its colour.
Block = tuple[str, str]

#: Inches from one block to the next.
UNIT = 0.86


def blocks_of(stem: str, choices: Mapping[str, Any]) -> list[Block]:
    """The blocks of an architecture in the order of the data, stem first."""
    drawn: list[Block] = [(stem.replace("_", "\n").replace(":", "\n"), "stem")]
    if "embed_dim" in choices:
        drawn.append((f"embed\n{choices['embed_dim']}", "embedding"))
        for index in range(choices["depth"]):
            heads, ratio = choices[f"num_head_{index}"], choices[f"mlp_ratio_{index}"]
            drawn.append((f"{heads} heads\nMLP x{ratio:g}", f"MLP x{ratio:g}"))
        return drawn
    return drawn + [(str(value), str(value)) for value in choices.values()]


def draw_architectures(found: Sequence[Mapping[str, Any]]) -> Figure:
    """One line of blocks for each architecture, coloured by what was chosen.

    Args:
        found: each with ``name``, ``stem`` (text), ``choices`` (a value by label), ``flops``,
            ``params`` and ``held_out_accuracy`` (None where it is not known), and
            ``selected_under`` where that is not ``clean``.
    """
    lines = [blocks_of(str(one["stem"]), one["choices"]) for one in found]
    kinds = sorted({kind for line in lines for _, kind in line} - {"stem", "embedding"})
    name = "Set2" if len(kinds) <= 8 else "husl"
    palette = dict(zip(kinds, sns.color_palette(name, len(kinds)), strict=True))
    colours = {"stem": "0.85", "embedding": "0.93", **palette}
    longest = max(len(line) for line in lines)
    # Names of own spaces, stems and domains may be long.
    about = [_about(one) for one in found]
    wide = 0.35 + max(
        0.098 * max(len(str(one["name"])) for one in found), 0.061 * max(map(len, about))
    )
    size = (wide + UNIT * (longest + 0.2), 0.5 + 0.62 * len(lines))
    figure = Figure(figsize=size)
    axis = figure.add_axes((0, 0, 1, 1))
    left = -wide / UNIT
    axis.set_xlim(left, longest + 0.2)
    axis.set_ylim(len(lines), -0.3)
    axis.axis("off")
    for row, (one, line) in enumerate(zip(found, lines, strict=True)):
        axis.text(left + 0.1, row + 0.3, str(one["name"]), va="center", weight="bold")
        axis.text(left + 0.1, row + 0.62, about[row], va="center", fontsize=7, color="0.4")
        for column, (text, kind) in enumerate(line):
            _draw_block(axis, column, row, text, colours[kind])
    return figure


def _about(one: Mapping[str, Any]) -> str:
    told = f"{one['flops'] / 1e6:.1f} M multiply-adds, {one['params'] / 1e3:.0f} k weights"
    if one.get("held_out_accuracy") is None:
        return told
    shifted = " under shifts" if one.get("selected_under") == "shifts" else ""
    return f"{told}, {100 * one['held_out_accuracy']:.1f}% held-out{shifted}"


def _draw_block(axis: Axes, column: int, row: int, text: str, colour: Any) -> None:
    if column:
        axis.plot([column - 0.06, column], [row + 0.45] * 2, color="0.5", linewidth=1)
    axis.add_patch(
        FancyBboxPatch(
            (column + 0.02, row + 0.14), 0.9, 0.62,
            boxstyle="round,pad=0,rounding_size=0.08", facecolor=colour, edgecolor="none",
        )
    )  # fmt: skip
    lines, width = text.count("\n") + 1, max(map(len, text.split("\n")))
    size = min(8.0 if lines < 3 else 6.5, 68 / max(width, 8))
    axis.text(column + 0.47, row + 0.45, text, ha="center", va="center", fontsize=size)
