"""Multiply-adds of PyTorch's operators, from the shapes that they are given.

The formulas are those of :mod:`torch.utils.flop_counter`, halved, and a few for operators that
it lacks: products with a vector, bilinear forms, attention on the CPU, recurrent layers of oneDNN.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from torch import Tensor
from torch.utils.flop_counter import flop_registry, sdpa_flop_count


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: object, **__: object) -> int:
    return int(sdpa_flop_count(query.shape, key.shape, value.shape)) // 2


def _product_with_vector(matrix: Tensor, *_: object, **__: object) -> int:
    """Also of two vectors: every number of the first meets one of the second."""
    return matrix.numel()


def _recurrent(entered: Tensor, weight: Tensor, recurrent: Tensor, *_: object, **__: object) -> int:
    """A layer that multiplies each step of each sequence (L, N, C) by two matrices."""
    return prod(entered.shape[:-1]) * (weight.numel() + recurrent.numel())


def _trilinear(
    first: Tensor,
    second: Tensor,
    third: Tensor,
    expand1: Sequence[int],
    expand2: Sequence[int],
    expand3: Sequence[int],
    *_: object,
    **__: object,
) -> int:
    """Products of three tensors, each with dimensions of size 1 put in where it has none."""
    shapes = []
    for tensor, places in ((first, expand1), (second, expand2), (third, expand3)):
        shape = list(tensor.shape)
        for place in sorted(places):
            shape.insert(place, 1)
        shapes.append(shape)
    return prod(max(sizes) for sizes in zip(*shapes, strict=True))


def _convolution(
    _entered: Tensor, weight: Tensor, *_: object, out_val: Tensor, **__: object
) -> int:
    return out_val.numel() * weight[0].numel()


#: What PyTorch's registry lacks, by the operator's qualified name.
_MORE: dict[str, Callable[..., int]] = {
    "aten::mv": _product_with_vector,
    "aten::dot": _product_with_vector,
    "aten::vdot": _product_with_vector,
    "aten::addmv": lambda _bias, matrix, *_, **__: matrix.numel(),
    "aten::addbmm": lambda _bias, first, second, *_, **__: first.numel() * second.shape[-1],
    "aten::_addmm_activation": lambda _bias, first, second, *_, **__: (
        first.numel() * second.shape[-1]
    ),
    "aten::_trilinear": _trilinear,
    "aten::mkldnn_rnn_layer": _recurrent,
    "aten::_scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten::_scaled_dot_product_fused_attention_overrideable": _attention,
    "torchvision::deform_conv2d": _convolution,
}


def formula(operator: Any) -> Callable[..., int] | None:
    """How to count the multiply-adds of ``operator``; None if it has none.

    Args:
        operator: an overload, like ``torch.ops.aten.mm.default``.

    Returns:
        A function of the operator's arguments, and its result by the name ``out_val``.

    >>> import torch
    >>> count = formula(torch.ops.aten.mm.default)
    >>> count(torch.zeros(2, 3), torch.zeros(3, 5), out_val=torch.zeros(2, 5))
    30
    """
    packet = getattr(operator, "overloadpacket", operator)
    known = flop_registry.get(packet)
    if known is not None:
        # A multiply-add is two operations.
        return lambda *args, **kwargs: int(known(*args, **kwargs)) // 2
    return _MORE.get(getattr(packet, "_qualified_op_name", ""))
