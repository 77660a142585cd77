"""Requests to models: what each library calls to build one, on the meta device."""

import warnings
from collections.abc import Callable
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeAlias

from alignment.errors import TraceError, one_line
from alignment.zoo import CLASSES, Request

if TYPE_CHECKING:
    from torch import nn

#: The model, the shape of its images, and its family.
_Built: TypeAlias = "tuple[nn.Module, tuple[int, ...], str]"


def build(request: Request) -> tuple["nn.Module", tuple[int, int, int], str]:
    """The requested model on the meta device, the shape of its images, and its family.

    Raises:
        TraceError: the library does not know it, or cannot build it on the meta device.
    """
    import torch

    from alignment.meta import Uninitialized

    try:
        with torch.device("meta"), Uninitialized(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, shape, family = _BUILDERS[request.library](request)
    except Exception as error:
        raise TraceError(f"cannot be built: {one_line(error)}") from error
    if request.size is not None:
        shape = (shape[0], request.size, request.size)
    return model, (int(shape[0]), int(shape[1]), int(shape[2])), request.family or family


def _of_timm(request: Request) -> _Built:
    import timm

    model = timm.create_model(request.model, pretrained=False, num_classes=request.classes)
    config: Any = model.pretrained_cfg
    family = timm.model_entrypoint(request.model).__module__.rpartition(".")[2]
    return model, tuple(config.get("input_size", (3, 224, 224))), family


def _of_torchvision(request: Request) -> _Built:
    from torchvision.models import get_model, get_model_builder

    builder = get_model_builder(request.model)
    options: dict[str, Any] = {}
    if "weights_backbone" in signature(builder).parameters:
        options["weights_backbone"] = None  # else those of ImageNet are downloaded
    if request.model in ("googlenet", "inception_v3"):
        options["init_weights"] = False  # else they take seconds to draw what nobody sees
    model = get_model(request.model, weights=None, **options)
    shape = (3, 299, 299) if request.model == "inception_v3" else (3, 224, 224)
    return model, shape, builder.__module__.rpartition(".")[2]


def _of_design(request: Request) -> _Built:
    from alignment.designs import create_design

    return create_design(request.model, request.classes or CLASSES), (3, 224, 224), request.model


_BUILDERS: dict[str, Callable[[Request], _Built]] = {
    "timm": _of_timm,
    "torchvision": _of_torchvision,
    "design": _of_design,
}
