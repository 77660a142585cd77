"""Architectures of a study as layers and as graphs of layers, as the alignment takes them.

A design of a library is what the library publishes, traced at its own size of image, whatever a
study does to it for smaller ones. A network of one's own and a found one are traced at the size of
the study's images.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from alignment.layers import Architecture as Layers
from alignment.zoo import Request, resolve
from nasneurn.errors import InputError, one_line
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.traced import Shape, gather, of_module
from nasneurn.paths import cache_dir

if TYPE_CHECKING:
    from torch import nn

    from alignment.tracer import Graph

#: Classes of what is traced here: those of the digits.
CLASSES = 10


def as_layers(
    architectures: Sequence[Architecture], image_size: int, *, jobs: int | None = None
) -> list[Layers]:
    """The layers of each; what was traced before is read from the cache.

    Args:
        architectures: with different names.
        image_size: side of the study's images.
        jobs: processes to trace in.

    Raises:
        InputError: one cannot be built or traced.
        AlignmentError: the same of a library's.
    """
    published = [one.name for one in architectures if one.of_library]
    known = (
        {one.name: one for one in gather(published, jobs=jobs, strict=True)} if published else {}
    )
    return [known.get(one.name) or _traced(one, image_size) for one in architectures]


def as_graph(architecture: Architecture, image_size: int) -> "Graph":
    """Its graph of layers; see :func:`alignment.graphs.layer_graph`.

    Raises:
        InputError: it cannot be built.
        AlignmentError: it cannot be traced.
    """
    from alignment.builders import build
    from alignment.graphs import layer_graph

    if architecture.of_library:
        network, shape, _ = build(_request(architecture))
        return layer_graph(network, shape)
    return layer_graph(_network(architecture, image_size), _shape(image_size))


def _request(architecture: Architecture) -> Request:
    from alignment.sequences import catalogue

    return resolve([architecture.name], lambda: catalogue(cache_dir() / "alignment"))[0]


def _shape(image_size: int) -> Shape:
    return (3, image_size, image_size)


def _traced(architecture: Architecture, image_size: int) -> Layers:
    network = _network(architecture, image_size)
    layers = of_module(network, architecture.name, _shape(image_size))
    return replace(layers, family="found") if architecture.found else layers


def _network(architecture: Architecture, image_size: int) -> "nn.Module":
    """On the meta device, or with values where it cannot be made without."""
    import torch

    from nasneurn.networks.build import create_network

    try:
        with torch.device("meta"):
            return create_network(architecture, CLASSES, image_size)[0]
    except InputError:
        raise
    except Exception as error:  # whatever code of one's own raises
        raise InputError(f"{architecture.name} cannot be traced: {one_line(error)}") from error
