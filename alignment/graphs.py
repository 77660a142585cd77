"""A model to the graph of the layers that it truly executes, without weights.

The model runs once, in evaluation mode, on the meta device, where tensors have shapes and no
values. Every call of a PyTorch function passes a :class:`torch.overrides.TorchFunctionMode`; it
sees what a listing of modules does not (functional additions and concatenations, the activation
inside a fused ``BatchNormAct2d``, the products inside an attention) and does not see what is
never run or does nothing (``Identity``, dropout). A call becomes a node if it computes something
from the image; the edges follow the tensors.

What counts:

- Reshaping, slicing, padding, dropout, casts, and arithmetic with plain numbers move or scale
  data: no node, the data passes through.
- ``scaled_dot_product_attention`` is written out as the two matrix products and the softmax that
  it stands for, and ``multi_head_attention_forward`` with its projections, so that fused and
  unfused attention are one sequence.
- Sums and products of two feature maps are joins ("add", "mul"); with a parameter they are
  "shift" (a position embedding) and "scale" (a layer scale).
- What is computed from parameters alone (standardized weights, position biases) is no layer; its
  parameters count for the layer that uses the result.
- A function that nothing here names becomes a node of the function's own name.

Nodes are numbered in the order of execution, which is a topological order of the graph.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias

import networkx as nx
import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode, resolve_name

from alignment.errors import TraceError
from alignment.layers import Layer
from alignment.meta import Replies

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
_MOVES = frozenset(_MOVE_NAMES.split())

#: Functions that take a tensor for its shape or device and nothing else.
_CREATOR_NAMES = """
    empty_like full_like new_empty new_full new_ones new_tensor new_zeros ones_like rand_like
    randn_like zeros_like bernoulli
"""
_CREATES = frozenset(_CREATOR_NAMES.split())

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

#: What calls of meta tensors have given, in any model.
_REPLIES = Replies()

_Numbers = int | Sequence[int]

#: A directed graph whose nodes are numbers.
Graph: TypeAlias = "nx.DiGraph[int]"


def _pair(value: _Numbers | None, dims: int) -> tuple[int, ...]:
    if value is None:
        return ()
    numbers = (value,) if isinstance(value, int) else tuple(int(part) for part in value)
    return numbers * dims if len(numbers) == 1 else numbers


def _tensors(value: object) -> Iterable[Tensor]:
    """The tensors in nested arguments or results, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)


def _argument(args: Sequence[Any], kwargs: Mapping[str, Any], place: int, name: str) -> Any:
    return kwargs.get(name, args[place] if len(args) > place else None)


class _Tracer(TorchFunctionMode):
    """Writes each call that computes something from the image into ``graph``."""

    def __init__(self, model: nn.Module, image: Tensor) -> None:
        super().__init__()
        self.graph: Graph = nx.DiGraph()
        #: What produced a tensor: node numbers, for those that depend on the image.
        self._sources: dict[int, frozenset[int]] = {id(image): frozenset()}
        #: The parameters behind a tensor that depends on parameters alone.
        self._constants: dict[int, frozenset[str]] = {}
        self._sizes: dict[str, int] = {}
        #: A tensor's id is its own only while it lives; on the meta device it costs no memory.
        self._alive: list[object] = [image]
        self._channels: dict[int, int] = {}
        self._image_channels = int(image.shape[1])
        self._path: list[str] = []
        self._names = {id(module): name for name, module in model.named_modules() if name}
        for name, parameter in model.named_parameters():
            self._constants[id(parameter)] = frozenset((name,))
            self._sizes[name] = parameter.numel()

    def is_data(self, tensor: Tensor) -> bool:
        """Whether ``tensor`` was computed from the image."""
        return id(tensor) in self._sources

    def parameters_of(self, tensor: Tensor | None) -> frozenset[str]:
        """The parameters from which alone ``tensor`` was computed."""
        return self._constants.get(id(tensor), frozenset())

    # -- the calls

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run ``func`` and take note of what it did."""
        kwargs = kwargs or {}
        # Before the call: an operation in place makes its first argument the result.
        arguments = list(_tensors((args, kwargs)))
        data = [tensor for tensor in arguments if self.is_data(tensor)]
        channels = self._channels_of(data)
        if not data and not any(id(tensor) in self._constants for tensor in arguments):
            return func(*args, **kwargs)
        name = (resolve_name(func) or getattr(func, "__name__", "") or "unknown").split(".")[-1]
        if not name.startswith("__"):
            name = name.rstrip("_")
        result = _REPLIES.call(func, name, args, kwargs)
        results = list(_tensors(result))
        if name == "__setitem__":
            results = [args[0]]
        if not results:
            return result
        self._alive.append((arguments, results))
        parameters = frozenset[str]().union(*map(self.parameters_of, arguments))
        if name in _CREATES:
            return result
        if not data:
            for tensor in results:
                self._constants[id(tensor)] = parameters
            return result
        sources = frozenset[int]().union(*(self._sources[id(tensor)] for tensor in data))
        kind = self._kind(name, data, arguments, parameters, args, kwargs)
        if kind is None:
            self._pass_on(results, sources, channels)
        elif name in _EXPANSIONS:
            for layer, used in _EXPANSIONS[name](self, args, kwargs, result, channels):
                sources = frozenset((self._add(layer, sources, used),))
            self._pass_on(results, sources, self._graph_channels(sources))
        else:
            layer = _describe(kind, name, args, kwargs, results[0], channels, data)
            node = self._add(layer, sources, parameters)
            self._pass_on(results, frozenset((node,)), layer.channels_out)
        return result

    def _kind(
        self,
        name: str,
        data: list[Tensor],
        arguments: list[Tensor],
        parameters: frozenset[str],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> str | None:
        """The kind of the call; None if it only moves data."""
        if name in _ARITHMETIC:
            joined, weighted = _ARITHMETIC[name]
            if len(data) > 1:
                return joined
            # A tensor without parameters is a constant like a number: a mask, a scale.
            return weighted if parameters else None
        if name in _MOVES:
            return None
        if name in ("cat", "concat", "stack") and len(data) == 1 and not parameters:
            return None
        if name.startswith("adaptive_") and _is_one(_argument(args, kwargs, 1, "output_size")):
            return "global_" + _KINDS[name]
        if name == "mean" and _is_spatial(_argument(args, kwargs, 1, "dim"), data[0].ndim):
            return "global_avg_pool"
        return _KINDS.get(name, name.strip("_"))

    # -- the graph

    def _add(self, layer: Layer, sources: frozenset[int], parameters: frozenset[str]) -> int:
        # Sorted: a set of strings has another order in every process.
        new = sorted(name for name in parameters if name in self._sizes)
        params = sum(self._sizes.pop(name) for name in new)
        node = self.graph.number_of_nodes()
        self.graph.add_node(
            node,
            kind=layer.kind,
            kernel=layer.kernel,
            stride=layer.stride,
            groups=layer.groups,
            channels_in=layer.channels_in,
            channels_out=layer.channels_out,
            shape=layer.shape,
            params=params,
            flops=layer.flops,
            module=self._path[-1] if self._path else "",
        )
        self.graph.add_edges_from((source, node) for source in sorted(sources))
        return node

    def _pass_on(self, results: list[Tensor], sources: frozenset[int], channels: int) -> None:
        for tensor in results:
            self._sources[id(tensor)] = sources
            self._channels[id(tensor)] = channels

    def _channels_of(self, data: list[Tensor]) -> int:
        return self._channels.get(id(data[0]), self._image_channels) if data else 0

    def _graph_channels(self, nodes: frozenset[int]) -> int:
        return max((self.graph.nodes[node]["channels_out"] for node in nodes), default=0)

    # -- the modules, for the nodes' attribute "module"

    def enter_module(self, module: nn.Module, *_: object) -> None:
        if id(module) in self._names:
            self._path.append(self._names[id(module)])

    def leave_module(self, module: nn.Module, *_: object) -> None:
        if id(module) in self._names:
            self._path.pop()


def _without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[1:] if shape[:1] == (1,) else shape


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


# ---------------------------------------------------------------- what a call's layer is


def _describe(
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
    shape = _without_batch(tuple(result.shape))
    out = result.numel()
    if name.startswith("conv"):
        return _convolution(kind, args, kwargs, shape, out)
    if name == "linear":
        weight = _argument(args, kwargs, 1, "weight")
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
        size = _argument(args, kwargs, 1, "kernel_size")
        kernel = _pair(size, dims)
        stride = _pair(_argument(args, kwargs, 2, "stride") or size, dims)
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
    weight: Tensor = _argument(args, kwargs, 1, "weight")
    window = tuple(int(size) for size in weight.shape[2:])
    transposed = "transpose" in kind
    groups = _argument(args, kwargs, 6, "groups") or 1
    if transposed:
        # conv_transpose(input, weight, bias, stride, padding, output_padding, groups)
        channels_in, per_group = int(weight.shape[0]), int(weight.shape[1])
        channels_out = per_group * groups
        # Every input value meets every weight of its group once.
        stride = _pair(_argument(args, kwargs, 3, "stride") or 1, len(window))
        entered: Tensor = _argument(args, kwargs, 0, "input")
        flops = entered.numel() * per_group * math.prod(window)
    else:
        channels_out, per_group = int(weight.shape[0]), int(weight.shape[1])
        channels_in = per_group * groups
        stride = _pair(_argument(args, kwargs, 3, "stride") or 1, len(window))
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
        operands = list(_tensors(operands))
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
    """Channels behind a concatenation: more if it was along them, else those of the first part."""
    dim = _argument(args, kwargs, 1, "dim")
    if not isinstance(dim, int) or result.ndim != data[0].ndim:
        return channels
    along = int(data[0].shape[dim])
    return int(result.shape[dim]) if along == channels else channels


# ---------------------------------------------------------------- calls that are several layers

_Parts = Iterable[tuple[Layer, frozenset[str]]]


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
    tracer: _Tracer, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any, channels: int
) -> _Parts:
    """``scaled_dot_product_attention(query, key, value, mask)`` as its products and softmax."""
    query, key, value = (
        _argument(args, kwargs, place, name) for place, name in enumerate(("query", "key", "value"))
    )
    mask = _argument(args, kwargs, 3, "attn_mask")
    heads = _without_batch(tuple(int(size) for size in query.shape[:-2]))
    first, softmax, last = _attention_core(
        heads,
        int(query.shape[-2]),
        int(key.shape[-2]),
        int(query.shape[-1]),
        int(value.shape[-1]),
        channels,
    )
    none = frozenset[str]()
    # A query made of parameters alone, as in attention pooling, counts for the first product.
    yield first, none.union(*(tracer.parameters_of(part) for part in (query, key, value)))
    if isinstance(mask, Tensor):
        used = tracer.parameters_of(mask)
        if tracer.is_data(mask) or used:
            kind = "add" if tracer.is_data(mask) else "shift"
            yield Layer(kind, (), (), 1, channels, channels, first.shape), used
    yield softmax, none
    yield last, none


def _expand_multi_head(
    tracer: _Tracer, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any, channels: int
) -> _Parts:
    """``multi_head_attention_forward``: projections, attention, output projection."""
    query, key, value, width, heads = args[:5]
    packed, packed_bias = args[5], args[6]
    bias_k, bias_v, out_weight, out_bias = args[7], args[8], args[11], args[12]
    separate = [kwargs.get(name) for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight")]

    def used(*tensors: Tensor | None) -> frozenset[str]:
        return frozenset[str]().union(*(tracer.parameters_of(tensor) for tensor in tensors))

    inputs = used(packed, packed_bias, bias_k, bias_v, *separate)
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
    yield layer, used(out_weight, out_bias)


_EXPANSIONS: dict[str, Callable[..., _Parts]] = {
    "scaled_dot_product_attention": _expand_attention,
    "multi_head_attention_forward": _expand_multi_head,
}


# ---------------------------------------------------------------- a model's graph


def layer_graph(model: nn.Module, image_shape: tuple[int, int, int] = (3, 224, 224)) -> Graph:
    """The graph of the layers that ``model`` executes for one image.

    The model is put into evaluation mode for the run, and left as it was. A model on the meta
    device is run as it is; another is run where it is, so build models of any size with
    ``with torch.device("meta"):``.

    Args:
        model: takes images (N, C, H, W).
        image_shape: (C, H, W) of the image.

    Returns:
        A graph with nodes 0, 1, 2, ... in order of execution. Node attributes are those of
        :class:`alignment.layers.Layer`, and ``module``, the path of the module that made the
        call.

    Raises:
        TraceError: the model does not run on such an image, or executes no layer.

    >>> from torch import nn
    >>> graph = layer_graph(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Identity(), nn.ReLU()))
    >>> [graph.nodes[node]["kind"] for node in graph]
    ['conv2d', 'relu']
    """
    tensor = next(chain(model.parameters(), model.buffers()), None)
    device = tensor.device if tensor is not None else torch.device("meta")
    dtype = tensor.dtype if tensor is not None and tensor.is_floating_point() else torch.float32
    image = torch.zeros(1, *image_shape, device=device, dtype=dtype)
    tracer = _Tracer(model, image)
    # Two hooks for all modules: two for each would take longer than the model's run.
    handles = [
        register_module_forward_pre_hook(tracer.enter_module),
        register_module_forward_hook(tracer.leave_module),
    ]
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad(), tracer:
            model(image)
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise TraceError(f"cannot be run on an image {image_shape}: {reason}") from error
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in training.items():
            module.training = mode
    if not tracer.graph:
        raise TraceError(f"executes no layer on an image {image_shape}")
    return tracer.graph


def graph_layers(graph: Graph) -> tuple[Layer, ...]:
    """The layers of :func:`layer_graph`, in order of execution."""
    fields = Layer.__slots__
    return tuple(
        Layer(**{field: graph.nodes[node][field] for field in fields}) for node in sorted(graph)
    )
