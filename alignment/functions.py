"""PyTorch's functions by name: which move data, which compute, and how the latter are called."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from alignment.arguments import argument

#: Functions that move data, or scale it by a number: what comes out is what went in.
_MOVE_NAMES = """
    __get__ __getitem__ __setitem__ alpha_dropout as_strided broadcast_to channel_shuffle chunk
    clone contiguous copy cpu cuda detach diagonal double dropout dropout1d dropout2d dropout3d
    dsplit expand expand_as feature_alpha_dropout flatten flip float fold gather half hsplit
    index_copy index_put index_select masked_fill masked_select meshgrid movedim moveaxis narrow
    neg negative pad permute pixel_shuffle pixel_unshuffle positive ravel repeat
    repeat_interleave reshape reshape_as roll rot90 select slice split split_with_sizes squeeze
    swapaxes swapdims t take tensor_split tile to transpose triu tril type type_as unbind
    unflatten unfold unsafe_chunk unsafe_split unsqueeze view view_as view_as_complex
    view_as_real vsplit bfloat16 requires_grad nan_to_num clamp clip real
"""
MOVES = frozenset(_MOVE_NAMES.split())

#: Functions that take a tensor for its shape or device and nothing else.
_CREATOR_NAMES = """
    empty_like full_like new_empty new_full new_ones new_tensor new_zeros ones_like rand_like
    randn_like zeros_like bernoulli
"""
CREATES = frozenset(_CREATOR_NAMES.split())

#: Function name to kind, where the two differ; any function not listed keeps its own name.
_KINDS: dict[str, str] = {
    "adaptive_max_pool1d": "max_pool",
    "adaptive_max_pool2d": "max_pool",
    "adaptive_avg_pool1d": "avg_pool",
    "adaptive_avg_pool2d": "avg_pool",
    "adaptive_avg_pool3d": "avg_pool",
    "avg_pool1d": "avg_pool",
    "avg_pool2d": "avg_pool",
    "avg_pool3d": "avg_pool",
    "max_pool1d": "max_pool",
    "max_pool2d": "max_pool",
    "max_pool3d": "max_pool",
    "max_pool2d_with_indices": "max_pool",
    "hardtanh": "relu6",
    "_softmax": "softmax",
    "bmm": "matmul",
    "__matmul__": "matmul",
    "__rmatmul__": "matmul",
    "baddbmm": "matmul",
    "mm": "matmul",
    "einsum": "matmul",
    "cat": "concat",
    "concatenate": "concat",
    "stack": "concat",
    "hstack": "concat",
    "interpolate": "resize",
    "upsample": "resize",
    "amax": "max",
}

#: Arithmetic: its name with two feature maps, and with a feature map and a parameter.
_ARITHMETIC: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("add", "__add__", "__radd__", "__iadd__"), ("add", "shift")),
    **dict.fromkeys(("sub", "subtract", "__sub__", "__rsub__", "__isub__"), ("add", "shift")),
    **dict.fromkeys(("mul", "multiply", "__mul__", "__rmul__", "__imul__"), ("mul", "scale")),
    **dict.fromkeys(
        ("div", "divide", "true_divide", "__truediv__", "__rtruediv__", "__itruediv__"),
        ("mul", "scale"),
    ),
}


def kind_of(
    name: str,
    data: list[Tensor],
    weighted: bool,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> str | None:
    """The kind of a call; None if it only moves data.

    Args:
        name: of the function.
        data: those of its tensors that were computed from the image.
        weighted: whether parameters are among what it was given.
        args: of the call.
        kwargs: of the call.
    """
    if name in _ARITHMETIC:
        joined, with_parameter = _ARITHMETIC[name]
        if len(data) > 1:
            return joined
        # A tensor without parameters is a constant like a number: a mask, a scale.
        return with_parameter if weighted else None
    if name in MOVES:
        return None
    if name in ("cat", "concat", "stack") and len(data) == 1 and not weighted:
        return None
    if name.startswith("adaptive_") and _is_one(argument(args, kwargs, 1, "output_size")):
        return "global_" + _KINDS[name]
    if name == "mean" and _is_spatial(argument(args, kwargs, 1, "dim"), data[0].ndim):
        return "global_avg_pool"
    return _KINDS.get(name, name.strip("_"))


def _is_one(size: object) -> bool:
    return size == 1 or (isinstance(size, (list, tuple)) and all(part == 1 for part in size))


def _is_spatial(dims: Any, ndim: int) -> bool:
    """Whether a mean over ``dims`` leaves one value a channel.

    Of (N, C, H, W), (N, H, W, C) or tokens (N, L, C).
    """
    if dims is None:
        return False
    chosen = {dim % ndim for dim in ((dims,) if isinstance(dims, int) else dims)}
    return chosen in ({2, 3}, {1, 2}) if ndim == 4 else ndim == 3 and chosen == {1}
