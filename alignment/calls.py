"""One call of a PyTorch function as one layer: its window, channels and shape."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from alignment.aliases import storage_of
from alignment.arguments import argument, per_dimension, without_batch
from alignment.layers import Layer

_CONVOLUTIONS = re.compile(r"conv(_transpose)?[123]d")
_RECURRENT = frozenset(("lstm", "gru", "rnn_tanh", "rnn_relu"))
#: Kinds whose channels come last.
_CHANNELS_LAST = frozenset(("linear", "layer_norm", "rms_norm", *_RECURRENT))


def describe(
    kind: str,
    name: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    result: Tensor,
    channels: int,
    data: list[Tensor],
    flops: int,
) -> Layer:
    """The layer of one call, without its parameters."""
    # Some models fold windows into the batch; those of the one image count with it.
    shape = without_batch(tuple(result.shape))
    if _CONVOLUTIONS.fullmatch(name):
        return _convolution(kind, args, kwargs, shape, flops)
    if kind == "linear" or kind in _RECURRENT:
        return Layer(
            kind,
            channels_in=int(data[0].shape[-1]),
            channels_out=int(result.shape[-1]) if result.ndim else 1,
            shape=shape,
            flops=flops,
        )
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    if name.startswith(("avg_pool", "max_pool")):
        dims = int(name[8]) if name[8:9].isdigit() else 2
        size = argument(args, kwargs, 1, "kernel_size")
        kernel = per_dimension(size, dims)
        stride = per_dimension(argument(args, kwargs, 2, "stride") or size, dims)
    channels_out = channels
    if kind == "concat":
        channels_out = _concatenated(args, kwargs, result, channels, data)
    return Layer(
        kind,
        kernel=kernel,
        stride=stride,
        channels_in=channels,
        channels_out=channels_out,
        shape=shape,
        flops=flops,
    )


def _convolution(
    kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], shape: tuple[int, ...], flops: int
) -> Layer:
    weight: Tensor = argument(args, kwargs, 1, "weight")
    window = tuple(int(size) for size in weight.shape[2:])
    groups = argument(args, kwargs, 6, "groups") or 1
    first, second = int(weight.shape[0]), int(weight.shape[1])
    # The weight of a transposed convolution has the channels that enter first.
    channels_in, channels_out = (
        (first, second * groups) if "transpose" in kind else (second * groups, first)
    )
    stride = per_dimension(argument(args, kwargs, 3, "stride") or 1, len(window))
    return Layer(
        kind,
        kernel=window,
        stride=stride,
        groups=groups,
        channels_in=channels_in,
        channels_out=channels_out,
        shape=shape,
        flops=flops,
    )


def _concatenated(
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    result: Tensor,
    channels: int,
    data: list[Tensor],
) -> int:
    """Channels after a concatenation: more if it was along them, else those of the first part."""
    dim = argument(args, kwargs, 1, "dim")
    if not isinstance(dim, int) or result.ndim != data[0].ndim:
        return channels
    along = int(data[0].shape[dim])
    return int(result.shape[dim]) if along == channels else channels


def channel_axis(
    kind: str | None, channels: int, before: tuple[Tensor, int | None], result: Tensor
) -> int | None:
    """The dimension of ``result`` that its channels lie along; None if nothing tells.

    Args:
        kind: of the layer that gave it; None if data was only moved.
        channels: how many there are.
        before: a tensor that it was computed from, and that one's dimension.
        result: what came out.
    """
    shape = tuple(result.shape)
    places = [place for place, size in enumerate(shape) if size == channels]
    if len(places) < 2:
        return places[0] if places else None
    if kind in _CHANNELS_LAST and places[-1] == len(shape) - 1:
        return places[-1]
    if kind is not None and kind.startswith("conv"):
        return 1
    tensor, axis = before
    if axis is None:
        return None
    if kind is None and storage_of(result) == storage_of(tensor):
        # A view keeps the strides of the dimensions that it moves.
        step = tensor.stride(axis)
        same = [place for place in places if result.stride(place) == step]
        if len(same) == 1:
            return same[0]
    if axis == tensor.ndim - 1 and places[-1] == len(shape) - 1:
        return places[-1]
    return axis if axis in places else None
