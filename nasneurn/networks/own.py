"""Networks beyond those of timm and torchvision: this package's own, and the user's."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from nasneurn.choices import Choice, Registry

if TYPE_CHECKING:
    from torch import nn


def _digits_convnet(num_classes: int, image_size: int) -> "nn.Module":
    from nasneurn.networks.convnet import digits_convnet

    return digits_convnet(num_classes, image_size)


#: Makers by name. Each is given those of the arguments ``num_classes`` and ``image_size`` that it
#: takes; its other arguments are its options.
NETWORKS: "Registry[nn.Module]" = Registry(
    "network", {"digits_convnet": _digits_convnet}, hidden=("num_classes", "image_size")
)


def register_network(name: str, maker: "Callable[..., nn.Module]") -> None:
    """Add a network of one's own under a name.

    Args:
        name: what ``--models`` is to call it; other processes, such as workers, do not know it.
        maker: a class or function; of the arguments ``num_classes`` and ``image_size`` it is given
            those that it takes.

    Raises:
        InputError: the name is taken.
    """
    NETWORKS.register(name, maker)


def create_own(choice: Choice, classes: int, image_size: int) -> "nn.Module":
    """The network of a registered name or import path, with fresh weights.

    Raises:
        InputError: there is none, or its maker refuses.
    """
    maker = NETWORKS.maker(choice.name)
    parameters = inspect.signature(maker).parameters
    given = {"num_classes": classes, "image_size": image_size}
    return NETWORKS.create(
        choice, **{name: value for name, value in given.items() if name in parameters}
    )
