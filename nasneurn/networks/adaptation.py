"""How an architecture of a library is made to take images of a size, by stated rules."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import torch
from torch import nn

from nasneurn.errors import InputError, listed
from nasneurn.networks.architectures import Adapting, Architecture
from nasneurn.networks.small_images import POSITIONS, fit
from nasneurn.networks.strides import Unstrided, lose_strides

#: A vision transformer gets at least so many patches along each side of an image.
PATCHES = 8
#: Sides to which images are enlarged for an architecture that cannot take them as they are.
UPSAMPLED = range(32, 513, 32)
#: Side of the images for which a network was made, where its library does not tell.
PUBLISHED_SIZE = 224
#: So many layers at most are named in tables.
NAMED = 3


@dataclass(frozen=True)
class Case:
    """An architecture of a library, and what it is to do."""

    architecture: Architecture
    classes: int
    image_size: int
    adapting: Adapting = "as-published"

    def timm_says(self, field: str) -> Any:
        """A field of timm's description of the architecture; None if it is not timm's."""
        if self.architecture.library != "timm":
            return None
        import timm

        return getattr(timm.get_pretrained_cfg(self.architecture.model), field, None)


@dataclass(frozen=True)
class Adaptation:
    """How a library's network is made to take images of a size.

    Attributes:
        options: more arguments of the network's constructor.
        upsampled: side to which images are enlarged in front of the network.
        unstrided: layers that lose their stride.
        last_map: positions along a side of the network's last map, where these are too few and
            nothing more can lose its stride.
    """

    options: tuple[tuple[str, int], ...] = ()
    upsampled: int | None = None
    unstrided: tuple[Unstrided, ...] = ()
    last_map: int | None = None

    def __str__(self) -> str:
        """What tables say of it."""
        if self.upsampled is not None:
            return f"upsampled to {self.upsampled}"
        said = ", ".join(f"{key}={value}" for key, value in self.options)
        if self.unstrided:
            names = (layer.module for layer in self.unstrided)
            said = f"{listed(names, NAMED)} without stride"
        said = said or "as published"
        return (
            said if self.last_map is None else f"{said}, last map {self.last_map} x {self.last_map}"
        )


@dataclass(frozen=True)
class Rule:
    """One way to make a network take images of a size.

    Attributes:
        name: what it does.
        condition: whether it is for such a case.
        adaptations: what it tries, in this order.
    """

    name: str
    condition: Callable[[Case], bool]
    adaptations: Callable[[Case], Iterable[Adaptation]]


def _always(case: Case) -> bool:
    return True


def _of_published_size(case: Case) -> bool:
    """Whether the images are as large as the published ones, as far as the library tells."""
    published = case.timm_says("input_size")
    return published is not None and bool(case.image_size >= published[-1])


def _built_for_one_size(case: Case) -> bool:
    """Whether the network is built for one size of image, ``img_size``."""
    return bool(case.timm_says("fixed_input_size"))


def _to_fit(case: Case) -> bool:
    """Whether strides may be lost."""
    return case.adapting == "fit"


def _unchanged(case: Case) -> list[Adaptation]:
    return [Adaptation()]


def _sized(case: Case) -> list[Adaptation]:
    size = case.image_size
    sized = Adaptation((("img_size", size),))
    network = _on_meta(case.architecture, case.classes, sized.options)
    modules = () if network is None else network.modules()
    # Of modules that work on patches the first one cuts the image; some say (height, width).
    patch: Any = next((one.patch_size for one in modules if hasattr(one, "patch_size")), 1)
    if size // (max(patch) if isinstance(patch, tuple) else patch) >= PATCHES:
        return [sized]
    return [Adaptation((*sized.options, ("patch_size", max(2, size // PATCHES))))]


def _fitted(case: Case) -> list[Adaptation]:
    network = _built_on_meta(case.architecture, case.classes)
    if network is None:
        return []
    published = case.timm_says("input_size")
    found = fit(network, published[-1] if published else PUBLISHED_SIZE, case.image_size)
    if found.side is None:
        return []
    few = found.side if found.side < POSITIONS else None
    return [Adaptation(unstrided=found.lost, last_map=few)]


def _upsampled(case: Case) -> Iterator[Adaptation]:
    return (Adaptation(upsampled=side) for side in UPSAMPLED if side > case.image_size)


#: The first adaptation with which a network runs is taken.
RULES = (
    Rule("images of the published size or more: no change", _of_published_size, _unchanged),
    Rule("built for one size of image: for this one", _built_for_one_size, _sized),
    Rule("any other, to fit: without the first strides", _to_fit, _fitted),
    Rule("any other: no change", _always, _unchanged),
    Rule("what does not run so: images enlarged", _always, _upsampled),
)


@cache
def adaptation_of(
    architecture: Architecture,
    classes: int,
    image_size: int,
    adapting: Adapting = "as-published",
) -> Adaptation:
    """How an architecture of a library is made to take images of a size.

    Finding it, on the meta device, draws nothing from PyTorch's generator.

    Args:
        adapting: whether layers may lose their stride.

    Raises:
        InputError: no rule makes the architecture take such images.
    """
    case = Case(architecture, classes, image_size, adapting)

    with torch.random.fork_rng(devices=[]):
        for rule in RULES:
            if rule.condition(case):
                for adaptation in rule.adaptations(case):
                    if _runs(case, adaptation):
                        return adaptation
    raise InputError(
        f"{case.architecture.name} cannot take images of {case.image_size} pixels, "
        f"nor enlarged ones of up to {UPSAMPLED[-1]}"
    )


def _runs(case: Case, adaptation: Adaptation) -> bool:
    """Whether the network gives logits, in training and after, and no map on the way is empty."""
    network = _on_meta(case.architecture, case.classes, adaptation.options, adaptation.unstrided)
    if network is None:
        return False
    side = adaptation.upsampled or case.image_size
    images = torch.empty(2, 3, side, side, device="meta")
    try:
        with torch.device("meta"), torch.no_grad():
            answers = [network.train(mode)(images) for mode in (True, False)]
    except Exception:  # whatever an architecture raises for a size that it was not made for
        return False
    wanted = (2, case.classes)
    return all(isinstance(one, torch.Tensor) and one.shape == wanted for one in answers)


# One: a rule's adaptations, and those of the next rules, mostly differ in the images alone.
@lru_cache(maxsize=1)
def _on_meta(
    architecture: Architecture,
    classes: int,
    options: tuple[tuple[str, int], ...],
    layers: tuple[Unstrided, ...] = (),
) -> nn.Module | None:
    """The network without weights, which refuses empty maps; None if it cannot be built so."""

    def refuse_empty(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.numel() == 0:
            raise ValueError(f"{type(module).__name__} gives an empty map")

    network = _built_on_meta(architecture, classes, options)
    if network is None:
        return None
    lose_strides(network, layers)
    for module in network.modules():
        module.register_forward_hook(refuse_empty)
    return network


def _built_on_meta(
    architecture: Architecture, classes: int, options: tuple[tuple[str, int], ...] = ()
) -> nn.Module | None:
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes for which nothing would be left
            return build_library(architecture, classes, options)
    except Exception:  # as for sizes: it is not known what they raise
        return None


#: Two of torchvision have side outputs in training, which no loss here takes. Without the second
#: option they warn, and draw the published weights all the same.
_ALONE = {"aux_logits": False, "init_weights": True}
_TORCHVISION_OPTIONS = {"googlenet": _ALONE, "inception_v3": _ALONE}


def build_library(
    architecture: Architecture, classes: int, options: tuple[tuple[str, int], ...] = ()
) -> nn.Module:
    """A network of timm, torchvision or :mod:`alignment.designs` with fresh weights.

    Args:
        options: more arguments of its constructor.
    """
    chosen: dict[str, Any] = {"num_classes": classes, **architecture.options, **dict(options)}
    if architecture.library == "timm":
        import timm

        network: nn.Module = timm.create_model(architecture.model, pretrained=False, **chosen)
        return network
    if architecture.library == "design":
        from alignment.designs import create_design

        return create_design(architecture.model, classes)
    from torchvision import models

    chosen |= _TORCHVISION_OPTIONS.get(architecture.model, {})
    network = models.get_model(architecture.model, weights=None, **chosen)
    return network
