"""A name to a network for a size of image: of libraries, of one's own, or found by a search."""

from typing import TYPE_CHECKING, get_args

from nasneurn.choices import check_known
from nasneurn.networks.architectures import Adapting, Architecture
from nasneurn.networks.found import FoundArchitecture, read_found, write_found
from nasneurn.networks.names import resolve_architectures
from nasneurn.networks.own import NETWORKS, register_network
from nasneurn.networks.spaces import create_space, list_spaces, register_space

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "NETWORKS",
    "Architecture",
    "FoundArchitecture",
    "create_network",
    "create_space",
    "list_networks",
    "list_spaces",
    "read_found",
    "register_network",
    "register_space",
    "resolve_architectures",
    "write_found",
]


def list_networks() -> list[str]:
    """Networks beyond those of timm and torchvision.

    >>> list_networks()
    ['digits_convnet']
    """
    return list(NETWORKS)


def create_network(
    name: str, classes: int = 10, image_size: int = 32, adaptation: Adapting = "fit"
) -> "nn.Module":
    """The network (N, 3, S, S) -> (N, classes) of a name, with fresh weights.

    Args:
        name: what ``--models`` takes for one network: ``resnet18``, ``torchvision:resnet18``,
            ``package.module:Name``, or an ``architecture.json#NAME``.
        classes: outputs of the classifier.
        image_size: side of the images, S.
        adaptation: ``fit`` takes the first strides of a library's network away where the images
            are small for it, or ``as-published``.

    Raises:
        InputError: there is no such network, the name is that of several, or it cannot take such
            images.
    """
    from nasneurn.errors import InputError
    from nasneurn.networks import build

    if not isinstance(name, str):
        raise InputError(
            f"the network is {name!r:.60}; its name is needed, as 'resnet18', or the import path "
            "of its class or function, as 'package.module:Name'"
        )
    check_known("adaptation", adaptation, get_args(Adapting))
    named = resolve_architectures([name])
    if len(named) > 1:
        raise InputError(f"{name!r} names {len(named)} networks; name one")
    network, _ = build.create_network(named[0], classes, image_size, adaptation)
    return network
