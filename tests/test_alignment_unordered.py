from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from alignment import AlignmentError, Architecture, Layer, tokenize
from alignment.tokens import Tokens
from alignment.unordered import BAGS, bag_similarity, graph_similarity

rows_of_tokens = st.lists(
    st.lists(st.integers(0, 4), min_size=1, max_size=12), min_size=1, max_size=6
)


def bag(rows: list[list[int]], method: str) -> np.ndarray:
    names = tuple(map(str, range(len(rows))))
    sequences = tuple(np.array(row, np.int32) for row in rows)
    return bag_similarity(Tokens(names, names, tuple("abcde"), sequences), method)


@pytest.mark.parametrize(
    ("method", "metric"), [("bray-curtis", "braycurtis"), ("cosine", "cosine")]
)
@settings(max_examples=100, deadline=None)
@given(rows=rows_of_tokens, random=st.randoms())
def test_bags_are_as_scipy_has_them_and_know_no_order(method, metric, rows, random) -> None:
    counts = np.array([np.bincount(row, minlength=5) for row in rows], float)
    found = bag(rows, method)
    assert found == pytest.approx(1 - squareform(pdist(counts, metric)), abs=1e-12)
    assert (np.diag(found) == 1).all()
    mixed = [random.sample(row, len(row)) for row in rows]
    assert np.array_equal(bag(mixed, method), found)


def test_counts_know_lengths_and_shares_do_not() -> None:
    rows = [[0, 1], [0, 1] * 3]
    assert bag(rows, "cosine")[0, 1] == pytest.approx(1)
    assert bag(rows, "bray-curtis")[0, 1] == 0.5


def test_unknown_comparison_of_bags() -> None:
    assert BAGS == ("bray-curtis", "cosine")
    with pytest.raises(AlignmentError, match="bray-curtis, cosine"):
        bag([[0]], "jaccard")


def graph_of(kinds: str, edges: list[tuple[int, int]] | None = None) -> nx.DiGraph:
    """Layers named by letters; by default one after the other."""
    graph = nx.DiGraph()
    for node, kind in enumerate(kinds):
        graph.add_node(node, kind=kind, kernel=(), stride=(), groups=1, channels_in=1)
    graph.add_edges_from(pairwise(range(len(kinds))) if edges is None else edges)
    return graph


def colours(graph: nx.DiGraph, rounds: int) -> list[object]:
    """Labels of each round, as the definition says: own, those before, those after."""
    label: dict = {node: data["kind"] for node, data in graph.nodes(data=True)}
    found: list[object] = [(0, one) for one in label.values()]
    for depth in range(1, rounds + 1):
        label = {
            node: (
                label[node],
                tuple(sorted((label[one] for one in graph.predecessors(node)), key=repr)),
                tuple(sorted((label[one] for one in graph.successors(node)), key=repr)),
            )
            for node in graph
        }
        found += [(depth, one) for one in label.values()]
    return found


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.text("abc", min_size=1, max_size=7), min_size=2, max_size=4),
    rounds=st.integers(1, 3),
)
def test_the_kernel_is_that_of_the_definition(words: list[str], rounds: int) -> None:
    graphs = [graph_of(word) for word in words]
    bags = [colours(graph, rounds) for graph in graphs]
    counts = [{one: row.count(one) for one in row} for row in bags]
    products = np.array(
        [[sum(n * b.get(x, 0) for x, n in a.items()) for b in counts] for a in counts]
    )
    lengths = np.sqrt(np.diag(products))
    assert graph_similarity(graphs, rounds) == pytest.approx(products / np.outer(lengths, lengths))


def test_the_kernel_knows_branches_and_directions_but_no_numbers() -> None:
    branched = graph_of("abcd", [(0, 1), (0, 2), (1, 3), (2, 3)])
    renumbered = nx.relabel_nodes(branched, {0: 3, 1: 2, 2: 1, 3: 0})
    found = graph_similarity([graph_of("abcd"), branched, renumbered, graph_of("dcba")])
    assert found[1, 2] == 1
    assert found[0, 1] < 0.7
    assert found[0, 3] < 0.5
    assert bag([[0, 1, 2, 3], [3, 2, 1, 0]], "cosine")[0, 1] == 1


def test_the_kernel_knows_windows() -> None:
    plain, wide = graph_of("ab"), graph_of("ab")
    wide.nodes[0]["kernel"] = (3, 3)
    assert graph_similarity([plain, wide])[0, 1] < 0.5


def test_what_no_kernel_can_be_made_of() -> None:
    with pytest.raises(AlignmentError, match="rounds is 0"):
        graph_similarity([graph_of("a")], 0)
    with pytest.raises(AlignmentError, match="graph 1 has no layers"):
        graph_similarity([graph_of("a"), nx.DiGraph()])


def test_graphs_of_networks() -> None:
    from torch import nn

    from alignment import layer_graph

    narrow, wide = (
        layer_graph(nn.Sequential(nn.Conv2d(3, n, 3), nn.ReLU(), nn.Conv2d(n, n, 3)), (3, 8, 8))
        for n in (4, 8)
    )
    assert graph_similarity([narrow, wide])[0, 1] == 1
    layers = tuple(Layer(kind) for kind in ("conv2d", "relu"))
    tokens = tokenize([Architecture("one", "f", layers), Architecture("two", "f", layers[:1])])
    assert bag_similarity(tokens)[0, 1] == pytest.approx(2 / 3)
