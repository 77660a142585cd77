"""An order of a graph's nodes that depends on the graph alone, not on how its code was written.

Two modules may compute the same and run their parallel branches in another order. Here each node
comes after what it needs; of several inputs, the one at the end of the longest path comes first,
so a block's main path comes before its shortcut, as most code has it. Inputs of equal depth are
told apart by what they are, then by what leads to them, and only then by the rest of the graph.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import networkx as nx

Graph: TypeAlias = "nx.DiGraph[int]"

#: What a node is, told apart first; parameters depend on which layer came first.
_GEOMETRY = ("kind", "kernel", "stride", "groups")
_REST = ("channels_in", "channels_out", "shape", "flops")
#: How far back inputs of equal depth are compared.
_ROUNDS = 8


def canonical_order(graph: Graph) -> tuple[int, ...]:
    """The nodes of an acyclic graph, each after its predecessors.

    Graphs that differ in the numbers of their nodes alone are written as the same sequence of
    layers. That holds wherever nodes that colour refinement (Weisfeiler and Leman's) cannot tell
    apart are images of each other in some symmetry of the graph: in all graphs but regular ones
    of a kind that no network is known to have.

    Args:
        graph: its nodes have the attributes of :class:`alignment.layers.Layer`, or none.

    Returns:
        All nodes.

    Raises:
        ValueError: there is a cycle.

    Source: B. D. McKay, A. Piperno, "Practical graph isomorphism, II", 2014 (refinement and
    individualization); B. Weisfeiler, A. Leman, 1968.

    >>> import networkx as nx
    >>> graph = nx.DiGraph([(0, 1), (0, 2), (2, 3), (1, 4), (3, 4)])
    >>> canonical_order(graph)
    (0, 2, 3, 1, 4)
    """
    nodes = sorted(graph)
    number = {node: index for index, node in enumerate(nodes)}
    before = [[number[one] for one in graph.predecessors(node)] for node in nodes]
    after = [[number[one] for one in graph.successors(node)] for node in nodes]
    depth = _depths(before, after)
    labels = [_label(graph.nodes[node], _GEOMETRY) for node in nodes]
    near = _ranked(labels)
    for _ in range(_ROUNDS):
        near = _ranked(
            [(near[i], *sorted(near[one] for one in row)) for i, row in enumerate(before)]
        )
    rest = [_label(graph.nodes[node], _REST) for node in nodes]
    place = _canonical_places(_ranked(list(zip(depth, near, rest, strict=True))), before, after)
    keys = [(-depth[index], near[index], place[index]) for index in range(len(nodes))]
    ends = sorted((index for index in range(len(nodes)) if not after[index]), key=keys.__getitem__)
    needed = [sorted(row, key=keys.__getitem__) for row in before]
    return tuple(nodes[index] for index in _demanded(ends, needed))


def _label(attributes: Mapping[str, Any], names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(attributes[name] for name in names if name in attributes)


def _ranked(values: Sequence[tuple[Any, ...]]) -> list[int]:
    """The places of ``values`` among the different ones, in their order."""
    rank = {value: index for index, value in enumerate(sorted(set(values)))}
    return [rank[value] for value in values]


def _depths(before: list[list[int]], after: list[list[int]]) -> list[int]:
    """For each node the number of edges of the longest path that ends there.

    Raises:
        ValueError: there is a cycle.
    """
    waiting = [len(row) for row in before]
    ready = [index for index, count in enumerate(waiting) if not count]
    depth = [0] * len(before)
    for index in ready:  # grows
        for one in after[index]:
            depth[one] = max(depth[one], depth[index] + 1)
            waiting[one] -= 1
            if not waiting[one]:
                ready.append(one)
    if len(ready) < len(before):
        raise ValueError("the graph has a cycle, so its nodes have no order")
    return depth


def _demanded(ends: list[int], inputs: list[list[int]]) -> list[int]:
    """Nodes in the order in which ``ends`` need them, inputs first."""
    order: list[int] = []
    done = [False] * len(inputs)
    stack = [(end, False) for end in reversed(ends)]
    while stack:
        index, complete = stack.pop()
        if done[index]:
            continue
        if complete:
            done[index] = True
            order.append(index)
            continue
        stack.append((index, True))
        stack.extend((one, False) for one in reversed(inputs[index]) if not done[one])
    return order


#: Nodes that could not be told apart so far; a dictionary, as a set that keeps its order.
_Cell: TypeAlias = dict[int, None]


def _canonical_places(
    colours: list[int], before: list[list[int]], after: list[list[int]]
) -> list[int]:
    """A place for each node, no two alike, that refines ``colours``.

    A cell has the place of its first node. Where refinement stops before all cells are single,
    one node of the first larger cell is set apart, and refinement goes on.
    """
    cells: dict[int, _Cell] = {}
    place = [0] * len(colours)
    start = -1
    for index in sorted(range(len(colours)), key=colours.__getitem__):
        if start < 0 or colours[next(iter(cells[start]))] != colours[index]:
            start = start + len(cells[start]) if cells else 0
            cells[start] = {}
        cells[start][index] = None
        place[index] = start
    _refine(deque(cells), cells, place, (before, after))
    for start in range(len(colours)):
        # Cells lose their last nodes, so those at places passed are single.
        while len(cells[start]) > 1:
            last = start + len(cells[start]) - 1
            chosen, _ = cells[start].popitem()
            cells[last] = {chosen: None}
            place[chosen] = last
            _refine(deque((last,)), cells, place, (before, after))
    return place


def _refine(
    queue: deque[int],
    cells: dict[int, _Cell],
    place: list[int],
    neighbours: tuple[list[list[int]], list[list[int]]],
) -> None:
    """Split cells until all nodes of each have as many neighbours in each cell, both ways.

    Everything is done in an order that the nodes' numbers have no part in.
    """
    waiting = set(queue)
    while queue:
        splitter = queue.popleft()
        waiting.discard(splitter)
        members = list(cells[splitter])
        for towards in neighbours:
            counts: dict[int, int] = {}
            for index in members:
                for one in towards[index]:
                    counts[one] = counts.get(one, 0) + 1
            touched: dict[int, dict[int, list[int]]] = {}
            for one, count in counts.items():
                touched.setdefault(place[one], {}).setdefault(count, []).append(one)
            for start in sorted(touched):
                for new in _split(start, touched[start], cells, place, start in waiting):
                    waiting.add(new)
                    queue.append(new)


def _split(
    start: int,
    parts: dict[int, list[int]],
    cells: dict[int, _Cell],
    place: list[int],
    waits: bool,
) -> list[int]:
    """Split the cell at ``start``, and give the new cells that are to split others.

    Args:
        start: its place.
        parts: count to the nodes of the cell that have so many neighbours; others have none.
        cells: all cells by place.
        place: of each node.
        waits: whether the cell itself is still to split others.
    """
    cell = cells[start]
    untouched = len(cell) - sum(map(len, parts.values()))
    if len(parts) + (untouched > 0) == 1:
        return []
    counts = sorted(parts)
    begin, sizes = start, {start: untouched} if untouched else {}
    begin += untouched
    for count in counts:
        sizes[begin] = len(parts[count])
        if begin != start:
            for index in parts[count]:
                del cell[index]
                place[index] = begin
            cells[begin] = dict.fromkeys(parts[count])
        begin += len(parts[count])
    if waits:
        return [new for new in sizes if new != start]
    # All parts but one tell as much as all, since the whole has split others before.
    largest = max(sizes, key=lambda new: (sizes[new], -new))
    return [new for new in sizes if new != largest]
