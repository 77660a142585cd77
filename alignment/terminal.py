"""Two sequences side by side in a terminal, and the table of representatives."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from math import isnan
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from alignment.layers import Architecture
from alignment.measures import null_of, substitution_of
from alignment.needleman_wunsch import PairAlignment, align_pair
from alignment.options import Options
from alignment.outcome import Alignment
from alignment.run import compute
from alignment.tokens import Tokens


class _Style(NamedTuple):
    sign: str
    colour: str
    many: str


#: What can stand in a row: two equal tokens, two of one kind, two different ones, a token alone.
_STYLES = {
    "match": _Style("=", "green", "matches"),
    "partial": _Style("~", "cyan", "of one kind"),
    "mismatch": _Style("x", "yellow", "mismatches"),
    "gap": _Style("-", "red", "gaps"),
}

#: A longer run of matches is shown by its first and last rows; so is a longer gap.
_LONGEST_RUN = 8


def pair_view(
    pair: Sequence[Architecture],
    options: Options,
    *,
    fold: bool = True,
    shuffles: int | None = None,
) -> RenderableType:
    """Show two architectures side by side, as they are aligned.

    Args:
        pair: the two; an architecture with itself may be given as one.
        options: what to compute.
        fold: show only the ends of long runs.
        shuffles: also say what the two score with their tokens shuffled so many times.
    """
    pair = [pair[0], pair[-1]]
    if pair[0].name == pair[1].name:
        pair[1] = replace(pair[1], name=f"{pair[1].name} again")
    outcome = compute(pair, replace(options, representatives=1), with_variants=False)
    alignment = align_first_two(outcome)
    shown = _pair_table(
        outcome.tokenized, alignment, float(outcome.similarity_matrix[0, 1]), options, fold
    )
    if shuffles is None:
        return shown
    null = null_of(outcome.tokenized, options, shuffles)
    told = (
        f"shuffled {shuffles} times: mean score {null.mean[0, 1]:.1f}, z {null.z[0, 1]:.1f}, "
        f"p {null.p[0, 1]:.3f}"
    )
    return _Printable(shown, Text(told))


def align_first_two(outcome: Alignment) -> PairAlignment:
    """The alignment of the first two architectures of ``outcome``."""
    options, tokens = outcome.options, outcome.tokenized
    matrix = substitution_of(tokens, options)
    return align_pair(tokens.sequences[0], tokens.sequences[1], options.scoring, matrix)


def _pair_table(
    tokens: Tokens, alignment: PairAlignment, similarity: float, options: Options, fold: bool
) -> RenderableType:
    words = [tokens.words(0), tokens.words(1)]
    rows = []
    for i, j in alignment.pairs:
        left = words[0][i] if i is not None else ""
        right = words[1][j] if j is not None else ""
        rows.append((_relation(left, right), i, left, j, right))
    counts = {name: sum(row[0] == name for row in rows) for name in _STYLES}
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("", justify="right", style="dim")
    table.add_column(Text(tokens.names[0]), justify="right")
    table.add_column("", justify="center")
    table.add_column(Text(tokens.names[1]))
    table.add_column("", style="dim")
    for kind, run in groupby(rows, key=lambda row: row[0]):
        run_rows = list(run)
        sign, style, _many = _STYLES[kind]
        shown = fold and len(run_rows) > _LONGEST_RUN
        for place, (_, i, left, j, right) in enumerate(run_rows):
            if shown and place == 3:
                hidden = len(run_rows) - 6
                table.add_row("", Text(f"{hidden} more", "dim"), "⋮", Text(kind, "dim"), "")
            if shown and 3 <= place < len(run_rows) - 3:
                continue
            table.add_row(
                "" if i is None else str(i + 1),
                Text(left or "·", style),
                Text(sign, style),
                Text(right or "·", style),
                "" if j is None else str(j + 1),
            )
    summary = ", ".join(
        f"{count} {_STYLES[name].many if count != 1 else name}"
        for name, count in counts.items()
        if count or name != "partial"
    )
    lengths = " and ".join(str(len(sequence)) for sequence in tokens.sequences)
    return _Printable(
        table,
        Text(),
        Text(f"score {alignment.score}  similarity {similarity:.3f}  ({options.title()})", "bold"),
        Text(f"{lengths} tokens: {summary}"),
    )


def _relation(left: str, right: str) -> str:
    if not left or not right:
        return "gap"
    if left == right:
        return "match"
    return "partial" if left.split(" ")[0] == right.split(" ")[0] else "mismatch"


def representatives_view(outcome: Alignment) -> RenderableType:
    """The representatives, and whom they stand for."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", justify="right", style="dim")
    table.add_column("representative")
    table.add_column("stable", justify="right")
    table.add_column("stands for")
    firmness = outcome.stability
    for place, (name, others) in enumerate(outcome.standing()):
        shown = ", ".join(others[:12]) + (f", and {len(others) - 12} more" if others[12:] else "")
        firm = firmness[place]
        table.add_row(
            str(place + 1),
            Text(name, "bold"),
            "" if isnan(firm) else f"{100 * firm:.0f} %",
            Text(shown),
        )
    return _Printable(Text(outcome.options.choice_title(), "dim"), table)


#: What stands in for a sign that the terminal's encoding lacks; "?" for all others.
_PLAIN = {"·": ".", "⋮": ":", "●": "*", "…": "~", "—": "-", "–": "-"}


class _Printable:
    """Renderables one below the other, of signs that the console's encoding has."""

    def __init__(self, *parts: RenderableType) -> None:
        self._all = Group(*parts)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._all, options):
            yield Segment(
                _encodable(segment.text, console.encoding), segment.style, segment.control
            )


def _encodable(text: str, encoding: str) -> str:
    """``text``, with other signs for those that ``encoding`` lacks.

    >>> _encodable("a · ●", "latin-1"), _encodable("a · ●", "ascii")
    ('a · *', 'a . *')
    """
    try:
        text.encode(encoding)
        return text
    except UnicodeEncodeError:
        letters = (letter if _has(encoding, letter) else _PLAIN.get(letter, "?") for letter in text)
        return "".join(letters)


def _has(encoding: str, letter: str) -> bool:
    try:
        letter.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def console() -> Console:
    """Standard output, as wide as the text if it is not a terminal, so that pipes lose nothing."""
    found = Console()
    return found if found.is_terminal else Console(width=200)
