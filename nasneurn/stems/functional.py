"""Functions of images as stems."""

import inspect
from collections.abc import Callable
from typing import Any, cast

from torch import Tensor, nn

from nasneurn.errors import InputError
from nasneurn.stems.leading import refuse_script, through


class FunctionStem(nn.Module):
    """A function of images, with its options, as a module.

    The function sees floating point images (N, C, H, W). Images (C, H, W), (H, W) and of any
    further dimensions in front are brought to that and back, uint8 is divided by 255, the memory
    format is kept, and torch.fx records the function as a node.

    >>> import torch
    >>> FunctionStem(torch.clamp, min=0.5)(torch.zeros(1, 1, 1, 1)).item()
    0.5
    """

    def __init__(self, function: Callable[..., Tensor], **options: Any) -> None:
        super().__init__()
        self.function = function
        self.options = options

    def forward(self, x: Tensor) -> Tensor:
        """Call the function with images and the options."""
        return through(self.function, x, self.options)

    def __prepare_scriptable__(self) -> nn.Module:
        return cast(nn.Module, refuse_script(self._name))

    def extra_repr(self) -> str:
        """The function's name and the options, for ``repr``."""
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return self._name + options

    @property
    def _name(self) -> str:
        name: str = getattr(self.function, "__name__", type(self.function).__name__)
        return name


def from_function(
    function: Callable[..., Tensor], check: Callable[..., object] | None = None
) -> Callable[..., FunctionStem]:
    """A maker of stems from a function of images; what it takes beside these are the options.

    The function must stay reachable by its own name (give the maker another), since a stem is
    pickled by that name when it goes to another process.

    Args:
        function: takes images (N, C, H, W) first, and gives as many of the same shape and dtype.
        check: called with the options when a stem is made, so that wrong ones are told at once.

    Returns:
        What :func:`nasneurn.stems.register_stem` takes, or what an import path may name.

    Raises:
        InputError: its signature cannot be read, or it takes nothing.

    >>> def darker(images, by=0.5):
    ...     return images * (1 - by)
    >>> from_function(darker)(by=0.25)
    FunctionStem(darker, by=0.25)
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise InputError(f"the options of {function!r} cannot be read; wrap it in a def") from None
    if not signature.parameters:
        raise InputError(f"{function!r} takes no images")

    def make(**options: Any) -> FunctionStem:
        if check is not None:
            check(**options)
        return FunctionStem(function, **options)

    make.__name__ = make.__qualname__ = getattr(function, "__name__", "make")
    make.__module__ = getattr(function, "__module__", make.__module__)
    make.__doc__ = function.__doc__
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    make.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for one in list(signature.parameters.values())[1:]
            if one.kind in named
        ]
    )
    return make
