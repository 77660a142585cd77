"""Attention that is one call of PyTorch, written out as the layers that it stands for.

So fused and unfused attention are one sequence.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from torch import Tensor

from alignment.arguments import argument, without_batch
from alignment.layers import Layer
from alignment.origins import Origins

#: Layers in order, each with the parameters that it uses.
Parts: TypeAlias = Iterable[tuple[Layer, frozenset[str]]]


def _attention_core(
    heads: tuple[int, ...], queries: int, keys: int, size: int, value_size: int, channels: int
) -> list[Layer]:
    """Scores, softmax, weighted sum."""
    count = math.prod(heads)
    scores = (*heads, queries, keys)
    return [
        Layer(
            "matmul",
            channels_in=channels,
            channels_out=channels,
            shape=scores,
            flops=count * queries * keys * size,
        ),
        Layer("softmax", channels_in=channels, channels_out=channels, shape=scores),
        Layer(
            "matmul",
            channels_in=channels,
            channels_out=channels,
            shape=(*heads, queries, value_size),
            flops=count * queries * keys * value_size,
        ),
    ]


def _expand_attention(
    origins: Origins, args: tuple[Any, ...], kwargs: Mapping[str, Any], channels: int
) -> Parts:
    """``scaled_dot_product_attention(query, key, value, mask)`` as its products and softmax."""
    query, key, value = (
        argument(args, kwargs, place, name) for place, name in enumerate(("query", "key", "value"))
    )
    mask = argument(args, kwargs, 3, "attn_mask")
    heads = without_batch(tuple(int(size) for size in query.shape[:-2]))
    first, softmax, last = _attention_core(
        heads,
        int(query.shape[-2]),
        int(key.shape[-2]),
        int(query.shape[-1]),
        int(value.shape[-1]),
        channels,
    )
    # A query made of parameters alone, as in attention pooling, counts for the first product.
    yield first, origins.parameters_of(query, key, value)
    if isinstance(mask, Tensor):
        used = origins.parameters_of(mask)
        if origins.is_data(mask) or used:
            kind = "add" if origins.is_data(mask) else "shift"
            yield Layer(kind, (), (), 1, channels, channels, first.shape), used
    yield softmax, frozenset()
    yield last, frozenset()


def _expand_multi_head(
    origins: Origins, args: tuple[Any, ...], kwargs: Mapping[str, Any], channels: int
) -> Parts:
    """``multi_head_attention_forward``: projections, attention, output projection."""
    query, key, value, width, heads = args[:5]
    packed, packed_bias = args[5], args[6]
    bias_k, bias_v, out_weight, out_bias = args[7], args[8], args[11], args[12]
    separate = [kwargs.get(name) for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight")]
    inputs = origins.parameters_of(packed, packed_bias, bias_k, bias_v, *separate)
    tokens, sources = int(query.shape[0]), int(key.shape[0])
    if packed is not None and query is key and key is value:
        layer = Layer(
            "linear",
            channels_in=width,
            channels_out=3 * width,
            shape=(tokens, 3 * width),
            flops=3 * tokens * width * width,
        )
        yield layer, inputs
    else:
        for tensor in (query, key, value):
            count, features = int(tensor.shape[0]), int(tensor.shape[-1])
            layer = Layer(
                "linear",
                channels_in=features,
                channels_out=width,
                shape=(count, width),
                flops=count * features * width,
            )
            yield layer, inputs
    size = width // heads
    for layer in _attention_core((heads,), tokens, sources, size, size, width):
        yield layer, frozenset()
    layer = Layer(
        "linear",
        channels_in=width,
        channels_out=int(out_weight.shape[0]),
        shape=(tokens, int(out_weight.shape[0])),
        flops=tokens * width * int(out_weight.shape[0]),
    )
    yield layer, origins.parameters_of(out_weight, out_bias)


#: Function name to the layers that one call of it stands for.
EXPANSIONS: dict[str, Callable[..., Parts]] = {
    "scaled_dot_product_attention": _expand_attention,
    "multi_head_attention_forward": _expand_multi_head,
}
