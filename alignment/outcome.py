"""What one alignment has found: scores, similarities, clusters and representatives.

Everything that shows or writes an alignment reads :class:`Alignment`; :mod:`alignment.run` makes
it. It keeps NumPy arrays, and gives pandas DataFrames to those who ask for them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alignment.arrays import FloatArray, IntArray
from alignment.errors import AlignmentError, check_known
from alignment.layers import Architecture
from alignment.options import PRESETS, Options
from alignment.records import MemberRow, NeighbourRow, SequenceRow
from alignment.representatives import Clusters, linkage, stability
from alignment.tokens import Tokens

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    from matplotlib.axes import Axes

    from alignment.dendrograms import Shown
    from alignment.support import Support

#: Up to so many architectures a figure can name them, and the choice is repeated under other
#: options; above, a map takes the place of the heatmap.
NAMED = 150

#: The family of architectures that a search found, and how many known ones are named for each.
FOUND = "found"
NEAREST = 3

#: How the rows of a heatmap may be ordered.
ORDERS = ("published", "clustered")


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
        similarity_matrix: (N, N), in [-1, 1].
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
    def found_nearest(self) -> "pd.DataFrame":
        """The known architectures most like each that a search found; no row if there is none."""
        import pandas as pd

        frame = pd.DataFrame(self.neighbours(), columns=NeighbourRow._fields).set_index("found")
        frame.attrs["options"] = self.options.title()
        return frame

    def nearest(self, name: str, k: int = 5) -> "pd.DataFrame":
        """The architectures most similar to one, the most similar first.

        Args:
            name: of the one.
            k: how many, or all others if there are fewer.

        Returns:
            Of each by name: family, similarity, score, length, params, flops.

        Raises:
            AlignmentError: no architecture has that name, or ``k`` is below 1.
        """
        import pandas as pd

        place = self._place(name)
        if k < 1:
            raise AlignmentError(f"k is {k}; it must be at least 1")
        likeness = self.similarity_matrix[place]
        others = [one for one in np.argsort(-likeness, kind="stable").tolist() if one != place][:k]
        rows = self.sequences()
        frame = pd.DataFrame(
            {
                "family": [rows[one].family for one in others],
                "similarity": likeness[others],
                "score": self.score_matrix[place, others],
                "length": [rows[one].length for one in others],
                "params": [rows[one].params for one in others],
                "flops": [rows[one].flops for one in others],
            },
            index=pd.Index([self.names[one] for one in others], name="name"),
        )
        frame.attrs["options"] = self.options.title()
        return frame

    def _place(self, name: str) -> int:
        check_known("architecture", name, self.names)
        return self.names.index(name)

    def _square(self, matrix: IntArray | FloatArray, title: str) -> "pd.DataFrame":
        import pandas as pd

        frame = pd.DataFrame(matrix.copy(), index=list(self.names), columns=list(self.names))
        frame.attrs["options"] = title
        return frame

    # -- as pictures

    @property
    def default_order(self) -> str:
        """That of a heatmap if none is named: as given under the paper's options."""
        paper = PRESETS["paper"]
        return "published" if self.options.title() == paper.title() else "clustered"

    def plot_heatmap(self, ax: "Axes | None" = None, *, order: str | None = None) -> "Axes":
        """Draw the similarities of all pairs.

        Args:
            ax: drawn into these axes, and around them; None makes a figure, which pyplot does not
                know of. ``ax.figure.savefig`` writes it, and a notebook shows it.
            order: "clustered", by the tree of average linkage, or "published", as they were
                given; None is the latter under the options of the preset "paper".

        Returns:
            The axes.

        Raises:
            AlignmentError: an unknown order.
        """
        from alignment.heatmaps import draw_heatmap

        order = self.default_order if order is None else order
        check_known("order", order, ORDERS)
        return draw_heatmap(
            self.similarity_matrix,
            self.shown(f"Alignment of {len(self)} architectures"),
            self.options.similarity,
            ax,
            tree=self._tree() if order == "clustered" and len(self) > 1 else None,
        )

    def plot_tree(self, ax: "Axes | None" = None, *, support: "Support | None" = None) -> "Axes":
        """Draw the tree of average linkage.

        Args:
            ax: as of :meth:`plot_heatmap`.
            support: of its branches, from :func:`alignment.tree_support.support_of`; percentages
                at the branches.

        Returns:
            The axes.

        Raises:
            AlignmentError: there is one architecture alone, or the support is of another tree.
        """
        from alignment.dendrograms import draw_tree

        beside = "" if support is None else ", and the support of its branches in percent"
        shown = self.shown(f"Tree of {len(self)} architectures by average linkage{beside}")
        return draw_tree(self._tree(), shown, ax, support=self._shares(support))

    def shown(self, title: str) -> "Shown":
        """What a figure of that title says of the architectures."""
        from alignment.dendrograms import Shown

        chosen = frozenset(self.chosen.tolist())
        return Shown(self.names, self.tokenized.families, chosen, title, self.options.words())

    # -- for other tools

    def to_newick(self, *, support: "Support | None" = None) -> str:
        """The tree of average linkage in Newick's format, with branch lengths.

        From one name to another along the tree is the distance at which the two are merged.

        Args:
            support: as of :meth:`plot_tree`; percentages as labels of the branches.

        Raises:
            AlignmentError: as of :meth:`plot_tree`.
        """
        from alignment.exchange import newick

        return newick(self._tree(), self.names, self._shares(support))

    def to_networkx(self) -> "nx.Graph[str]":
        """A complete graph of the architectures; edges have the similarity as ``weight``.

        Nodes have family, length, params, flops, cluster, and whether they are a representative.
        """
        from alignment.exchange import similarity_graph

        labels, chosen = self.clusters.labels.tolist(), set(self.chosen.tolist())
        nodes: dict[str, dict[str, str | int | float | bool]] = {
            row.name: {
                "family": row.family,
                "length": row.length,
                "params": row.params,
                "flops": row.flops,
                "cluster": labels[place] + 1,
                "representative": place in chosen,
            }
            for place, row in enumerate(self.sequences())
        }
        return similarity_graph(self.similarity_matrix, nodes, self.options.title())

    def to_graphml(self) -> str:
        """:meth:`to_networkx` as GraphML, which Gephi, Cytoscape and igraph read."""
        import networkx as nx

        return "\n".join(nx.generate_graphml(self.to_networkx()))

    def _tree(self) -> FloatArray:
        if len(self) < 2:
            raise AlignmentError(f"{self.names[0]} is alone; a tree needs two architectures")
        return linkage(self.similarity_matrix)

    def _shares(self, support: "Support | None") -> FloatArray | None:
        if support is None:
            return None
        if not np.array_equal(support.tree, self._tree()):
            raise AlignmentError("the support is of another tree; take support_of this alignment")
        return support.share

    def _repr_html_(self) -> str:
        """What a notebook shows: the options, and a table of representatives."""
        from html import escape

        rows = "".join(
            f"<tr><td>{place}</td><td><b>{escape(name)}</b></td><td>{len(members)}</td>"
            f"<td style='text-align:left'>{escape(', '.join(members))}</td></tr>"
            for place, (name, members) in enumerate(self.standing(), start=1)
        )
        return (
            f"<div><b>Alignment of {len(self)} architectures</b><br>"
            f"<small>{escape(self.options.words())}</small>"
            "<table><thead><tr><th></th><th>representative</th><th>others</th>"
            f"<th style='text-align:left'>stands for</th></tr></thead><tbody>{rows}</tbody></table>"
            "</div>"
        )

    def standing(self) -> list[tuple[str, list[str]]]:
        """Each representative by name, and whom it stands for, the most similar first."""
        found = []
        for place, chosen in enumerate(self.chosen.tolist()):
            members = self.clusters.members(place).tolist()
            members.sort(key=lambda one: -self.similarity_matrix[one, chosen])
            found.append((self.names[chosen], [self.names[k] for k in members if k != chosen]))
        return found

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
        """The rows of :attr:`found_nearest`."""
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
