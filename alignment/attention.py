"""Attention that is one call of PyTorch, written out as the layers that it stands for.

So fused and unfused attention are one sequence.
"""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from torch import Tensor
from torch.nn import functional

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
        used, is_data = origins.parameters_of(mask), origins.of(mask).is_data
        if is_data or used:
            kind = "add" if is_data else "shift"
            yield Layer(kind, (), (), 1, channels, channels, first.shape), used
    yield softmax, frozenset()
    yield last, frozenset()


def _expand_multi_head(
    origins: Origins, args: tuple[Any, ...], kwargs: Mapping[str, Any], channels: int
) -> Parts:
    """``multi_head_attention_forward``: projections, attention, output projection."""
    given = _MULTI_HEAD.bind(*args, **kwargs)
    given.apply_defaults()
    call = given.arguments
    query, key, value = call["query"], call["key"], call["value"]
    width, heads = call["embed_dim_to_check"], call["num_heads"]
    packed, bias_k, out_weight = call["in_proj_weight"], call["bias_k"], call["out_proj_weight"]
    separate = [call[name] for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight")]
    inputs = origins.parameters_of(packed, call["in_proj_bias"], bias_k, call["bias_v"], *separate)
    # (L, N, C), or (L, C) of one sequence; windows of the image may be the batch.
    batch = tuple(int(size) for size in query.shape[1:-1])
    if packed is not None and query is key and key is value:
        yield _projection(query, 3 * width, batch), inputs
    else:
        for tensor in (query, key, value):
            yield _projection(tensor, width, batch), inputs
    tokens = int(query.shape[0])
    sources = int(key.shape[0]) + (bias_k is not None) + bool(call["add_zero_attn"])
    size = width // heads
    core = (*without_batch(batch), heads)
    for layer in _attention_core(core, tokens, sources, size, size, width):
        yield layer, frozenset()
    # The heads' outputs side by side are as wide as the queries' projection.
    layer = _projection(query, int(out_weight.shape[0]), batch)
    flops = tokens * math.prod(batch) * width * int(out_weight.shape[0])
    layer = replace(layer, channels_in=width, flops=flops)
    yield layer, origins.parameters_of(out_weight, call["out_proj_bias"])


def _projection(tensor: Tensor, width: int, batch: tuple[int, ...]) -> Layer:
    """A linear layer over tokens (L, N, C) or (L, C)."""
    count, features = int(tensor.shape[0]), int(tensor.shape[-1])
    return Layer(
        "linear",
        channels_in=features,
        channels_out=width,
        shape=(*without_batch(batch), count, width),
        flops=count * math.prod(batch) * features * width,
    )


_MULTI_HEAD = inspect.signature(functional.multi_head_attention_forward)

#: Kinds whose multiply-adds are counted.
_PRODUCTS = ("linear", "matmul")


#: Function name to the layers that one call of it stands for.
EXPANSIONS: dict[str, Callable[..., Parts]] = {
    "scaled_dot_product_attention": _expand_attention,
    "multi_head_attention_forward": _expand_multi_head,
}


def written_out(
    call: tuple[str, tuple[Any, ...], Mapping[str, Any]],
    origins: Origins,
    channels: int,
    flops: int,
) -> list[tuple[Layer, frozenset[str]]]:
    """The layers that one of :data:`EXPANSIONS` stands for, with ``flops`` multiply-adds in all.

    Where the operators that really ran have multiplied more or less than the layers written out
    here, the difference is in the last product.
    """
    name, args, kwargs = call
    parts = list(EXPANSIONS[name](origins, args, kwargs, channels))
    place = max(place for place, (layer, _) in enumerate(parts) if layer.kind in _PRODUCTS)
    last, parameters = parts[place]
    rest = flops - sum(layer.flops for layer, _ in parts)
    parts[place] = (replace(last, flops=last.flops + rest), parameters)
    return parts
