"""Networks beyond those of timm and torchvision: this package's own, and the user's."""

import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from nasneurn.choices import Choice, Registry
from nasneurn.errors import InputError

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
    from nasneurn.networks.names import names_like

    if name not in NETWORKS and isinstance(name, str) and name in names_like(name):
        raise InputError(f"there is a network {name!r} already; choose another name")
    NETWORKS.register(name, maker)


def create_own(choice: Choice, classes: int, image_size: int) -> "nn.Module":
    """The network of a registered name or import path, with fresh weights.

    Raises:
        InputError: there is none, or its maker refuses.
    """
    maker = NETWORKS.maker(choice.name)
    if not inspect.isroutine(maker) and not inspect.isclass(maker) and _is_module(maker):
        raise InputError(
            f"network {choice.name!r} is a module that is made already, of one number of classes; "
            "name the class or function that makes it"
        )
    parameters = inspect.signature(maker).parameters
    given = {"num_classes": classes, "image_size": image_size}
    # timm passes the number of classes by keyword, also to functions that only hand it on.
    taken = {"num_classes", *parameters} if _of_timm(maker) else set(parameters)
    return NETWORKS.create(
        choice, **{name: value for name, value in given.items() if name in taken}
    )


def _is_module(made: object) -> bool:
    from torch import nn

    return isinstance(made, nn.Module)


def _of_timm(maker: object) -> bool:
    """Whether a function is registered with timm, by ``timm.models.register_model``."""
    if "timm" not in sys.modules:
        return False
    from timm.models import is_model, model_entrypoint

    name = getattr(maker, "__name__", "")
    return bool(name) and is_model(name) and model_entrypoint(name) is maker


def registered_with_timm(name: str) -> str | None:
    """The import path of a network that was registered with timm by code that is not timm's.

    By that path other processes find it, too, which never called the code that registers it.
    """
    if "timm" not in sys.modules:
        return None
    from timm.models import is_model, model_entrypoint

    if not is_model(name):
        return None
    maker = model_entrypoint(name)
    home = str(maker.__module__)
    return None if home.partition(".")[0] == "timm" else f"{home}:{maker.__name__}"
