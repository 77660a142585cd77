"""Found architectures drawn as pictures of their blocks."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from nasneurn.networks.found import where_found

#: One drawn block: what stands in it, and the kind that gives it its colour.
Block = tuple[str, str]

#: Inches from one block to the next.
UNIT = 0.86

#: What the blocks of a space are: the words that need it, and what they mean.
MEANINGS = {
    "spos": (
        ({"k3", "k5", "k7"}, "a ShuffleNetV2 block whose depthwise kernel has so many pixels"),
        ({"xcep"}, "one with three depthwise kernels of 3 pixels, as Xception has them"),
    ),
    "autoformer": (
        ({"embed"}, "numbers in a token"),
        ({"heads"}, "heads of attention in the block"),
        ({"MLP"}, "how much wider its MLP is inside"),
    ),
}


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
            ``params`` and ``held_out_accuracy`` (None where it is not known),
            ``selected_under`` where that is not ``clean``, and what says where it was found:
            ``space``, ``source``, ``searched_stem``, ``seed``; without these, its name does.
    """
    lines = [blocks_of(str(one["stem"]), one["choices"]) for one in found]
    kinds = sorted({kind for line in lines for _, kind in line} - {"stem", "embedding"})
    name = "Set2" if len(kinds) <= 8 else "husl"
    palette = dict(zip(kinds, sns.color_palette(name, len(kinds)), strict=True))
    colours = {"stem": "0.85", "embedding": "0.93", **palette}
    longest = max(len(line) for line in lines)
    # Names of own spaces, stems and domains may be long.
    names, about = [_where(one) for one in found], [_about(one) for one in found]
    wide = 0.35 + max(0.098 * max(map(len, names)), 0.061 * max(map(len, about)))
    width, row_height = wide + UNIT * (longest + 0.2), 0.62
    told = textwrap.wrap(_meaning(found, lines), int((width - 0.2) / 0.072))
    rows = len(lines) + 0.3 + 0.28 * len(told)
    figure = Figure(figsize=(width, row_height * rows))
    axis = figure.add_axes((0, 0, 1, 1))
    left = -wide / UNIT
    axis.set_xlim(left, longest + 0.2)
    axis.set_ylim(rows - 0.3, -0.3)
    axis.axis("off")
    axis.text(
        left + 0.1, len(lines), "\n".join(told), va="top", fontsize=8, color="0.4", linespacing=1.4
    )
    for row, line in enumerate(lines):
        axis.text(left + 0.1, row + 0.3, names[row], va="center", weight="bold")
        axis.text(left + 0.1, row + 0.62, about[row], va="center", fontsize=7, color="0.4")
        for column, (text, kind) in enumerate(line):
            _draw_block(axis, column, row, text, colours[kind])
    return figure


def _where(one: Mapping[str, Any]) -> str:
    """What an architecture was found on, in words; of one that does not say it, its name."""
    if not one.get("source"):
        return str(one["name"])
    searched = str(one.get("searched_stem") or one["stem"])
    return where_found(str(one["source"]), searched, one.get("seed", 0))


def _meaning(found: Sequence[Mapping[str, Any]], lines: Sequence[Sequence[Block]]) -> str:
    """What the words in the blocks mean, of those that are there."""
    there = {word for line in lines for text, _ in line for word in text.split()}
    told = [
        f"{', '.join(sorted(words & there))}: {meaning}"
        for space in dict.fromkeys(str(one.get("space", "")) for one in found)
        for words, meaning in MEANINGS.get(space, ())
        if words & there
    ]
    return "; ".join(["the grey block: the stem", *told])


def _about(one: Mapping[str, Any]) -> str:
    told = f"{one['flops'] / 1e6:.1f} M multiply-adds, {one['params'] / 1e3:.0f} k weights"
    if one.get("source") and one.get("space"):
        told = f"{one['space']}, {told}"
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
