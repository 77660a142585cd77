"""What one alignment has found: scores, similarities, clusters and representatives.

Everything that shows or writes an alignment reads :class:`Alignment`; :mod:`alignment.run` makes
it. It keeps NumPy arrays, and gives pandas DataFrames to those who ask for them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alignment.arrays import FloatArray, IntArray
from alignment.layers import Architecture
from alignment.options import Options
from alignment.representatives import Clusters, stability
from alignment.tokens import Tokens

if TYPE_CHECKING:
    import pandas as pd

#: Up to so many architectures a figure can name them, and the choice is repeated under other
#: options; above, a map takes the place of the heatmap.
NAMED = 150

#: The family of architectures that a search found, and how many known ones are named for each.
FOUND = "found"
NEAREST = 3


class SequenceRow(NamedTuple):
    """One architecture and its sequence of tokens: a row of ``tokens.csv``."""

    name: str
    family: str
    length: int
    params: int
    flops: int
    sequence: str


class MemberRow(NamedTuple):
    """One architecture and the representative that stands for it: a row of its table."""

    cluster: int
    representative: str
    medoid: str
    size: int
    mean_distance: float
    stability: float
    member: str
    distance: float


class NeighbourRow(NamedTuple):
    """A known architecture that one of a search resembles: a row of ``nearest.csv``."""

    found: str
    rank: int
    nearest: str
    family: str
    similarity: float


@dataclass(frozen=True)
class Variant:
    """What other options lead to.

    Attributes:
        name: what was changed.
        similarity_matrix: (N, N).
        clusters: with the medoids.
        chosen: the representatives' places, in the order of the medoids.
    """

    name: str
    similarity_matrix: FloatArray
    clusters: Clusters
    chosen: IntArray


@dataclass(frozen=True, eq=False, repr=False)
class Alignment:
    """Architectures, aligned.

    Attributes:
        options: that it was computed with.
        architectures: in the order of every matrix.
        tokenized: their sequences.
        score_matrix: (N, N), whole numbers.
        similarity_matrix: (N, N), in [0, 1].
        clusters: with the medoids.
        chosen: the representatives' places, one for each cluster, in the order of the medoids.
        variants: the same under other options; empty if that was not computed.
    """

    options: Options
    architectures: tuple[Architecture, ...]
    tokenized: Tokens
    score_matrix: IntArray
    similarity_matrix: FloatArray
    clusters: Clusters
    chosen: IntArray
    variants: tuple[Variant, ...] = ()

    def __repr__(self) -> str:
        chosen = ", ".join(self.representative_names)
        return (
            f"Alignment of {len(self.names)} architectures ({self.options.title()})\n"
            f"{len(self.chosen)} representatives: {chosen}"
        )

    def __len__(self) -> int:
        return len(self.architectures)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the architectures."""
        return self.tokenized.names

    @property
    def representative_names(self) -> tuple[str, ...]:
        """Names of the representatives, in the order of their clusters."""
        return tuple(self.names[place] for place in self.chosen)

    @property
    def stability(self) -> list[float]:
        """For each representative, the share of variants that choose it; NaN without variants."""
        return stability(self.chosen.tolist(), [one.chosen for one in self.variants])

    # -- as DataFrames

    @property
    def scores(self) -> "pd.DataFrame":
        """Scores of all pairs, with the names on both axes."""
        return self._square(self.score_matrix, self.options.scores_title())

    @property
    def similarity(self) -> "pd.DataFrame":
        """Similarities of all pairs, with the names on both axes."""
        return self._square(self.similarity_matrix, self.options.title())

    @property
    def tokens(self) -> "pd.DataFrame":
        """Each architecture by name: family, length, params, flops, and its sequence of tokens."""
        import pandas as pd

        return pd.DataFrame(self.sequences(), columns=SequenceRow._fields).set_index("name")

    @property
    def representatives(self) -> "pd.DataFrame":
        """Each architecture by name, and who stands for it: cluster by cluster, nearest first."""
        import pandas as pd

        frame = pd.DataFrame(self.members(), columns=MemberRow._fields).set_index("member")
        frame.attrs["options"] = self.options.choice_title()
        return frame

    @property
    def nearest(self) -> "pd.DataFrame":
        """The known architectures most like each that a search found; no row if there is none."""
        import pandas as pd

        frame = pd.DataFrame(self.neighbours(), columns=NeighbourRow._fields).set_index("found")
        frame.attrs["options"] = self.options.title()
        return frame

    def _square(self, matrix: IntArray | FloatArray, title: str) -> "pd.DataFrame":
        import pandas as pd

        frame = pd.DataFrame(matrix.copy(), index=list(self.names), columns=list(self.names))
        frame.attrs["options"] = title
        return frame

    # -- as rows, which need no pandas

    def sequences(self) -> list[SequenceRow]:
        """The rows of :attr:`tokens`."""
        return [
            SequenceRow(
                one.name,
                one.family,
                len(self.tokenized.sequences[place]),
                one.params,
                one.flops,
                "; ".join(self.tokenized.words(place)),
            )
            for place, one in enumerate(self.architectures)
        ]

    def members(self) -> list[MemberRow]:
        """The rows of :attr:`representatives`."""
        rows: list[MemberRow] = []
        names, firmness = self.names, self.stability
        for place, (medoid, chosen) in enumerate(
            zip(self.clusters.medoids, self.chosen, strict=True)
        ):
            members = self.clusters.members(place)
            distances = 1.0 - self.similarity_matrix[members, medoid]
            rows += [
                MemberRow(
                    place + 1,
                    names[chosen],
                    names[medoid],
                    len(members),
                    float(distances.mean()),
                    firmness[place],
                    names[members[rank]],
                    float(distances[rank]),
                )
                for rank in np.argsort(distances, kind="stable")
            ]
        return rows

    def neighbours(self) -> list[NeighbourRow]:
        """The rows of :attr:`nearest`."""
        families = np.array(self.tokenized.families)
        known = np.flatnonzero(families != FOUND)
        rows: list[NeighbourRow] = []
        for found in np.flatnonzero(families == FOUND):
            likeness = self.similarity_matrix[found, known]
            nearest = known[np.argsort(-likeness, kind="stable")[:NEAREST]]
            rows += [
                NeighbourRow(
                    self.names[found],
                    rank,
                    self.names[other],
                    str(families[other]),
                    float(self.similarity_matrix[found, other]),
                )
                for rank, other in enumerate(nearest, start=1)
            ]
        return rows
