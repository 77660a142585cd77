"""A layer without its stride: what it computes at every place, with the parameters it has."""

from collections.abc import Iterable
from copy import copy
from typing import Any, Literal, NamedTuple

from torch import nn

#: How a layer loses its stride. Of ``own`` and ``same`` it steps by one pixel, with its own padding
#: or with as much as keeps the map's size; ``none`` leaves the layer out.
Way = Literal["own", "same", "none"]


class Unstrided(NamedTuple):
    """A layer that loses its stride: the path of its module, and how."""

    module: str
    way: Way


def ways(module: nn.Module) -> tuple[Way, ...]:
    """How a module that steps over a map can lose its stride, the likeliest way first; or no way.

    A pool whose windows do not overlap is nothing without its stride. Overlapping windows, as of
    blur pools, and convolutions stay. Padding that stands around them, in a module of its own or in
    their code (TensorFlow's "same"), is their own padding here.
    """
    if next(module.children(), None) is not None or not hasattr(module, "stride"):
        return ()
    if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
        windows = _both(module.kernel_size)
        if all(one <= step for one, step in zip(windows, _both(module.stride), strict=True)):
            return ("none",)
    elif not isinstance(module, nn.Conv2d):
        return ("own",)
    return ("own", "same") if _keeps_size(module) else ("same", "own")


def lose_strides(network: nn.Module, layers: Iterable[Unstrided]) -> None:
    """Take the strides of some layers of a network away; names and weights stay as they are."""
    for name, way in layers:
        network.set_submodule(name, unstrided(network.get_submodule(name), way))


def unstrided(module: nn.Module, way: Way) -> nn.Module:
    """The module without its stride; it shares its weights with the one that has it."""
    if way == "none":
        return nn.Identity()
    changed = copy(module)
    changed.stride = (1, 1) if isinstance(module.stride, tuple) else 1  # type: ignore[assignment]
    if way == "own":
        return changed
    if isinstance(changed, nn.Conv2d):
        changed.padding = "same"
        if changed.padding_mode != "zeros":
            # From the last dimension to the first, before and after, as torch itself has it.
            changed._reversed_padding_repeated_twice = [
                part
                for total in reversed(_spans(changed))
                for part in (total // 2, total - total // 2)
            ]
    else:
        changed.padding = tuple(total // 2 for total in _spans(changed))  # type: ignore[assignment]
    return changed


def _keeps_size(module: nn.Module) -> bool:
    """Whether the module's own padding keeps a map's size where nothing else pads it."""
    padding = getattr(module, "padding", 0)
    if isinstance(padding, str):
        return padding == "same"
    return all(2 * one == total for one, total in zip(_both(padding), _spans(module), strict=True))


def _spans(module: nn.Module) -> tuple[int, int]:
    """By how much a window of the module is larger than one pixel, in height and width."""
    windows, dilations = _both(module.kernel_size), _both(getattr(module, "dilation", 1))
    return dilations[0] * (windows[0] - 1), dilations[1] * (windows[1] - 1)


def _both(value: Any) -> tuple[int, int]:
    """Height and width of what may be one number for both."""
    return value if isinstance(value, tuple) else (value, value)
