"""What a table or figure must say of its rows: their seeds, and the accuracy at home."""

import textwrap
from collections.abc import Iterable

import pandas as pd

from nasneurn.analysis.cells import (
    CELL,
    by_oracle,
    designs,
    levels,
    mean_over,
    same_domain,
    split,
)
from nasneurn.analysis.chance import chance_note

#: What stands beside every number of weights that were selected on target images.
ORACLE_SELECTION = "oracle selection: chosen on target images"

#: More settings than these are not listed in a caption.
LISTED = 3


def seeds_of(rows: pd.DataFrame) -> str:
    """``one seed``, ``5 seeds``, or ``2 to 5 seeds`` where cells have different numbers."""
    names = [*CELL, *(name for name in ("stem", "algorithm", "weights") if name in rows)]
    counts = designs(rows).groupby(names)["seed"].nunique()
    fewest, most = int(counts.min()), int(counts.max())
    if fewest != most:
        return f"{fewest} to {most} seeds"
    return "one seed" if most == 1 else f"{most} seeds"


def selection_of(rows: pd.DataFrame) -> str:
    """How the weights were selected, where targets took part in it; else nothing.

    >>> selection_of(pd.DataFrame({"selection": ["held_out", "oracle"]}))
    'oracle selection: chosen on target images'
    """
    return ORACLE_SELECTION if by_oracle(rows) else ""


def cautions(rows: pd.DataFrame) -> str:
    """What must be known of rows wherever they are told: selection, and trainings near chance."""
    return "; ".join(filter(None, [selection_of(rows), chance_note(rows)]))


def cautions_of(name: str, rows: pd.DataFrame, parts: Iterable[tuple[str, pd.DataFrame]]) -> str:
    """What must be known of the rows that a figure shows: those of its setting, else all.

    Args:
        name: of the figure.
        rows: all.
        parts: how the names of a setting's figures end, and its rows.
    """
    own = (part for ending, part in parts if ending and name.endswith(ending))
    return cautions(next(own, rows))


def notes_of(rows: pd.DataFrame, width: float) -> list[str]:
    """What must stand in a figure of rows: the selection, and trainings near chance.

    Args:
        rows: with the columns of ``accuracy.csv``.
        width: of the lines, in inches.
    """
    return in_lines((selection_of(rows), chance_note(rows)), width)


def in_lines(notes: Iterable[str], width: float) -> list[str]:
    """Notes as lines of a figure that is so many inches wide, each beginning one; empty ones none.

    >>> in_lines(["", "one", "two"], 4)
    ['one', 'two']
    """
    return [line for note in notes for line in textwrap.wrap(note, max(30, int(12 * width)))]


def own_accuracy(rows: pd.DataFrame) -> str:
    """Accuracy on test images of the sources themselves, for each stem.

    >>> own_accuracy(pd.DataFrame({"architecture": ["a"], "source": ["mnist"], "seed": [0],
    ...     "target": ["mnist"], "stem": ["none"], "accuracy": [0.97]}))
    "on the source's own test images: none 97.0%"
    """
    told = []
    for own, part in split(designs(same_domain(rows))):
        if part.empty:
            continue
        means = mean_over(part, ["stem"])
        listed = ", ".join(f"{stem} {100 * means[stem]:.1f}%" for stem in levels(part))
        label = ", ".join(own.values())
        told.append(f"{label}: {listed}" if label else listed)
    if not told:
        return "nothing was measured on the source's own test images"
    if len(told) > LISTED:
        return "on the source's own test images: see the table accuracy"
    return f"on the source's own test images: {'; '.join(told)}"


def randomness(table: pd.DataFrame, what: str = "95% interval and p") -> str:
    """What the intervals of a table of comparisons are over."""
    found = [name for name in dict.fromkeys(table["random"]) if name]
    if not found:
        return "too little for an interval"
    gaps = ", too little for an interval elsewhere" if "" in set(table["random"]) else ""
    return f"{what} over {' or '.join(found)}{gaps}"
