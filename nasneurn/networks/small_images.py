"""Which layers lose their stride so that small images leave a map of some positions at the end.

Networks made for 224 pixels halve their maps five times, and of 32 pixels one position is left. For
small images it is usual to take the first strides away (He et al., CVPR 2016, section 4.2, have a
stem of their own for CIFAR). Here the graph of what a network executes tells which these are:

- The layers through which all data flows are the dominators of the last one. Between two of them
  lies a *region*: one layer, or the parallel branches of a block.
- A region that makes the map smaller is a *step*, and the layers of all its branches that have a
  stride lose it together. A region that does so several times, as of cells that see the two before
  them, is a step for each size of map.
- Steps lose their strides from the front, one by one, until the last map has
  :data:`POSITIONS` x :data:`POSITIONS` positions. A step that cannot is left as it is: of functions
  that the code of a block calls, or where the network does not run without it.
"""

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import networkx as nx
from torch import nn

from alignment.errors import TraceError
from alignment.graphs import layer_graph
from alignment.tracer import Graph
from nasneurn.networks.strides import Unstrided, Way, unstrided, ways

#: Along each side of the last map there are at least so many positions.
POSITIONS = 4

#: The image, as a node in front of all others.
_IMAGE = -1

#: A node by what other images leave as it is: module, kind, and which of the module's calls.
_Key = tuple[str, str, int]


@dataclass(frozen=True)
class Fit:
    """What a network loses for images of a size.

    Attributes:
        lost: the layers that lose their stride.
        side: positions along a side of the last map; None if the network does not run so.
    """

    lost: tuple[Unstrided, ...] = ()
    side: int | None = None


def fit(network: nn.Module, published_size: int, image_size: int) -> Fit:
    """Find what loses its stride.

    Args:
        network: on the meta device; it is changed.
        published_size: side of images for which it was made.
        image_size: side of those that it is to take.
    """
    published = _traced(network, published_size)
    if published is None:
        return Fit()
    through = _dominators(published)
    last = _last_maps(published, through)
    lost: list[Unstrided] = []
    positions = _positions_of(last, _traced(network, image_size))
    share = (_positions_of(last, published) or 0) / published_size**2
    made_for = published_size
    for names, stride in _steps(network, published, through, published_size**2):
        if positions is not None and positions >= POSITIONS**2:
            break
        before = {name: network.get_submodule(name) for name in names}
        # The window of the last pool may be that of the published map, and never another.
        for size in (published_size, made_for // stride):
            layers, graph = _lose_together(network, names, size)
            larger = (_positions_of(last, graph) or 0) / size**2
            if graph is not None:
                break
        if larger > share:
            lost += layers
            share, made_for = larger, made_for // stride
            positions = _positions_of(last, _traced(network, image_size))
            continue
        for name, module in before.items():
            network.set_submodule(name, module)
    return Fit(tuple(lost), None if positions is None else math.isqrt(positions))


def _traced(network: nn.Module, size: int) -> "Graph | None":
    """The graph of what a network executes for images of a size; None if it does not run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the order of its layers may depend on
        try:
            return layer_graph(network, (3, size, size))
        except TraceError:
            return None


def _dominators(graph: Graph) -> list[int]:
    """The layers through which all data flows, in order, up to the one executed last."""
    whole = graph.copy()
    whole.add_edges_from((_IMAGE, node) for node in graph if not graph.pred[node])
    above = nx.immediate_dominators(whole, _IMAGE)
    through = [max(graph)]
    while above[through[-1]] != _IMAGE:
        through.append(above[through[-1]])
    return through[::-1]


def _positions(layer: Mapping[str, Any]) -> int:
    """Positions of a layer's map."""
    shape: tuple[int, ...] = layer["shape"]
    channels_last = shape[-1:] == (layer["channels_out"],) and not layer["kernel"]
    if len(shape) == 3 and not (channels_last and shape[0] == shape[1]):
        return shape[1] * shape[2]
    return math.prod(shape[:-1])


def _keys(graph: Graph) -> dict[_Key, int]:
    """Nodes by what other images and lost strides leave as it is."""
    calls = Counter[tuple[str, str]]()
    nodes = {}
    for node, layer in graph.nodes(data=True):
        call = (layer["module"], layer["kind"])
        nodes[*call, calls[call]] = node
        calls[call] += 1
    return nodes


def _last_maps(graph: Graph, through: list[int]) -> list[_Key]:
    """The last map that tells how small images have become, and in turn those before it.

    It is the last one through which all data flows, or a later one of a convolution or pool, as in
    networks that answer by features of several stages. What has fewer positions for published
    images is no map: logits, features of several classifiers in one tensor. Nor is what a pool
    gives that fits its windows to a number of them.
    """
    shared = {node for node in through if not graph.nodes[node]["kind"].endswith("_pool")}
    keys = [
        key
        for key, node in _keys(graph).items()
        for layer in [graph.nodes[node]]
        if (node in shared or layer["kernel"]) and _positions(layer) >= POSITIONS**2
    ]
    return keys[::-1]


def _positions_of(last: list[_Key], graph: "Graph | None") -> int | None:
    """Positions of the last map; None if the network does not run."""
    if graph is None:
        return None
    nodes = _keys(graph)
    # A pool without its stride is gone; the map is then that of the layer before it.
    return next((_positions(graph.nodes[nodes[key]]) for key in last if key in nodes), None)


def _steps(
    network: nn.Module, graph: Graph, through: list[int], positions: int
) -> Iterator[tuple[list[str], int]]:
    """Paths of the modules that lose their stride together, and that stride, from the front."""
    last = through[-1]
    used = nx.ancestors(graph, last) | {last}
    strided = [node for node in sorted(used) if _has_stride(graph.nodes[node])]
    calls = Counter(graph.nodes[node]["module"] for node in strided)
    for before, after in pairwise([_IMAGE, *through]):
        left = _positions(graph.nodes[after])
        # Nodes are in an order of the graph: between two dominators is what all data of the
        # second comes from, after the first.
        sizes: dict[int, list[int]] = {}
        for node in strided:
            there = _positions(graph.nodes[node])
            # Not those that pool for an attention, nor the last pool, which leaves one position.
            if before < node <= after and max(2, left) <= there < positions:
                sizes.setdefault(there, []).append(node)
        for there in sorted(sizes, reverse=True):
            names = [graph.nodes[node]["module"] for node in sizes[there]]
            # Of a module that is called several times the other calls would change too.
            if all(calls[name] == 1 and ways(network.get_submodule(name)) for name in names):
                yield names, max(max(graph.nodes[node]["stride"]) for node in sizes[there])
        positions = left


def _has_stride(layer: Mapping[str, Any]) -> bool:
    return max(layer["stride"], default=1) > 1 and "transpose" not in layer["kind"]


def _lose_together(
    network: nn.Module, names: list[str], size: int
) -> "tuple[list[Unstrided], Graph | None]":
    """Take the strides of a step's modules away, in the ways that keep the size of their maps.

    Args:
        network: it is changed.
        names: paths of the modules.
        size: side of images.

    Returns:
        The ways, and the graph for such images; None if the network does not run so.
    """
    modules = {name: network.get_submodule(name) for name in names}
    possible = {name: ways(module) for name, module in modules.items()}

    def change(chosen: Mapping[str, Way]) -> "Graph | None":
        for name, way in chosen.items():
            network.set_submodule(name, unstrided(modules[name], way))
        return _traced(network, size)

    first = {name: some[0] for name, some in possible.items()}
    other = {name: some[-1] for name, some in possible.items()}
    graph = change(first)
    if graph is None:
        chosen, graph = other, change(other)
    else:
        # What lies around a module may pad its maps already.
        wrong = _of_other_sizes(graph, names)
        chosen = first | {name: other[name] for name in wrong}
        if chosen != first:
            graph = change(chosen)
            if graph is None or _of_other_sizes(graph, names):
                chosen, graph = first, change(first)
    return [Unstrided(*one) for one in chosen.items()], graph


def _of_other_sizes(graph: Graph, names: list[str]) -> list[str]:
    """Those modules whose map has another size than what entered it."""
    wrong = []
    for node, layer in graph.nodes(data=True):
        entered = [_positions(graph.nodes[before]) for before in graph.pred[node]]
        stepped = layer["module"] in names and layer["kernel"]
        if stepped and entered and _positions(layer) != max(entered):
            wrong.append(layer["module"])
    return wrong
