"""The layers of a model as its own library lists them, in one vocabulary over libraries.

To PyTorch's users a layer is a module that holds no other: a convolution, an activation, a dropout.
To Keras's it is an entry of ``model.layers``, and an activation may be inside it. The paper's
sequences are of these: the authors' page shows VGG-16 as Keras lists it and VGG-11 as PyTorch does.
What plain functions compute between modules is not among them.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

_CLASSES = {
    "convolution": "Conv1d Conv2d Conv3d Conv1D Conv2D Conv3D",
    "depthwise convolution": "DepthwiseConv1D DepthwiseConv2D",
    "separable convolution": "SeparableConv1D SeparableConv2D",
    "transposed convolution": "ConvTranspose1d ConvTranspose2d Conv1DTranspose Conv2DTranspose",
    "linear": "Linear NonDynamicallyQuantizableLinear Dense",
    "activation": "ReLU Activation",
    "batch norm": "BatchNorm1d BatchNorm2d BatchNorm3d BatchNormalization",
    "layer norm": "LayerNorm LayerNormalization",
    "max pool": "MaxPool1d MaxPool2d MaxPool3d MaxPooling1D MaxPooling2D",
    "average pool": "AvgPool1d AvgPool2d AvgPool3d AveragePooling1D AveragePooling2D",
    "global pool": "AdaptiveAvgPool1d AdaptiveAvgPool2d GlobalAveragePooling2D",
    "attention": "MultiheadAttention MultiHeadAttention",
    "dropout": "Dropout Dropout1d Dropout2d",
    "concatenation": "Concatenate",
    "sum": "Add",
    "product": "Multiply",
    "padding": "ZeroPad2d ZeroPadding2D",
}

#: Class names of one meaning in both libraries. A class that is not here is a token by its name.
TOKENS = {name: token for token, names in _CLASSES.items() for name in names.split()}

#: What a listing holds and no token stands for: it computes nothing.
SILENT = frozenset({"InputLayer", "Flatten", "Identity", "Sequential"})

#: Layers that the sequences of the paper's figure seem not to have counted: an activation that is a
#: layer of its own, and every convolution that Keras calls otherwise than ``Conv2D``. This is
#: inferred: with them, the published similarities are further away (``alignment.fidelity`` measures
#: both). That Keras's and PyTorch's Inception V3 are one in the figure says the same of
#: ``Activation``, which the one lists and the other computes by a plain function.
UNCOUNTED = frozenset({"Activation", "DepthwiseConv2D", "SeparableConv2D"})


def library_tokens(listing: Iterable[str]) -> list[str]:
    """Class names as tokens.

    >>> library_tokens(["InputLayer", "Conv2D", "MaxPooling2D", "Dense"])
    ['convolution', 'max pool', 'linear']
    >>> library_tokens(["Conv2d", "Hardsigmoid"])
    ['convolution', 'Hardsigmoid']
    """
    return [TOKENS.get(name, name) for name in listing if name not in SILENT]


def published_tokens(listing: Iterable[str]) -> list[str]:
    """Class names as tokens, less those that the paper's figure seems not to have counted.

    >>> published_tokens(["Conv2D", "BatchNormalization", "Activation"])
    ['convolution', 'batch norm']
    """
    return library_tokens(name for name in listing if name not in UNCOUNTED)


@contextmanager
def listed(model: "nn.Module") -> Iterator[list[str]]:
    """While it lasts, the class names of the layers that ``model`` runs are added to the list.

    A module is a layer if it is of a class of ``torch.nn`` that holds no modules, or of one derived
    from such a class (a fused batch norm and activation is then both, in this order), or if it
    runs and no layer in it does. A layer that runs twice is listed twice.
    """
    from torch.nn import Module
    from torch.nn.modules.module import register_module_forward_hook as after
    from torch.nn.modules.module import register_module_forward_pre_hook as before

    names: list[str] = []
    places: list[int] = []
    # What is no module is refused by whoever traces it.
    own = {id(module) for module in model.modules()} if isinstance(model, Module) else set()

    def enter(module: "nn.Module", _inputs: Any) -> None:
        if id(module) in own:
            places.append(len(names))
            if (name := _layer_class(module)) is not None:
                names.append(name)

    def leave(module: "nn.Module", _inputs: Any, _output: Any) -> None:
        if id(module) in own and len(names) == places.pop():
            names.append(type(module).__name__)

    handles = [before(enter), after(leave)]
    try:
        yield names
    finally:
        for handle in handles:
            handle.remove()


#: Modules of ``torch.nn`` that hold others, and so are no layers by themselves.
_CONTAINERS = frozenset(
    """
    Module ModuleDict ModuleList ParameterDict ParameterList Sequential Transformer
    TransformerDecoder TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer
    """.split()  # noqa: SIM905
)


def _layer_class(module: "nn.Module") -> str | None:
    """The class of ``torch.nn`` that a layer is of or derived from; None of what is no layer."""
    for kind in type(module).__mro__:
        if kind.__module__.startswith("torch.nn.modules") and kind.__name__[0] != "_":
            return None if kind.__name__ in _CONTAINERS else kind.__name__
    return None
