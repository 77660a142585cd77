"""Input stems: what an image goes through before the backbone. NeuRN, and its rivals.

A stem takes images (N, C, H, W) and gives back as many of the same shape and dtype. It has no
parameters and no buffers, so a checkpoint with a stem is the checkpoint without.

>>> import torch
>>> images = torch.rand(2, 3, 32, 32)
>>> create_stem("neurn", k=5)(images).shape
torch.Size([2, 3, 32, 32])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nasneurn.stems.registry import STEMS, create_stem, list_stems, register_stem

if TYPE_CHECKING:
    from nasneurn.stems.colour import grey
    from nasneurn.stems.conformance import check_stem
    from nasneurn.stems.edges import sobel
    from nasneurn.stems.functional import FunctionStem, from_function
    from nasneurn.stems.neural_response import NeuRN, neurn
    from nasneurn.stems.neurn_variants import neurn_grey, neurn_resized, neurn_scales
    from nasneurn.stems.normalizations import (
        instance_norm,
        local_contrast_norm,
        local_response_norm,
    )

__all__ = [
    "STEMS",
    "FunctionStem",
    "NeuRN",
    "check_stem",
    "create_stem",
    "from_function",
    "grey",
    "instance_norm",
    "list_stems",
    "local_contrast_norm",
    "local_response_norm",
    "neurn",
    "neurn_grey",
    "neurn_resized",
    "neurn_scales",
    "register_stem",
    "sobel",
]

#: Where the names are that need PyTorch.
_HOME = {
    "FunctionStem": "functional",
    "NeuRN": "neural_response",
    "check_stem": "conformance",
    "from_function": "functional",
    "grey": "colour",
    "instance_norm": "normalizations",
    "local_contrast_norm": "normalizations",
    "local_response_norm": "normalizations",
    "neurn": "neural_response",
    "neurn_grey": "neurn_variants",
    "neurn_resized": "neurn_variants",
    "neurn_scales": "neurn_variants",
    "sobel": "edges",
}


if not TYPE_CHECKING:  # which would take a misspelt name for one of these

    def __getattr__(name: str) -> Any:
        if name in _HOME:
            return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
