"""One name for each function of PyTorch and for the operators of the dispatcher that it is."""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from torch import Tensor
from torch._ops import HigherOrderOperator, OpOverload, OpOverloadPacket
from torch.overrides import resolve_name

#: Name, arguments by place, arguments by name.
Call: TypeAlias = tuple[str, tuple[Any, ...], Mapping[str, Any]]

#: Operators that functions of other names are made of. Their first arguments are the functions'.
_OPERATORS: dict[str, str] = {
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d",
    "_adaptive_avg_pool3d": "adaptive_avg_pool3d",
    "_batch_norm_with_update": "batch_norm",
    "_fused_rms_norm": "rms_norm",
    "_log_softmax": "log_softmax",
    "_native_batch_norm_legit": "batch_norm",
    "_native_batch_norm_legit_no_training": "batch_norm",
    "_prelu_kernel": "prelu",
    "_reshape_alias": "view",
    "_safe_softmax": "softmax",
    "_scaled_dot_product_attention_math": "scaled_dot_product_attention",
    "_scaled_dot_product_cudnn_attention": "scaled_dot_product_attention",
    "_scaled_dot_product_efficient_attention": "scaled_dot_product_attention",
    "_scaled_dot_product_flash_attention": "scaled_dot_product_attention",
    "_scaled_dot_product_flash_attention_for_cpu": "scaled_dot_product_attention",
    "_scaled_dot_product_fused_attention_overrideable": "scaled_dot_product_attention",
    "_softmax": "softmax",
    "_to_copy": "to",
    "_trilinear": "bilinear",
    "_unsafe_view": "view",
    "cudnn_batch_norm": "batch_norm",
    "miopen_batch_norm": "batch_norm",
    "mkldnn_rnn_layer": "lstm",
    "native_batch_norm": "batch_norm",
    "native_dropout": "dropout",
    "native_group_norm": "group_norm",
    "native_layer_norm": "layer_norm",
}
_PADS = re.compile(r"(constant_pad_nd|(reflection|replication)_pad\d?d?)")
_RESIZES = re.compile(r"_?upsample_.*")

#: Names of callables that were looked up before.
_NAMES: dict[Any, str] = {}


def name_of(func: Any) -> str:
    """The name of a function or method, without its module and without a final underscore.

    Operators of PyTorch have the name of the function that they belong to, others their
    namespace's too.

    >>> import torch
    >>> name_of(torch.Tensor.relu_), name_of(torch.ops.aten._softmax.default)
    ('relu', 'softmax')
    """
    name = _NAMES.get(func)
    if name is None:
        name = _NAMES[func] = _look_up(func)
    return name


def is_operator(func: Any) -> bool:
    """Whether ``func`` is an operator of the dispatcher, whose arguments hide no tensors."""
    return isinstance(func, (OpOverload, OpOverloadPacket))


def _look_up(func: Any) -> str:
    if isinstance(func, HigherOrderOperator):
        return str(func.name())
    if isinstance(func, (OpOverload, OpOverloadPacket)):
        packet = func.overloadpacket if isinstance(func, OpOverload) else func
        qualified = str(packet._qualified_op_name)
        namespace, _, name = qualified.partition("::")
        return _function(_plain(name)) if namespace == "aten" else qualified
    name = resolve_name(func) or getattr(func, "__name__", "") or "unknown"
    return _function(_plain(name.split(".")[-1]))


def _function(name: str) -> str:
    if name in _OPERATORS:
        return _OPERATORS[name]
    if _PADS.fullmatch(name):
        return "pad"
    if _RESIZES.fullmatch(name):
        return "upsample"
    # slice_copy, permute_copy, ... give copies where the function gives a view.
    return name if name == "index_copy" else name.removesuffix("_copy")


def _plain(name: str) -> str:
    return name if name.startswith("__") else name.rstrip("_")


def as_function(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    """A call of the general convolution as a call of one of the functions that it stands for.

    ``convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding,
    groups)`` is PyTorch's one operator for all of them.
    """
    if name not in ("convolution", "_convolution"):
        return name, args, kwargs
    places = ("input", "weight", "bias", "stride", "padding", "dilation", "transposed",
              "output_padding", "groups")  # fmt: skip
    given = {**dict(zip(places, args, strict=False)), **kwargs}
    weight: Tensor = given["weight"]
    kind = "conv_transpose" if given["transposed"] else "conv"
    chosen = {part: given[part] for part in ("weight", "stride", "groups")}
    return f"{kind}{weight.ndim - 2}d", (given["input"],), chosen
