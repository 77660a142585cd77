"""The paper's similarities as its authors' page prints them, and what the figure departs in.

The matrix is that of the figure on the project page (``alignment/data/README.md`` says how it was
read). A user's own matrix can take its place: a CSV file of the same form.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from alignment.arrays import FloatArray
from alignment.errors import AlignmentError
from alignment.layers import Architecture
from alignment.regular_files import opened

#: How the matrix of the figure is asked for.
PUBLISHED_MATRIX = "published"

#: Values of one pair may differ by so much in a file whose numbers were rounded.
_ROUNDING = 1e-6
#: No similarity of any kind is larger, also none in per cent; sums of squares of such are finite.
_LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class Substitution:
    """A network that seems to have had another sequence in the figure than its own.

    Attributes:
        name: the network.
        reason: what speaks for it.
        fitted: whether it was chosen because the figure is then nearer. Else the figure itself
            shows it.
        sequence_of: the network whose sequence it takes.
        alone: the layers that alone are kept: the class in a library's listing, and the kind of
            traced layers.
    """

    name: str
    reason: str
    fitted: bool
    sequence_of: str = ""
    alone: tuple[str, str] = ("", "")

    def applied(self, architectures: Sequence[Architecture]) -> Architecture:
        """Its network among ``architectures``, with the other sequence."""
        by_name = {one.name: one for one in architectures}
        one = by_name[self.name]
        if self.sequence_of:
            other = by_name[self.sequence_of]
            return replace(
                one, layers=other.layers, listing=other.listing, canonical=other.canonical
            )
        listed, kind = self.alone
        kept = [place for place, layer in enumerate(one.layers) if layer.kind == kind]
        moved = {place: new for new, place in enumerate(kept)}
        return replace(
            one,
            layers=tuple(one.layers[place] for place in kept),
            listing=tuple(name for name in one.listing if name == listed),
            canonical=tuple(moved[place] for place in one.canonical if place in moved),
        )


_ONE_ROW = "the figure's rows of EfficientNet-B1 to B7 are equal"
_SHORT = (
    "in the figure it is unlike all deep networks: a short sequence of tokens that no "
    "convolutional network has; which ones is not known, and its LayerNorms alone come near"
)
_LAYER_NORM = ("LayerNorm", "layer_norm")

#: The networks that are another sequence in the figure.
AS_PRINTED = (
    *(
        Substitution(f"efficientNetb{number}", _ONE_ROW, False, sequence_of="efficientNetb1")
        for number in range(2, 8)
    ),
    Substitution("midas", _SHORT, True, alone=_LAYER_NORM),
    Substitution("vit", _SHORT, True, alone=_LAYER_NORM),
)


def as_printed(
    architectures: Sequence[Architecture],
    substitutions: Sequence[Substitution] = AS_PRINTED,
) -> tuple[Architecture, ...]:
    """``architectures`` with the sequences that the figure seems to have been drawn from.

    A substitution without its networks among them is passed over, and so is one that would leave
    a sequence empty.
    """
    names = {one.name for one in architectures}
    found = {
        one.name: one.applied(architectures)
        for one in substitutions
        if {one.name, one.sequence_of or one.name} <= names
    }
    return tuple(
        found[one.name] if one.name in found and found[one.name].layers else one
        for one in architectures
    )


@dataclass(frozen=True, slots=True)
class Matrix:
    """Similarities to compare with.

    Attributes:
        title: how outputs call it.
        names: of the networks, in its order.
        values: (N, N), symmetric.
        substitutions: the networks that had another sequence there.
    """

    title: str
    names: tuple[str, ...]
    values: FloatArray
    substitutions: tuple[Substitution, ...] = ()

    def of(self, names: Sequence[str]) -> "Matrix":
        """The rows and columns of ``names``, in this matrix's order.

        Raises:
            AlignmentError: it lacks some of them, or they are fewer than 3.
        """
        known = set(self.names)
        if missing := [name for name in names if name not in known]:
            raise AlignmentError(
                f"{self.title} has no {', '.join(missing)}; it can be compared with "
                f"{', '.join(self.names)}"
            )
        wanted = set(names)
        places = [place for place, name in enumerate(self.names) if name in wanted]
        if len(places) < 3:
            raise AlignmentError(
                f"{len(places)} networks have too few pairs to compare with {self.title}; "
                "at least 3 are needed"
            )
        kept = tuple(self.names[place] for place in places)
        return replace(self, names=kept, values=self.values[np.ix_(places, places)])


def read_matrix(path: str | Path | None = None) -> Matrix:
    """The published matrix, or one of a CSV file.

    Args:
        path: a file whose first line names the columns after an empty or any other first cell,
            and whose further lines each have a name and its numbers, as ``similarity.csv`` has.
            None or "published" is the matrix of the paper's figure, in its order.

    Raises:
        AlignmentError: the file cannot be read, or is not such a matrix: not square, rows named
            otherwise than columns, not of numbers, of too large ones, not symmetric.
    """
    if path is None or str(path) == PUBLISHED_MATRIX:
        text = files("alignment").joinpath("data", "published_similarity.csv").read_text("utf-8")
        names, values = _read(text, "the published matrix")
        return Matrix("the published matrix", names, values, AS_PRINTED)
    try:
        with opened(Path(path)) as file:
            text = file.read().decode("utf-8-sig")
        names, values = _read(text, str(path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AlignmentError(
            f"{path}: cannot be read as a matrix of similarities ({reason}); give a CSV file, or "
            f"say {PUBLISHED_MATRIX}"
        ) from error
    return Matrix(Path(path).name, names, values)


def _read(text: str, source: str) -> tuple[tuple[str, ...], FloatArray]:
    rows = [row for row in csv.reader(text.splitlines()) if row]
    names = tuple(rows[0][1:]) if rows else ()
    if not names:
        raise AlignmentError(f"{source}: its first line names no networks")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise AlignmentError(f"{source}: {', '.join(twice)} is there twice")
    rows = rows[1:]
    given = [row[0] for row in rows]
    wrong = next((row for row in rows if len(row) != len(names) + 1), None)
    if len(rows) != len(names) or wrong is not None:
        what = f"row {wrong[0]!r} has {len(wrong) - 1}" if wrong else f"it has {len(rows)} rows"
        raise AlignmentError(f"{source}: not square: {what}, and there are {len(names)} columns")
    if missing := [name for name in names if name not in given]:
        raise AlignmentError(f"{source}: no row of {', '.join(missing)}, which a column names")
    values = np.array([_numbers(row, source) for row in rows])
    values = values[[given.index(name) for name in names]]
    apart = np.argwhere(np.abs(values - values.T) > _ROUNDING)
    if len(apart):
        a, b = apart[0]
        raise AlignmentError(
            f"{source}: not symmetric: {names[a]} and {names[b]} have {values[a, b]:g} and "
            f"{values[b, a]:g}"
        )
    return names, values


def _numbers(row: Sequence[str], source: str) -> FloatArray:
    try:
        numbers = np.array([float(cell) for cell in row[1:]])
    except ValueError as error:
        raise AlignmentError(f"{source}: row {row[0]!r} is not of numbers ({error})") from error
    if not np.isfinite(numbers).all():
        raise AlignmentError(f"{source}: row {row[0]!r} has a number that is not finite")
    if (largest := max(numbers, key=abs)) and abs(largest) > _LARGEST:
        raise AlignmentError(
            f"{source}: row {row[0]!r} has {largest:g}; similarities are at most {_LARGEST:g}"
        )
    return numbers
