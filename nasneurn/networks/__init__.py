"""A name to a network for a size of image: of libraries, of one's own, or found by a search."""

from typing import TYPE_CHECKING, get_args

from nasneurn.choices import check_known
from nasneurn.networks.architectures import Adapting, Architecture
from nasneurn.networks.found import FoundArchitecture, read_found, write_found
from nasneurn.networks.names import names_like, resolve_architectures
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


def list_networks(filter: str | None = None) -> list[str]:
    """Names of networks that :func:`create_network` takes, each of one network.

    Args:
        filter: a pattern, as of :func:`timm.list_models`: the names that match it, of registered
            networks, the paper's 44 and Keras, timm, and torchvision. Those of torchvision have
            ``torchvision:`` in front, which the pattern may leave out. Without it the names are
            those of this package and the registered ones alone.

    Returns:
        The names; none where nothing matches. :func:`create_network` takes some beyond them:
        ``package.module:Name`` of your own, any of these with options or weights after it,
        ``design:NAME``, and an ``architecture.json#NAME`` that a search found.

    >>> list_networks()
    ['digits_convnet']
    >>> list_networks("vgg11*")
    ['vgg11', 'vgg11_bn', 'torchvision:vgg11', 'torchvision:vgg11_bn']
    """
    return list(NETWORKS) if filter is None else names_like(filter)


def create_network(
    name: str, classes: int = 10, image_size: int = 32, adaptation: Adapting = "fit"
) -> "nn.Module":
    """The network (N, 3, S, S) -> (N, classes) of a name, with fresh weights.

    Args:
        name: what ``--models`` takes for one network: of :func:`list_networks` (``resnet18``,
            ``torchvision:resnet18``, ``digits_convnet``) and beyond it ``package.module:Name`` of
            your own, also with options (``my:Net:width=4``), ``design:NAME``, and an
            ``architecture.json#NAME`` that a search found.
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
