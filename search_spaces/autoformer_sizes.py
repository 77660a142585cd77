"""The sizes of the transformers in the AutoFormer space, and one of them built in plain PyTorch.

Chen et al., "AutoFormer: Searching Transformers for Visual Recognition" (ICCV 2021). The space of
them is :mod:`search_spaces.autoformer`.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from search_spaces.checks import distinct, known, positive_number, probability, whole_number
from search_spaces.errors import SpaceError
from search_spaces.transformer import Transformer

#: The choices of the published supernets, as NNI's hub has them, and of one that two CPU cores
#: train in minutes.
SIZES: dict[str, dict[str, Any]] = {
    "micro": {
        "embed_dims": (48, 64, 80),
        "depths": (3, 4, 5),
        "heads": (2, 3, 4),
        "mlp_ratios": (1.5, 2.0, 3.0),
        "head_dim": 16,
        "drop_path": 0.0,
    },
    "tiny": {
        "embed_dims": (192, 216, 240),
        "depths": (12, 13, 14),
        "heads": (3, 4),
        "mlp_ratios": (3.0, 3.5, 4.0),
    },
    "small": {
        "embed_dims": (320, 384, 448),
        "depths": (12, 13, 14),
        "heads": (5, 6, 7),
        "mlp_ratios": (3.0, 3.5, 4.0),
    },
    "base": {
        "embed_dims": (528, 576, 624),
        "depths": (14, 15, 16),
        "heads": (8, 9, 10),
        "mlp_ratios": (3.0, 3.5, 4.0),
    },
}

#: Images of this side and above have patches of 16 pixels, as published, and smaller ones of 4.
FULL_PATCH_SIZE = 128


def transformer_sizes(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """``dim``, and ``heads`` and ``hidden`` of each layer, of an architecture's transformer."""
    dim, layers = architecture["embed_dim"], range(architecture["depth"])
    return {
        "dim": dim,
        "heads": [architecture[f"num_head_{index}"] for index in layers],
        "hidden": [int(dim * architecture[f"mlp_ratio_{index}"]) for index in layers],
    }


def values_and_settings(
    *,
    num_classes: int = 10,
    image_size: int = 32,
    patch_size: int | None = None,
    size: str = "micro",
    **given: Any,
) -> tuple[dict[str, Sequence[Any]], dict[str, Any]]:
    """The values of each choice, by label, and what all transformers of the space are built with.

    Args:
        num_classes, image_size, patch_size: as of :class:`search_spaces.autoformer.AutoFormer`.
        size: name of a row of :data:`SIZES`.
        given: what is to be as in no row of :data:`SIZES`, by its name there; None is not given.

    Raises:
        SpaceError: a setting is none that can be meant, the patches do not tile the image, or the
            heads do not divide the embedding.
    """
    row = {"head_dim": 64, "drop_path": 0.1, **SIZES[known("size", size, SIZES)]}
    row |= {name: value for name, value in given.items() if value is not None}
    embed_dims, depths, heads = (
        [whole_number(name, value, least=1) for value in distinct(name, row[name])]
        for name in ("embed_dims", "depths", "heads")
    )
    mlp_ratios = [
        positive_number("mlp_ratios", value) for value in distinct("mlp_ratios", row["mlp_ratios"])
    ]
    if int(min(embed_dims) * min(mlp_ratios)) < 1:
        raise SpaceError(
            f"mlp_ratios is {mlp_ratios}, must leave an MLP of width 1 or more to an embedding "
            f"of {min(embed_dims)}"
        )
    layers = range(max(depths))
    values: dict[str, Sequence[Any]] = {
        "embed_dim": embed_dims,
        "depth": depths,
        **{f"mlp_ratio_{index}": mlp_ratios for index in layers},
        **{f"num_head_{index}": heads for index in layers},
    }
    return values, {
        "classes": whole_number("num_classes", num_classes, least=1),
        **_patches(image_size, patch_size),
        "head_dim": _head_dim(row["head_dim"], max(embed_dims), max(heads)),
        "drop_path": probability("drop_path", row["drop_path"]),
    }


def found_network(
    choices: Mapping[str, Any], *, initialization: str = "", **settings: Any
) -> nn.Module:
    """One architecture of the space, for weights that are to be loaded into it.

    Args:
        choices: the value of each choice, by label.
        initialization: of no effect.
        settings: of :class:`search_spaces.autoformer.AutoFormer`, but for ``stem``.
    """
    _, given = values_and_settings(**settings)
    network = Transformer(**transformer_sizes(choices), **given)
    return nn.Sequential(OrderedDict(transformer=network))  # weights have the space's names


def _patches(image_size: int, patch_size: int | None) -> dict[str, int]:
    """The side of a patch, and how many there are along each side of the image."""
    whole_number("image_size", image_size, least=1)
    if patch_size is None:
        patch_size = 16 if image_size >= FULL_PATCH_SIZE else 4
    side, rest = divmod(image_size, whole_number("patch_size", patch_size, least=1))
    if rest or not side:
        raise SpaceError(
            f"patches of {patch_size} pixels do not tile an image of {image_size}: "
            "image_size must be a multiple of patch_size"
        )
    return {"patch": patch_size, "side": side}


def _head_dim(head_dim: int | str, embed_dim: int, heads: int) -> int:
    if isinstance(head_dim, int):
        return whole_number("head_dim", head_dim, least=1)
    known("head_dim", head_dim, ("shared",))
    shared, rest = divmod(embed_dim, heads)
    if rest:
        raise SpaceError(
            f"{heads} heads do not divide an embedding of {embed_dim}; "
            "give a head_dim, or other heads or embed_dims"
        )
    return shared
