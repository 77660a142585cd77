"""How far architectures lie from each other: by their alignment, and by what needs none.

``paper`` and ``recommended`` are 1 - similarity of the alignment's presets, and ``...-corrected``
the same with each pair's similarity corrected by that of its shuffled sequences. Their rivals are
ratios of parameters, of multiply-adds and of depths (as differences of logarithms), counts of
layers (1 - cosine), the graph kernel of layers (1 - kernel), and the features of random weights
(1 - CKA).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from alignment.errors import AlignmentError
from alignment.layers import Architecture as Layers
from alignment.options import PRESETS
from alignment.run import compute
from alignment.tokens import tokenize
from alignment.unordered import bag_similarity, graph_similarity
from nasneurn.analysis.mantel import Values, pairs_of
from nasneurn.errors import InputError
from nasneurn.networks.architectures import Adapting, Architecture
from nasneurn.networks.as_layers import as_graph, as_layers

#: What a distance is of.
ALIGNMENT, RIVAL = "alignment", "rival"

#: Of the features of random weights: images of each built-in domain, and seeds.
IMAGES, SEEDS = 32, 2

#: The presets, each also with similarities that are corrected by the null.
WAYS = {
    **PRESETS,
    **{
        f"{name}-corrected": replace(options, similarity="corrected")
        for name, options in PRESETS.items()
    },
}


@dataclass(frozen=True, eq=False)
class ArchitectureDistances:
    """Distances of all pairs of N architectures, by several ways.

    Attributes:
        tables: by the way's name, (N, N).
        of: by the way's name, :data:`ALIGNMENT` or :data:`RIVAL`.
        layers: the architectures as they were traced.
        notes: which ways are left out, and why.
    """

    tables: dict[str, Values]
    of: dict[str, str]
    layers: tuple[Layers, ...]
    notes: tuple[str, ...]


@dataclass
class _Gathered:
    """Ways so far; what cannot be computed, or tells nothing apart, becomes a note."""

    tables: dict[str, Values] = field(default_factory=dict)
    of: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def noted(self, name: str) -> Iterator[None]:
        try:
            yield
        except (AlignmentError, InputError) as error:
            self.notes.append(f"no distance by {name}: {error}")

    def add(self, name: str, of: str, table: Values) -> None:
        if not np.isfinite(table).all():
            self.notes.append(f"no distance by {name}: it is no number for some pair")
            return
        if np.ptp(pairs_of(table)) <= 1e-9:
            self.notes.append(f"no distance by {name}: it is the same for all pairs")
            return
        self.tables[name], self.of[name] = table, of


def architecture_distances(
    architectures: Sequence[Architecture],
    image_size: int,
    sizes: Mapping[str, Sequence[float]] | None = None,
    *,
    random_features: bool = True,
    adapting: Adapting = "as-published",
    jobs: int | None = None,
) -> ArchitectureDistances:
    """All distances of :data:`WAYS` and their rivals.

    Args:
        architectures: with different names.
        image_size: side of the study's images.
        sizes: by ``params`` and ``flops`` those of the networks as they were trained; by default
            what was traced.
        random_features: also run each network, with random weights.
        adapting: how these are made to take images of that size.
        jobs: processes to trace in.

    Raises:
        InputError, AlignmentError: an architecture cannot be traced.
    """
    layers = as_layers(architectures, image_size, jobs=jobs)
    found = _Gathered()
    for name, options in WAYS.items():
        with found.noted(name):
            similarity = compute(layers, options, with_variants=False).similarity_matrix
            found.add(name, ALIGNMENT, 1 - similarity)
    traced = {
        "params": [one.params for one in layers],
        "flops": [one.flops for one in layers],
        "depth": [depth(one) for one in layers],
    }
    for name, values in {**traced, **(sizes or {})}.items():
        found.add(name, RIVAL, log_differences(values))
    with found.noted("bag"):
        found.add("bag", RIVAL, 1 - bag_similarity(tokenize(layers), "cosine"))
    with found.noted("graph"):
        graphs = [as_graph(one, image_size) for one in _shown("graphs", architectures)]
        found.add("graph", RIVAL, 1 - graph_similarity(graphs))
    if random_features:
        with found.noted("random-features"):
            table = _random_features(architectures, image_size, adapting)
            found.add("random-features", RIVAL, table)
    return ArchitectureDistances(found.tables, found.of, tuple(layers), tuple(found.notes))


def depth(layers: Layers) -> int:
    """How many convolutions and linear layers with weights of their own it executes."""
    return sum(layer.params > 0 and layer.flops > 0 for layer in layers.layers)


def log_differences(sizes: Sequence[float]) -> Values:
    """(N, N), how far the logarithms of sizes lie apart; sizes below 1 count as 1."""
    logs = np.log(np.maximum(np.asarray(sizes, np.float64), 1.0))
    return np.asarray(np.abs(logs[:, None] - logs[None]))


def _random_features(
    architectures: Sequence[Architecture], image_size: int, adapting: Adapting
) -> Values:
    from nasneurn.networks.random_features import (
        centred_products,
        cka_over_seeds,
        sample_images,
    )
    from nasneurn.networks.random_features import random_features as features

    images = sample_images(image_size, IMAGES)
    products = [
        [centred_products(features(one, seed, images, adapting)) for seed in range(SEEDS)]
        for one in _shown("random features", architectures)
    ]
    table = np.zeros((len(products),) * 2)
    for row, one in enumerate(products):
        for column, other in enumerate(products[:row]):
            table[row, column] = 1 - np.mean(cka_over_seeds(one, other))
    return np.asarray(table + table.T)


def _shown(what: str, architectures: Sequence[Architecture]) -> Iterable[Architecture]:
    """Each in turn, with a bar of progress."""
    from nasneurn.progress import meter

    with meter(what, len(architectures)) as progress:
        for one in architectures:
            yield one
            progress.advance(note=one.name)
