"""Networks that no library of this project has, each defined in a file of its own.

:data:`DESIGNS` says where each is. A design imports torch (and timm or torchvision where it stands
on their layers); naming the designs does not. None downloads weights, and all can be built on the
meta device. Their leaf modules run in the order of the authors' own code, so that a list of layers
of one is a list of layers of the other.
"""

from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from alignment.errors import check_known

if TYPE_CHECKING:
    from torch import nn

#: A name -> the function that builds it, as module:function.
DESIGNS = {
    "cornet_s": "alignment.designs.cornet_s:cornet_s",
    "resnet50_ibn_a": "alignment.designs.resnet_ibn:resnet50_ibn_a",
    "nasnet_mobile": "alignment.designs.nasnet_mobile:nasnet_mobile",
    "unet": "alignment.designs.unet:unet",
    "midas": "alignment.designs.midas:midas",
    "midas_small": "alignment.designs.midas:midas_small",
    "dpt_large": "alignment.designs.dpt:dpt_large",
    "resnest50": "alignment.designs.resnest:resnest50",
    "ghostnet": "alignment.designs.ghostnet:ghostnet",
    "proxyless_cpu": "alignment.designs.proxylessnas:proxyless_cpu",
    "proxyless_gpu": "alignment.designs.proxylessnas:proxyless_gpu",
    "proxyless_mobile": "alignment.designs.proxylessnas:proxyless_mobile",
    "proxyless_mobile_14": "alignment.designs.proxylessnas:proxyless_mobile_14",
}


def create_design(name: str, classes: int = 1000) -> "nn.Module":
    """A network by its name, with weights drawn at random.

    Args:
        name: one of :data:`DESIGNS`.
        classes: outputs of a classifier; networks that give a value for each pixel have none.

    Raises:
        AlignmentError: the name is unknown (the nearest is suggested).
    """
    check_known("design", name, DESIGNS)
    module, _, function = DESIGNS[name].partition(":")
    build: Any = getattr(import_module(module), function)
    network: nn.Module = build(classes) if signature(build).parameters else build()
    return network
