"""Stems by name: the built-in ones, those that are registered, and those of an import path."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nasneurn.choices import Choice, Registry
from nasneurn.errors import InputError
from nasneurn.located import Located

if TYPE_CHECKING:
    from torch import nn


def _function(name: str, **options: Any) -> "Callable[..., nn.Module]":
    return Located(f"nasneurn.stems.function_stems:{name}", **options)


#: Every stem, where it is, and its options with their defaults: those of what makes it.
STEMS: "Registry[nn.Module]" = Registry(
    "stem",
    {
        "none": Located("torch.nn:Identity"),
        "neurn": Located(
            "nasneurn.stems.neural_response:NeuRN",
            k=3,
            border="reflect",
            scope="image",
            mode="contrast",
            eps=0.001,
            quantile=None,
        ),
        "grey": _function("grey"),
        "instance_norm": _function("instance_norm", eps=1e-5),
        "local_contrast_norm": _function("local_contrast_norm", size=9),
        "local_response_norm": _function(
            "local_response_norm", size=5, alpha=1e-4, beta=0.75, k=1.0
        ),
        "sobel": _function("sobel"),
        "neurn_grey": _function("neurn_grey", k=3, mode="contrast"),
        "neurn_scales": _function("neurn_scales", k=(3, 5, 9), by="mean", mode="contrast"),
        "neurn_resized": _function(
            "neurn_resized", side=16, order="before", by="nearest", k=3, mode="contrast"
        ),
    },
    elsewhere={"randconv": "randconv is an algorithm: --algorithms randconv"},
    later={"neurn": ("quantile",)},
)


def list_stems() -> list[str]:
    """Names that :func:`create_stem` knows.

    >>> list_stems()[:2]
    ['none', 'neurn']
    """
    return list(STEMS)


def register_stem(name: str, maker: "Callable[..., nn.Module]") -> None:
    """Add a stem of one's own under a name, for this process.

    Other processes, such as the workers of a study, know only what they import: there, name the
    stem by its import path, ``package.module:Name``.

    Args:
        name: without ``:``, ``=``, ``,`` and ``#``.
        maker: a class of ``nn.Module``, or a function that returns a module; its arguments are
            the stem's options. For a function of images, give ``from_function(function)``.

    Raises:
        InputError: another maker has the name, or it cannot be one.

    >>> register_stem("squashed", nn.Hardtanh)  # doctest: +SKIP
    >>> create_stem("squashed:min_val=0.0")  # doctest: +SKIP
    Hardtanh(min_val=0.0, max_val=1.0)
    """
    STEMS.register(name, maker)


def create_stem(name: str, **options: Any) -> "nn.Module":
    """Make a stem by its name.

    Args:
        name: a name of :func:`list_stems`, or ``package.module:Name`` for a class of
            ``nn.Module`` or a function that returns a module; each may be followed by options, as
            in ``"neurn:k=5,border=zero"``.
        **options: the same options as arguments.

    Returns:
        A module from images (N, C, H, W) to as many of the same shape and dtype.

    Raises:
        InputError: for a name or an option that does not exist, an option given twice, a value
            that the stem refuses, or what is no module.

    >>> create_stem("local_contrast_norm", size=7)
    FunctionStem(local_contrast_norm, size=7)
    >>> create_stem("neurn:k=5")
    NeuRN(k=5, border='reflect', scope='image', mode='contrast')
    >>> create_stem("torch.nn:Hardtanh:min_val=0.0")
    Hardtanh(min_val=0.0, max_val=1.0)
    """
    from torch import nn

    if not isinstance(name, str):
        raise InputError(
            f"the stem is {name!r:.60}; its name is needed, as 'neurn:k=5'; a module is one already"
        )
    choice = Choice.parse(name)
    for option in options:
        if option in choice.options:
            raise InputError(f"{name!r} gives {option!r}, which is given again as an argument")
    choice = Choice(name=choice.name, options={**choice.options, **options})
    stem = STEMS.create(choice)
    if not isinstance(stem, nn.Module):
        raise InputError(f"stem {name!r} makes a {type(stem).__name__}; an nn.Module is needed")
    return stem
