"""One operation of a Keras model as layers: its kind, window, channels, shape, multiply-adds."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from alignment.layers import Layer

#: Sizes of a tensor of one image.
Shape: TypeAlias = tuple[int, ...]
#: A layer without its parameters, and the variables that hold them.
Part: TypeAlias = tuple[Layer, list[Any]]

#: Classes that move data, or scale it by numbers that are not trained. Random ones act in
#: training alone. Some are operations of ``keras.ops``, which models may hold too.
_MOVE_NAMES = """
    ActivityRegularization AlphaDropout AutoContrast BroadcastTo Cast CategoryEncoding CenterCrop
    Cropping1D Cropping2D Cropping3D Discretization Dropout ExpandDims Flatten Flip
    GaussianDropout GaussianNoise GetItem Hashing Identity InputLayer IntegerLookup Masking
    Moveaxis Negative Normalization Pad Permute RepeatVector Rescaling Reshape Resizing Split
    SpatialDropout1D SpatialDropout2D SpatialDropout3D Squeeze StochasticDepth StringLookup Swapaxes
    Tile Transpose ZeroPadding1D ZeroPadding2D ZeroPadding3D
"""
MOVES = frozenset(_MOVE_NAMES.split())

#: Class to kind, where the kind is not the class's name in small letters with underscores.
_KINDS: dict[str, str] = {
    **{
        f"{extent}{pool}Pooling{dims}D": f"{prefix}{kind}_pool"
        for extent, prefix in (("", ""), ("Adaptive", ""), ("Global", "global_"))
        for pool, kind in (("Average", "avg"), ("Max", "max"))
        for dims in (1, 2, 3)
    },
    **{f"UpSampling{dims}D": "resize" for dims in (1, 2, 3)},
    **dict.fromkeys(("Add", "Subtract", "Average", "CustomScaleLayer"), "add"),
    **dict.fromkeys(("Multiply", "Divide", "TrueDivide"), "mul"),
    "BatchNormalization": "batch_norm",
    "Concatenate": "concat",
    "GroupNormalization": "group_norm",
    "GroupQueryAttention": "attention",
    "LayerNormalization": "layer_norm",
    "LayerScale": "scale",
    "PReLU": "prelu",
    "RMSNormalization": "rms_norm",
    "Stack": "concat",
}

#: Functions by Keras's names, where PyTorch's differ.
_FUNCTIONS = {
    "hard_shrink": "hardshrink",
    "hard_sigmoid": "hardsigmoid",
    "hard_silu": "hardswish",
    "hard_swish": "hardswish",
    "hard_tanh": "hardtanh",
    "log_sigmoid": "logsigmoid",
    "swish": "silu",
}


@dataclass(frozen=True)
class Call:
    """One operation, and what it was given and gave.

    Attributes:
        operation: a Keras layer, or an operation of ``keras.ops``.
        inputs: sizes of the tensors that enter, without the batch dimension, as Keras has them.
        output: sizes of the first that leaves.
        channels_last: whether the model's images are (H, W, C).
    """

    operation: Any
    inputs: tuple[Shape, ...]
    output: Shape
    channels_last: bool = True

    def channels_of(self, sizes: Shape) -> int:
        """Channels of an image, features of tokens (L, C) or of a vector; 0 of a number."""
        return sizes[self.axis(sizes)] if sizes else 0

    def axis(self, sizes: Shape) -> int:
        """Where channels are."""
        first = len(sizes) > 2 or getattr(self.operation, "data_format", "") == "channels_first"
        return 0 if first and len(sizes) > 1 and not self.channels_last else len(sizes) - 1

    @property
    def channels(self) -> int:
        """Channels that enter; 0 if nothing does."""
        return self.channels_of(self.inputs[0]) if self.inputs else 0

    def layer(self, kind: str, **more: Any) -> Layer:
        """A layer from what enters to what leaves; images are written channels first."""
        sizes = self.output
        if self.channels_last and len(sizes) > 2:
            sizes = (sizes[-1], *sizes[:-1])
        layer = Layer(
            kind,
            channels_in=self.channels,
            channels_out=self.channels_of(self.output),
            shape=sizes,
        )
        return replace(layer, **more)


def describe(call: Call) -> list[Part]:
    """The layers of one call: none if it moves data, several if it computes in steps."""
    name = type(call.operation).__name__
    if name in ("TimeDistributed", "SpectralNormalization"):
        return describe(replace(call, operation=call.operation.layer))
    if name in MOVES or name.startswith("Random"):
        return []
    parts = _STEPS[name](call) if name in _STEPS else _single(call, name)
    if name in _FUSES:
        parts += _function(call, call.operation.activation)
    return parts


def _single(call: Call, name: str) -> list[Part]:
    operation = call.operation
    kind = _KINDS.get(name) or _function_name(snake_case(name))
    if kind in ("add", "mul", "concat") and len(call.inputs) < 2:
        return []  # with a plain number, or of one part
    window: Shape = ()
    step: Shape = ()
    if kind in ("avg_pool", "max_pool") and hasattr(operation, "pool_size"):
        window, step = tuple(operation.pool_size), tuple(operation.strides)
    layer = call.layer(kind, kernel=window, stride=step)
    return [(layer, list(getattr(operation, "weights", [])))]


# -- functions


def _function(call: Call, function: Any) -> list[Part]:
    """An activation as a layer of its own; none for the identity."""
    if type(function).__name__ in ("ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax"):
        return describe(replace(call, operation=function, inputs=(call.output,)))
    kind = _function_name(snake_case(getattr(function, "__name__", type(function).__name__)))
    if kind == "linear":
        return []
    return [(replace(call, inputs=(call.output,)).layer(kind), [])]


def _function_name(name: str) -> str:
    return _FUNCTIONS.get(name, name)


def snake_case(name: str) -> str:
    """A class's name in small letters.

    >>> snake_case("EinsumDense"), snake_case("ReLU"), snake_case("LSTM")
    ('einsum_dense', 'relu', 'lstm')
    """
    name = name.replace("ReLU", "Relu").replace("ELU", "Elu").strip("<>_")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _relu(call: Call) -> list[Part]:
    layer = call.operation
    kind = "relu6" if layer.max_value == 6 else "leaky_relu" if layer.negative_slope else "relu"
    return [(call.layer(kind), [])]


# -- convolutions and matrix products


def _windowed(call: Call, kind: str, groups: int, products: int) -> list[Part]:
    """A convolution, of which each place in the window is in so many products."""
    layer = call.operation
    kernel = tuple(layer.kernel_size)
    made = call.layer(
        f"{kind}{len(kernel)}d",
        kernel=kernel,
        stride=tuple(layer.strides),
        groups=groups,
        flops=math.prod(kernel) * products,
    )
    return [(made, list(layer.weights))]


def _convolution(call: Call) -> list[Part]:
    groups = int(call.operation.groups)
    return _windowed(call, "conv", groups, math.prod(call.output) * (call.channels // groups))


def _transposed(call: Call) -> list[Part]:
    layer = call.operation
    groups = int(getattr(layer, "groups", 1) or 1)
    # Every value that enters meets every weight of its group once.
    products = math.prod(call.inputs[0]) * (layer.filters // groups)
    return _windowed(call, "conv_transpose", groups, products)


def _depthwise(call: Call) -> list[Part]:
    return _windowed(call, "conv", call.channels, math.prod(call.output))


def _separable(call: Call) -> list[Part]:
    """A depthwise convolution, then one of 1 x 1."""
    layer = call.operation
    channels, axis = call.channels * int(layer.depth_multiplier), call.axis(call.output)
    between = (*call.output[:axis], channels, *call.output[axis + 1 :])
    ((first, _),) = _depthwise(replace(call, output=between))
    kernel = (1,) * len(layer.kernel_size)
    second = replace(call, inputs=(between,)).layer(
        first.kind, kernel=kernel, stride=kernel, flops=math.prod(call.output) * channels
    )
    depthwise = layer.depthwise_kernel
    rest = [weight for weight in layer.weights if weight is not depthwise]
    return [(first, [depthwise]), (second, rest)]


def _dense(call: Call) -> list[Part]:
    features = call.inputs[0][-1]
    made = call.layer("linear", channels_in=features, flops=math.prod(call.output) * features)
    return [(made, list(call.operation.weights))]


def _product(call: Call) -> list[Part]:
    """A product of two feature maps."""
    axes = getattr(call.operation, "axes", -1)  # of the layer Dot, they count the batch
    axis = axes if isinstance(axes, int) else axes[0]
    inner = call.inputs[0][axis - 1 if axis > 0 else axis]
    return [(call.layer("matmul", flops=math.prod(call.output) * inner), [])]


def _einsum_dense(call: Call) -> list[Part]:
    """A matrix product with weights along chosen dimensions."""
    layer = call.operation
    _, weights, result = re.split(r",|->", layer.equation.replace(" ", ""))
    sizes = zip(weights, layer.kernel.shape, strict=True)
    inner = math.prod(int(size) for letter, size in sizes if letter not in result)
    flops = math.prod(call.output) * inner
    return [(call.layer("linear", flops=flops), list(layer.weights))]


def _attention(call: Call) -> list[Part]:
    """Projections, two products with a softmax between, and the last projection."""
    layer = call.operation
    queries, keys = call.inputs[0], call.inputs[:2][-1]  # masks may follow
    heads, long, wide = int(layer.num_heads), math.prod(queries[:-1]), math.prod(keys[:-1])
    size, value_size = int(layer.key_dim), int(layer.value_dim or layer.key_dim)
    weights = (heads, long, wide)
    parts = [
        _projection(layer.query_dense, queries, (*queries[:-1], heads * size)),
        _projection(layer.key_dense, keys, (*keys[:-1], heads * size)),
        _projection(layer.value_dense, keys, (*keys[:-1], heads * value_size)),
    ]
    product, mixed = heads * long * wide * size, heads * long * wide * value_size
    features = heads * value_size
    parts += [
        (Layer("matmul", (), (), 1, heads * size, heads, weights, 0, product), []),
        (Layer("softmax", (), (), 1, heads, heads, weights), []),
        (Layer("matmul", (), (), 1, heads, features, (*queries[:-1], features), 0, mixed), []),
        _projection(layer.output_dense, (*queries[:-1], features), call.output),
    ]
    return parts


def _projection(layer: Any, entered: Shape, given: Shape) -> Part:
    flops = math.prod(given) * entered[-1]
    made = Layer(
        "linear", channels_in=entered[-1], channels_out=given[-1], shape=given, flops=flops
    )
    return made, list(layer.weights)


#: Classes whose layers a function of its own describes.
_STEPS: dict[str, Callable[[Call], list[Part]]] = {
    **{f"Conv{dims}D": _convolution for dims in (1, 2, 3)},
    **{f"Conv{dims}DTranspose": _transposed for dims in (1, 2, 3)},
    **{f"DepthwiseConv{dims}D": _depthwise for dims in (1, 2)},
    **{f"SeparableConv{dims}D": _separable for dims in (1, 2)},
    "Activation": lambda call: _function(call, call.operation.activation),
    "Dense": _dense,
    "Dot": _product,
    "EinsumDense": _einsum_dense,
    "Matmul": _product,
    "MultiHeadAttention": _attention,
    "ReLU": _relu,
}
#: Of these, classes with an activation inside.
_FUSES = frozenset(name for name in _STEPS if "Conv" in name or "Dense" in name)
