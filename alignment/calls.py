"""One call of a PyTorch function as one layer: its window, channels, shape and multiply-adds."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from alignment.arguments import argument, per_dimension, tensors_in, without_batch
from alignment.layers import Layer


def describe(
    kind: str,
    name: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    result: Tensor,
    channels: int,
    data: list[Tensor],
) -> Layer:
    """The layer of one call, without its parameters."""
    # Some models fold windows into the batch; those of the one image count with it.
    shape = without_batch(tuple(result.shape))
    out = result.numel()
    if name.startswith("conv"):
        return _convolution(kind, args, kwargs, shape, out)
    if name == "linear":
        weight = argument(args, kwargs, 1, "weight")
        features_out, features_in = (int(size) for size in weight.shape[-2:])
        return Layer(
            kind,
            channels_in=features_in,
            channels_out=features_out,
            shape=shape,
            flops=out * features_in,
        )
    flops = _product_flops(name, args, kwargs, result) if kind == "matmul" else 0
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
    kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], shape: tuple[int, ...], out: int
) -> Layer:
    weight: Tensor = argument(args, kwargs, 1, "weight")
    window = tuple(int(size) for size in weight.shape[2:])
    transposed = "transpose" in kind
    groups = argument(args, kwargs, 6, "groups") or 1
    if transposed:
        # conv_transpose(input, weight, bias, stride, padding, output_padding, groups)
        channels_in, per_group = int(weight.shape[0]), int(weight.shape[1])
        channels_out = per_group * groups
        # Every input value meets every weight of its group once.
        stride = per_dimension(argument(args, kwargs, 3, "stride") or 1, len(window))
        entered: Tensor = argument(args, kwargs, 0, "input")
        flops = entered.numel() * per_group * math.prod(window)
    else:
        channels_out, per_group = int(weight.shape[0]), int(weight.shape[1])
        channels_in = per_group * groups
        stride = per_dimension(argument(args, kwargs, 3, "stride") or 1, len(window))
        flops = out * per_group * math.prod(window)
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


def _product_flops(
    name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Tensor
) -> int:
    """Multiply-adds of a matrix product, for one image."""
    if name == "einsum":
        equation, *operands = args
        operands = list(tensors_in(operands))
        terms = str(equation).split("->")[0].replace(" ", "").split(",")
        sizes = {
            letter: int(size)
            for term, operand in zip(terms, operands, strict=False)
            for letter, size in zip(term.replace("...", ""), operand.shape, strict=False)
        }
        return math.prod(sizes.values())
    inner = args[1] if name == "baddbmm" else args[0]
    return int(result.numel() * inner.shape[-1])


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
