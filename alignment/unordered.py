"""How alike two networks are without an alignment: by their layers' counts, and by their graphs.

An alignment compares orders. What it adds is seen beside measures that know none: a bag of tokens
knows how often each stands in a network, a graph kernel also what stands around it.
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alignment.arrays import FloatArray
from alignment.errors import AlignmentError, check_known
from alignment.tokens import Tokens, geometry_token

if TYPE_CHECKING:
    import networkx as nx

#: How two rows of counts are compared.
BAGS = ("bray-curtis", "cosine")


def bag_similarity(tokens: Tokens, method: str = "bray-curtis") -> FloatArray:
    """(N, N), how alike the counts of tokens are, whatever their order.

    Args:
        tokens: of N architectures.
        method: "bray-curtis", twice the tokens that two sequences have in common over all that
            they have (Bray and Curtis, 1957; it knows lengths), or "cosine", of the angle between
            their counts (it knows shares alone).

    Raises:
        AlignmentError: an unknown method.

    >>> from alignment.tokens import Tokens
    >>> rows = (np.array([0, 1, 1]), np.array([1, 0]))
    >>> bag_similarity(Tokens(("a", "b"), ("x", "x"), ("c", "r"), rows)).tolist()
    [[1.0, 0.8], [0.8, 1.0]]
    """
    check_known("comparison of bags", method, BAGS)
    size = len(tokens.vocabulary)
    counts = np.array([np.bincount(one, minlength=size) for one in tokens.sequences], np.float64)
    if method == "cosine":
        return _cosine(counts @ counts.T)
    common = np.array([np.minimum(counts, row).sum(1) for row in counts])
    lengths = counts.sum(1)
    values: FloatArray = 2 * common / np.add.outer(lengths, lengths)
    return values


def graph_similarity(graphs: Sequence["nx.DiGraph[Any]"], rounds: int = 3) -> FloatArray:
    """(N, N), the Weisfeiler-Lehman subtree kernel of graphs of layers, normalized to 1 for equal.

    Each layer is known by its kind, window and grouping, then by these of the layers before and
    after it, and so on for ``rounds``; the kernel is the cosine of the counts of all that is known.

    Args:
        graphs: of :func:`alignment.graphs.layer_graph`; nodes have the attributes of a layer.
        rounds: at least 1.

    Raises:
        AlignmentError: ``rounds`` below 1, or a graph without nodes.

    Source: Shervashidze et al., "Weisfeiler-Lehman graph kernels", 2011; the labels are networkx's.
    """
    if rounds < 1:
        raise AlignmentError(f"rounds is {rounds}; it must be at least 1")
    for place, graph in enumerate(graphs):
        if not graph:
            raise AlignmentError(f"graph {place} has no layers")
    counts = [_labels(graph, rounds) for graph in graphs]
    known = {label: place for place, label in enumerate(sorted(set().union(*counts)))}
    # Few labels are shared, so a row of counts is mostly zeros, but of some thousand columns only.
    table = np.zeros((len(counts), len(known)))
    for row, count in zip(table, counts, strict=True):
        row[[known[label] for label in count]] = list(count.values())
    return _cosine(table @ table.T)


def _labels(graph: "nx.DiGraph[Any]", rounds: int) -> Counter[str]:
    import networkx as nx

    from alignment.layers import Layer

    fields = ("kind", "kernel", "stride", "groups", "channels_in")
    named: nx.DiGraph[Any] = nx.DiGraph()
    for node, data in graph.nodes(data=True):
        layer = Layer(**{field: data[field] for field in fields})
        named.add_node(node, token=geometry_token(layer))
    named.add_edges_from(graph.edges)
    with warnings.catch_warnings():
        # That hashes of directed graphs were others before version 3.5: all are of one version.
        warnings.simplefilter("ignore", UserWarning)
        hashes = nx.weisfeiler_lehman_subgraph_hashes(named, node_attr="token", iterations=rounds)
    # A hash is of a depth, but only its place says which.
    found = Counter(f"{depth} {one}" for row in hashes.values() for depth, one in enumerate(row))
    found.update(str(token) for token in nx.get_node_attributes(named, "token").values())
    return found


def _cosine(products: FloatArray) -> FloatArray:
    """Products of all pairs of rows to the cosines of their angles."""
    lengths = np.sqrt(np.diag(products))
    values: FloatArray = np.minimum(products / np.outer(lengths, lengths), 1.0)
    np.fill_diagonal(values, 1.0)
    return values
