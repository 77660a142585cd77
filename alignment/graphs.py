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
- A function that nothing here names becomes a node of the function's own name, an operator of
  another library one of its namespace and name (``torchvision::roi_align``).
- Multiply-adds are those of the operators that really ran.
- What is not called as a function (TorchScript's operators, those inside ``torch.vmap``) is seen
  one level below, at the dispatcher. A tensor that was made where neither level sees it, as by
  NumPy, is refused when it meets the image's data or is the output.

Nodes are numbered in the order of execution, which is a topological order of the graph.
"""

import inspect
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import chain

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.nn.parameter import is_lazy

from alignment.canonical import canonical_order
from alignment.errors import TraceError, check_known, one_line
from alignment.layers import Layer
from alignment.tracer import Graph, Tracer


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
        call. The graph's own attribute ``flops_of_weights`` is the multiply-adds of what is
        computed of weights alone, which are no layer's.

    Raises:
        TraceError: this is no module or no shape of an image, the model does not run on such an
            image, executes no layer, or its output cannot be followed back to the image.

    >>> from torch import nn
    >>> graph = layer_graph(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Identity(), nn.ReLU()))
    >>> [graph.nodes[node]["kind"] for node in graph]
    ['conv2d', 'relu']
    """
    _check(model, image_shape)
    tensor = next(chain(model.parameters(), model.buffers()), None)
    device = tensor.device if tensor is not None else torch.device("meta")
    dtype = tensor.dtype if tensor is not None and tensor.is_floating_point() else torch.float32
    image = torch.zeros(1, *image_shape, device=device, dtype=dtype)
    tracer = Tracer(model, image)
    try:
        with _evaluating(model), _hooked(tracer), _eagerly(), torch.no_grad(), tracer:
            output = model(image)
    except TraceError:
        raise
    except Exception as error:
        reason = one_line(error)
        if tracer.path:
            reason = f"in module {tracer.path!r}, {reason}"
        if image.is_meta and ("meta" in reason or "item()" in reason):
            reason += "; if it needs values, build it outside of torch.device('meta')"
        raise TraceError(f"cannot be run on an image {image_shape}: {reason}") from error
    follows = tracer.follows(output)
    if not tracer.graph:
        raise TraceError(f"executes no layer on an image {image_shape}")
    if not follows:
        raise TraceError("gives an output that is not computed from the image")
    if tracer.asked:
        _warn_of_values(tracer)
    return tracer.graph


def _warn_of_values(tracer: Tracer) -> None:
    """Tell that the model asks for values, so that other images may take other ways."""
    path, name = tracer.asked[0]
    more = len({path for path, _ in tracer.asked}) - 1
    where = f"module {path!r}" if path else "the model's own forward"
    warnings.warn(
        f"{where}{f' and {more} more' if more else ''} asks for values of its data ({name}); "
        "these are the layers for an image of zeros, and others may have others",
        stacklevel=3,
    )


def _check(model: object, image_shape: object) -> None:
    """Refuse what no model could be traced with.

    Raises:
        TraceError: see :func:`layer_graph`.
    """
    if not isinstance(model, nn.Module):
        what = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise TraceError(f"is {what}; an instance of torch.nn.Module is needed")
    if not (
        isinstance(image_shape, (tuple, list))
        and len(image_shape) == 3
        and all(isinstance(size, int) and size > 0 for size in image_shape)
    ):
        raise TraceError(
            f"is to be run on an image {image_shape!r}; its shape must be (channels, height, "
            "width), whole numbers above 0"
        )
    for what, named in (("parameter", model.named_parameters()), ("buffer", model.named_buffers())):
        lazy = next((name for name, value in named if is_lazy(value)), None)
        if lazy is not None:
            raise TraceError(
                f"has a lazy {what} {lazy!r}, whose shape is not known before its first run; run "
                "it once on an image"
            )
    _check_inputs(model)


def _check_inputs(model: nn.Module) -> None:
    """Refuse a model that cannot be called with one image.

    Raises:
        TraceError: it needs no input, or more than one.
    """
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):  # written in C++
        return
    inputs = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    try:
        signature.bind(None)
    except TypeError as error:
        raise TraceError(
            f"takes {len(inputs)} inputs ({', '.join(inputs) or 'none'}) and is given one, an "
            "image; wrap it in a module whose forward takes the image alone"
        ) from error


def _eagerly() -> AbstractContextManager[object]:
    """Run compiled modules as they were written, if there may be some."""
    compiled = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


@contextmanager
def _hooked(tracer: Tracer) -> Iterator[None]:
    """Tell ``tracer`` which module runs. Two hooks for all: two for each would take longer."""
    handles = [
        register_module_forward_pre_hook(tracer.enter_module),
        register_module_forward_hook(tracer.leave_module),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Put every module into evaluation mode, and back into its own."""
    training = {module: module.training for module in model.modules()}
    with suppress(NotImplementedError):  # an exported program is in one mode for ever
        model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


#: The orders that layers can be given in.
ORDERS = ("execution", "canonical")


def graph_layers(graph: Graph, order: str = "execution") -> tuple[Layer, ...]:
    """The layers of :func:`layer_graph`.

    Args:
        graph: of layers.
        order: "execution" is the order in which the model's code ran them; "canonical" depends on
            the graph alone, see :func:`alignment.canonical.canonical_order`.

    Raises:
        AlignmentError: an unknown order.
    """
    check_known("order", order, ORDERS)
    fields = Layer.__slots__
    nodes = sorted(graph) if order == "execution" else canonical_order(graph)
    return tuple(Layer(**{field: graph.nodes[node][field] for field in fields}) for node in nodes)
