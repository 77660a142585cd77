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
    view_as_real vsplit bfloat16 requires_grad nan_to_num real alias as_subclass fill index
    lift lift_fresh zero as_tensor asarray tensor
"""
MOVES = frozenset(_MOVE_NAMES.split())

#: Functions that take a tensor for its shape, device or one of its sizes and nothing else.
_CREATOR_NAMES = """
    arange eye full linspace ones rand randn zeros empty_like full_like new_empty new_full new_ones
    new_tensor new_zeros ones_like rand_like randn_like zeros_like bernoulli
"""
CREATES = frozenset(_CREATOR_NAMES.split())

#: Functions that take every tensor but the first for its shape, type or device.
SHAPED_BY_OTHERS = frozenset(("expand_as", "reshape_as", "to", "type_as", "view_as"))

#: Functions whose result has no values until something is written to it.
BLANKS = frozenset(("empty", "empty_like", "empty_permuted", "empty_strided", "new_empty"))

#: Functions that ask for values of a tensor, on which the rest of the run may depend.
ASKS = frozenset(
    """
    __bool__ __complex__ __contains__ __float__ __index__ __int__ allclose equal is_nonzero item
    tolist
    """.split()  # noqa: SIM905
)

#: Functions by which values leave PyTorch, so that what is computed of them cannot be seen.
LEAVES = frozenset(
    "__array__ __dlpack__ data_ptr numpy storage tolist untyped_storage".split()  # noqa: SIM905
)

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
    "max_pool3d_with_indices": "max_pool",
    "bmm": "matmul",
    "__matmul__": "matmul",
    "__rmatmul__": "matmul",
    "baddbmm": "matmul",
    "dot": "matmul",
    "einsum": "matmul",
    "mm": "matmul",
    "addmm": "matmul",
    "mv": "matmul",
    "tensordot": "matmul",
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


#: Kinds by the bounds that a function keeps values between; any others are its own name.
_BOUNDED: dict[tuple[object, object], str] = {(0, None): "relu", (0, 6): "relu6"}
#: Function name to the places and names of its two bounds, each with what it is if not given.
_BOUNDS: dict[str, tuple[tuple[int, str, object] | None, tuple[int, str, object] | None]] = {
    "hardtanh": ((1, "min_val", -1), (2, "max_val", 1)),
    "clamp": ((1, "min", None), (2, "max", None)),
    "clip": ((1, "min", None), (2, "max", None)),
    "clamp_min": ((1, "min", None), None),
    "clamp_max": (None, (1, "max", None)),
}
#: Function name to kind, if it is over all of space.
_GLOBAL = {"mean": "global_avg_pool", "amax": "global_max_pool"}


def kind_of(
    name: str,
    data: list[Tensor],
    weighted: bool,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    axis: int | None = None,
) -> str | None:
    """The kind of a call; None if it only moves data.

    Args:
        name: of the function.
        data: those of its tensors that were computed from the image.
        weighted: whether parameters are among what it was given.
        args: of the call.
        kwargs: of the call.
        axis: the dimension of the first of ``data`` that its channels lie along, if known.
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
    if name in _BOUNDS:
        bounds = tuple(bound and argument(args, kwargs, *bound) for bound in _BOUNDS[name])
        own = name if name == "hardtanh" else "clamp"
        return own if any(isinstance(bound, Tensor) for bound in bounds) else _kept(bounds, own)
    if name.startswith("adaptive_") and _is_one(argument(args, kwargs, 1, "output_size")):
        return "global_" + _KINDS[name]
    if name in _GLOBAL:
        dims = kwargs["axis"] if "axis" in kwargs else argument(args, kwargs, 1, "dim")
        if _is_spatial(dims, data[0].ndim, axis):
            return _GLOBAL[name]
    if name in ("addmm", "mm") and len(data) == 1 and weighted:
        return "linear"
    return _KINDS.get(name, name.strip("_"))


def _kept(bounds: tuple[object, ...], own: str) -> str:
    return next((kind for known, kind in _BOUNDED.items() if known == bounds), own)


def _is_one(size: object) -> bool:
    return size == 1 or (isinstance(size, (list, tuple)) and all(part == 1 for part in size))


def _is_spatial(dims: Any, ndim: int, axis: int | None) -> bool:
    """Whether a mean over ``dims`` leaves one value a channel.

    Of (N, C, ...), (N, ..., C), or (N, C, L); where ``axis`` does not tell, of (N, C, H, W),
    (N, H, W, C) or tokens (N, L, C).
    """
    if dims is None:
        return False
    chosen = {dim % ndim for dim in ((dims,) if isinstance(dims, int) else dims)}
    if axis is not None and axis > 0:
        return ndim > 2 and chosen == set(range(1, ndim)) - {axis}
    return chosen in ({2, 3}, {1, 2}) if ndim == 4 else ndim == 3 and chosen == {1}
