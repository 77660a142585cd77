import random
import time

import networkx as nx
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from alignment import AlignmentError, layer_graph
from alignment.canonical import canonical_order
from alignment.graphs import graph_layers


@st.composite
def graphs(draw: st.DrawFn) -> "nx.DiGraph[int]":
    """Acyclic, with few kinds and often with symmetries: parts may be repeated."""
    size = draw(st.integers(1, 9))
    graph: nx.DiGraph[int] = nx.DiGraph()
    for node in range(size):
        graph.add_node(node, kind=draw(st.sampled_from("ab")))
        before = st.sets(st.integers(0, node - 1), max_size=3) if node else st.just(set())
        graph.add_edges_from((source, node) for source in draw(before))
    if draw(st.booleans()):
        graph = nx.disjoint_union_all([graph] * draw(st.integers(2, 3)))
        if draw(st.booleans()):
            graph.add_node(end := len(graph), kind="end")
            graph.add_edges_from([(node, end) for node in graph if node != end])
    return graph


def renumbered(graph: "nx.DiGraph[int]", seed: int) -> "nx.DiGraph[int]":
    numbers = list(range(100, 100 + len(graph)))
    rng = random.Random(seed)
    rng.shuffle(numbers)
    mapping = dict(zip(graph, numbers, strict=True))
    other: nx.DiGraph[int] = nx.DiGraph()
    nodes, edges = list(graph.nodes(data=True)), list(graph.edges)
    rng.shuffle(nodes)
    rng.shuffle(edges)
    other.add_nodes_from((mapping[node], attributes) for node, attributes in nodes)
    other.add_edges_from((mapping[source], mapping[target]) for source, target in edges)
    return other


def written(graph: "nx.DiGraph[int]") -> list[tuple[str, list[int]]]:
    """Everything that the order says of the graph: kinds, and places of the inputs."""
    order = canonical_order(graph)
    place = {node: index for index, node in enumerate(order)}
    return [
        (graph.nodes[node]["kind"], sorted(place[one] for one in graph.predecessors(node)))
        for node in order
    ]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(graphs(), st.integers())
def test_numbers_of_nodes_have_no_part_in_it(graph: "nx.DiGraph[int]", seed: int) -> None:
    order = canonical_order(graph)
    place = {node: index for index, node in enumerate(order)}
    assert sorted(order) == sorted(graph)
    assert all(place[source] < place[target] for source, target in graph.edges)
    assert written(renumbered(graph, seed)) == written(graph)


def test_symmetries_that_only_setting_nodes_apart_resolves() -> None:
    """Cycles of five: refinement tells no two of their sources apart."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    for cycle in range(3):
        for step in range(5):
            source, target = 10 * cycle + step, 10 * cycle + 5
            graph.add_edges_from([(source, target + step), (source, target + (step + 1) % 5)])
    nx.set_node_attributes(graph, "a", "kind")
    assert len({str(written(renumbered(graph, seed))) for seed in range(20)}) == 1


def test_the_longer_branch_comes_first() -> None:
    graph = nx.DiGraph([(0, 1), (0, 2), (2, 3), (1, 4), (3, 4)])
    assert canonical_order(graph) == (0, 2, 3, 1, 4)


def test_a_cycle_has_no_order() -> None:
    with pytest.raises(ValueError, match="cycle"):
        canonical_order(nx.DiGraph([(0, 1), (1, 0)]))


def test_an_unknown_order() -> None:
    with pytest.raises(AlignmentError, match=r"unknown order 'canonicle'.*did you mean canonical"):
        graph_layers(layer_graph(nn.ReLU()), "canonicle")


@pytest.mark.parametrize("shape", ["chain", "branches", "pairs"])
def test_two_thousand_nodes_take_a_tenth_of_a_second(shape: str) -> None:
    graph: nx.DiGraph[int] = nx.DiGraph()
    if shape == "chain":
        nx.add_path(graph, range(2000))
    elif shape == "pairs":
        graph.add_edges_from((2 * pair, 2 * pair + 1) for pair in range(1000))
    else:  # blocks of 32 equal branches, three layers each
        for block in range(20):
            for branch in range(32):
                first = 97 * block + 1 + 3 * branch
                nx.add_path(graph, (97 * block, first, first + 1, first + 2, 97 * (block + 1)))
    seconds = []
    for _ in range(3):
        begun = time.process_time()
        canonical_order(graph)
        seconds.append(time.process_time() - begun)
    assert min(seconds) < 0.1


class Branches(nn.Module):
    """An Inception block, its branches run in the order that is asked for."""

    def __init__(self, order: list[int]) -> None:
        super().__init__()
        self.order = order
        self.stem = nn.Conv2d(3, 8, 3)
        self.branches = nn.ModuleList(
            [
                nn.Conv2d(8, 8, 1),
                nn.Sequential(nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1)),
                nn.Sequential(nn.Conv2d(8, 4, 1), nn.SiLU(), nn.Conv2d(4, 8, 3, padding=1)),
                nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.Conv2d(8, 8, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        ran = {index: self.branches[index](x) for index in self.order}
        return torch.cat([ran[index] for index in sorted(ran)], 1).relu()


class Residual(nn.Module):
    def __init__(self, shortcut_first: bool) -> None:
        super().__init__()
        self.shortcut_first = shortcut_first
        self.main = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())
        self.shortcut = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.shortcut_first:
            shortcut = self.shortcut(x)
            return F.relu(shortcut + self.main(x))
        main = self.main(x)
        return F.relu(main + self.shortcut(x))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Branches([0, 1, 2, 3]), Branches([3, 1, 0, 2])),
        (Branches([0, 1, 2, 3]), Branches([3, 2, 1, 0])),
        (Residual(True), Residual(False)),
    ],
)
def test_branches_swapped_are_one_sequence(first: nn.Module, second: nn.Module) -> None:
    one, other = (layer_graph(module, (3, 16, 16)) for module in (first, second))
    assert graph_layers(one) != graph_layers(other)
    assert graph_layers(one, "canonical") == graph_layers(other, "canonical")
    assert sorted(map(str, graph_layers(one))) == sorted(map(str, graph_layers(one, "canonical")))
