"""How near this project's similarities come to the paper's figure, or to any other matrix.

The networks are compared twice: as they are, and as the figure seems to have had them
(:data:`alignment.printed.AS_PRINTED`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np

from alignment.agreement import Agreement, agreements
from alignment.arrays import FloatArray
from alignment.layers import Architecture
from alignment.listings import SILENT, UNCOUNTED
from alignment.options import PRESETS, Options
from alignment.printed import Matrix, Substitution, as_printed
from alignment.run import Aligner
from alignment.similarity import NORMALIZATIONS
from alignment.tokens import SCHEMES

#: The two ways to take the networks.
PRINTED, AS_THEY_ARE = "as printed", "as they are"


@dataclass(frozen=True, eq=False)
class Compared:
    """Similarities beside those of the matrix they are compared with.

    Attributes:
        similarity: (N, N), in the matrix's order.
        agreement: with the matrix.
    """

    similarity: FloatArray
    agreement: Agreement


@dataclass(frozen=True, eq=False)
class Fidelity:
    """An alignment beside a matrix of the same networks.

    Attributes:
        options: of the alignment.
        architectures: as they are, in the order of the matrix.
        published: the matrix, of these networks alone.
        compared: by :data:`PRINTED` and :data:`AS_THEY_ARE`; the first only where the matrix had
            other sequences for some of the networks.
    """

    options: Options
    architectures: tuple[Architecture, ...]
    published: Matrix
    compared: Mapping[str, Compared]

    def __str__(self) -> str:
        head = f"against {self.published.title} ({self.options.title()}):"
        rows = (f"  networks {name}: {one.agreement}" for name, one in self.compared.items())
        return "\n".join([head, *rows])

    def pairs(self) -> Iterator[list[object]]:
        """A row a pair: both names, the published value, and for each way ours and the difference.

        The difference is ours less the published one.
        """
        names, values = self.published.names, self.published.values
        for a, b in zip(*np.triu_indices(len(names), 1), strict=True):
            row: list[object] = [names[a], names[b], f"{values[a, b]:.4f}"]
            for one in self.compared.values():
                ours = float(one.similarity[a, b])
                row += [f"{ours:.4f}", f"{ours - values[a, b]:.4f}"]
            yield row


def compare(
    architectures: Sequence[Architecture], published: Matrix, options: Options | None = None
) -> Fidelity:
    """Align ``architectures``, and compare their similarities with a matrix.

    Args:
        architectures: all of them must be in the matrix.
        published: see :func:`alignment.printed.read_matrix`.
        options: of the alignment; by default the paper's.

    Raises:
        AlignmentError: the matrix lacks some of them, or they are fewer than 3; also as
            :func:`alignment.run.compute`.
    """
    options = options or PRESETS["paper"]
    published = published.of([one.name for one in architectures])
    ways = _ways(architectures, published)
    matrices = [
        Aligner(networks, options.threads).similarity(options)[1] for networks in ways.values()
    ]
    compared = {
        name: Compared(matrix, agreement)
        for name, matrix, agreement in zip(
            ways, matrices, agreements(matrices, published.values), strict=True
        )
    }
    return Fidelity(options, ways[AS_THEY_ARE], published, compared)


def _ways(
    architectures: Sequence[Architecture], published: Matrix
) -> dict[str, tuple[Architecture, ...]]:
    """The networks in the matrix's order, in each way in which they can be taken."""
    by_name = {one.name: one for one in architectures}
    ordered = tuple(by_name[name] for name in published.names)
    printed = as_printed(ordered, published.substitutions)
    return (
        {AS_THEY_ARE: ordered} if printed == ordered else {PRINTED: printed, AS_THEY_ARE: ordered}
    )


class GridRow(NamedTuple):
    """One combination of options, and the networks taken in one way."""

    networks: str
    scheme: str
    normalization: str
    similarity: str
    agreement: Agreement


def grid(fidelity: Fidelity) -> list[GridRow]:
    """Every scheme, normalization, and score or correlation, with the scores of the options.

    Sequences are scored once for each scheme. A scheme that the networks cannot be written in is
    left out.
    """
    options, published = fidelity.options, fidelity.published
    keys: list[tuple[str, str, str, str]] = []
    matrices = []
    for way, networks in _ways(fidelity.architectures, published).items():
        aligner = Aligner(networks, options.threads)
        for scheme, normalization, kind in product(
            SCHEMES, NORMALIZATIONS, ("normalized", "correlation")
        ):
            chosen = replace(options, scheme=scheme, normalization=normalization, similarity=kind)
            if aligner.allows(chosen):
                keys.append((way, scheme, normalization, kind))
                matrices.append(aligner.similarity(chosen)[1])
    found = agreements(matrices, published.values)
    return [GridRow(*key, one) for key, one in zip(keys, found, strict=True)]


class RuleRow(NamedTuple):
    """What one part of the inferred rule is worth."""

    change: str
    networks: int
    layers: int
    agreement: Agreement


def rule_table(fidelity: Fidelity) -> list[RuleRow]:
    """The scheme ``published`` and the substitutions, each part of them taken back by itself.

    The first row is all of it. Then each class of layers that it does not count is counted, each
    that it counts is not, and each network that is another sequence in the figure is as it is.
    Everything else is as the options say.

    Returns:
        No rows if the listings of some networks are not known.
    """
    published = fidelity.published
    if not all(one.listing for one in fidelity.architectures):
        return []
    options = replace(fidelity.options, scheme="library")
    changes: list[tuple[str, int, int, FloatArray]] = []

    def measure(
        change: str,
        left_out: frozenset[str],
        substitutions: Sequence[Substitution] = published.substitutions,
        touched: tuple[int, int] = (0, 0),
    ) -> None:
        networks = as_printed(fidelity.architectures, substitutions)
        networks = tuple(_without(one, left_out) for one in networks)
        changes.append(
            (change, *touched, Aligner(networks, options.threads).similarity(options)[1])
        )

    measure("the rule", UNCOUNTED)
    measure("all counted", frozenset())
    listings = [Counter(one.listing) for one in as_printed(fidelity.architectures)]
    classes = sorted(set().union(*listings) - SILENT)
    for name in sorted(classes, key=lambda name: name not in UNCOUNTED):
        touched = (
            sum(listing[name] > 0 for listing in listings),
            sum(listing[name] for listing in listings),
        )
        change = f"{name} {'counted' if name in UNCOUNTED else 'not counted'}"
        measure(change, UNCOUNTED ^ {name}, touched=touched)
    for reason in dict.fromkeys(one.reason for one in published.substitutions):
        for names in _groups([one for one in published.substitutions if one.reason == reason]):
            rest = [one for one in published.substitutions if one.name not in names]
            what = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
            measure(f"{what} {AS_THEY_ARE}", UNCOUNTED, rest, (len(names), 0))
    found = agreements([matrix for *_, matrix in changes], published.values)
    return [
        RuleRow(change, networks, layers, one)
        for (change, networks, layers, _), one in zip(changes, found, strict=True)
    ]


def _groups(substitutions: Sequence[Substitution]) -> list[list[str]]:
    """Names that are taken back together: those that take the sequence of the same network."""
    together = [one.name for one in substitutions if one.sequence_of]
    alone = [[one.name] for one in substitutions if not one.sequence_of]
    return ([together] if together else []) + alone


def _without(one: Architecture, classes: frozenset[str]) -> Architecture:
    """``one`` without layers of ``classes``; as it is if no other would be left."""
    listing = tuple(name for name in one.listing if name not in classes)
    left = any(name not in SILENT for name in listing)
    return replace(one, listing=listing if left else one.listing)
