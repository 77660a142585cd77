"""Makers of the stems that are functions of images; each checks its options when one is made."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from nasneurn.stems import colour, edges, neurn_variants, normalizations
from nasneurn.stems.functional import from_function


def _checked(function: Callable[..., Tensor]) -> Callable[..., nn.Module]:
    """A maker whose options the function itself checks, on a batch of no images."""
    # Large ones, so that no patch is larger.
    return from_function(function, check=partial(function, torch.empty(0, 1, 512, 512)))


grey = _checked(colour.grey)
instance_norm = _checked(normalizations.instance_norm)
local_contrast_norm = _checked(normalizations.local_contrast_norm)
local_response_norm = _checked(normalizations.local_response_norm)
sobel = _checked(edges.sobel)
neurn_grey = _checked(neurn_variants.neurn_grey)
neurn_scales = _checked(neurn_variants.neurn_scales)
neurn_resized = _checked(neurn_variants.neurn_resized)
