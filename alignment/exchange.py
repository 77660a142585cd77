"""An alignment in the formats of other tools: its tree as Newick, its similarities as GraphML."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from alignment.arrays import FloatArray

if TYPE_CHECKING:
    import networkx as nx

#: A label of these needs no quotes. An underscore without them is read as a space.
_BARE = re.compile(r"[A-Za-z0-9.+-]+")


def newick_label(name: str) -> str:
    """A name as a label: in quotes where it needs them, quotes in it doubled.

    >>> [newick_label(name) for name in ("vgg16", "wide_resnet", "what's (this)")]
    ['vgg16', "'wide_resnet'", "'what''s (this)'"]
    """
    return name if _BARE.fullmatch(name) else "'" + name.replace("'", "''") + "'"


def newick(tree: FloatArray, names: Sequence[str], support: FloatArray | None = None) -> str:
    """The tree in Newick's format, one line.

    The format: https://phylipweb.github.io/phylip/newicktree.html. A merge stands at half of its
    distance, so that from tip to tip along the tree is the distance at which the two are merged.

    Args:
        tree: (N - 1, 4), of :func:`alignment.representatives.linkage`.
        names: of the N architectures.
        support: (N - 1,), shares, which become labels of merges as percentages; NaN is left out.

    >>> newick(np.array([[0, 1, 0.5, 2], [2, 3, 1.0, 3]]), ["a", "b", "c d"])
    "('c d':0.5,(a:0.25,b:0.25):0.25);"
    """
    texts = [newick_label(name) for name in names]
    heights = [0.0] * len(names)
    for place, (left, right, distance) in enumerate(tree[:, :3]):
        # Distances are rounded to billionths.
        parts = [
            f"{texts[child]}:{max(0.0, distance / 2 - heights[child]):.10g}"
            for child in (int(left), int(right))
        ]
        share = np.nan if support is None or place == len(tree) - 1 else support[place]
        texts.append(f"({','.join(parts)})" + ("" if np.isnan(share) else f"{100 * share:.0f}"))
        heights.append(distance / 2)
    return f"{texts[-1]};"


def similarity_graph(
    similarity: FloatArray, nodes: Mapping[str, Mapping[str, str | int | float | bool]], title: str
) -> "nx.Graph[str]":
    """A complete graph of architectures, the similarity of two as the weight of their edge.

    Args:
        similarity: (N, N).
        nodes: attributes of the N architectures by name.
        title: what the similarities are, an attribute of the graph.
    """
    import networkx as nx

    graph: nx.Graph[str] = nx.Graph(similarity=title)
    graph.add_nodes_from((name, dict(attributes)) for name, attributes in nodes.items())
    names = list(nodes)
    upper = np.triu_indices(len(names), 1)
    graph.add_weighted_edges_from(
        (names[i], names[j], weight)
        for i, j, weight in zip(
            *(part.tolist() for part in upper), similarity[upper].tolist(), strict=True
        )
    )
    return graph
