"""A Keras model as it lists its layers, and as what it computes, layer by layer."""

import math
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alignment.errors import AlignmentError, TraceError, one_line
from alignment.keras_calls import Call, describe
from alignment.keras_listings import listed_classes
from alignment.keras_models import class_names, find_model, functional, import_keras
from alignment.layers import Architecture, Layer

if TYPE_CHECKING:
    import keras


def keras_architecture(
    model: "keras.Model | str | os.PathLike[str]",
    name: str | None = None,
    *,
    input_shape: tuple[int, ...] | None = None,
) -> Architecture:
    """A Keras model as an architecture. No weight is needed, and none is drawn on torch's backend.

    Its listing is what Keras lists, without input and flatten. Its layers are what it computes, in
    Keras's order of execution and the kinds of the tracer: activations are layers of their own, and
    what moves data is none. Its family is the module of an application ("resnet"), else "keras".

    Parameters are those that can be trained, frozen or not; a batch norm's statistics are no
    parameters here, as they are none in PyTorch. Multiply-adds are those of convolutions and
    matrix products; recurrent layers count as 0.

    Args:
        model: a functional or sequential model, a name of ``keras.applications`` in small or
            capital letters, or the path of a saved model (``.keras``, ``.h5``).
        name: how outputs are to call it; by default its own name, the one given, or the file's.
        input_shape: sizes of one image as Keras writes them, (224, 224, 3), for an application
            or a model that leaves them open.

    Raises:
        AlignmentError: Keras is missing; the name or the file is none of a model; the layers'
            connections are in the model's code; or the sizes of its images are not known.
    """
    found, family, known_as = find_model(model, input_shape)
    name = name or known_as
    graph = functional(found)
    if graph is None:
        raise AlignmentError(
            f"{name} is no functional or sequential model that was built, so Keras does not know "
            "how its layers are connected"
        )
    images = _inputs(graph, name, input_shape)
    recorder = _Recorder()
    try:
        recorder.run(graph, images)
    except Exception as error:
        raise TraceError(f"{name} cannot be read layer by layer: {one_line(error)}") from error
    return Architecture(name, family, tuple(recorder.layers), listed_classes(class_names(found)))


def _inputs(graph: Any, name: str, input_shape: tuple[int, ...] | None) -> list[Any]:
    """Placeholders of one image."""
    tensors = []
    for given in graph.inputs:
        sizes = tuple(given.shape[1:])
        fits = (
            input_shape is not None
            and len(sizes) == len(input_shape)
            and all(size in (None, wanted) for size, wanted in zip(sizes, input_shape, strict=True))
        )
        if input_shape is not None and not fits and len(graph.inputs) == 1:
            raise AlignmentError(f"{name} takes {sizes}, not {tuple(input_shape)}")
        if None in sizes and not fits:
            raise AlignmentError(
                f"{name} leaves the sizes of its images open, {sizes}; give input_shape, as "
                "(224, 224, 3), or --input-shape 224,224"
            )
        shape = tuple(input_shape) if fits and input_shape is not None else sizes
        tensors.append(import_keras().KerasTensor((None, *shape), dtype=given.dtype))
    return tensors


class _Recorder:
    """Notes the layers of each operation while shapes, and nothing else, go through a model."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self._counted: set[int] = set()
        keras = import_keras()
        self._tensor = keras.KerasTensor
        self._flatten = keras.tree.flatten
        self._computed = keras.Operation.compute_output_spec
        self._last = keras.config.image_data_format() == "channels_last"

    def run(self, graph: Any, tensors: list[Any]) -> Any:
        """Send ``tensors`` through ``graph``, a functional model."""
        for operation in graph.operations:
            if getattr(operation, "data_format", None) and functional(operation) is None:
                self._last = operation.data_format == "channels_last"
                break
        # Keras has no public way to visit the calls of a model in order, with nested ones.
        return graph._run_through_graph(tensors, operation_fn=self._visit)

    def _visit(self, operation: Any) -> Any:
        inner = functional(operation)

        def call(*args: Any, **kwargs: Any) -> Any:
            entered = self._tensors((args, kwargs))
            if inner is not None:
                return self.run(inner, entered)
            result = operation.compute_output_spec(*args, **kwargs)
            if any(None in _sizes(tensor) for tensor in self._tensors(result)):
                # What the layer states leaves sizes open; how it computes may not.
                result = self._computed(operation, *args, **kwargs)
            sizes = [_sizes(tensor) for tensor in (*entered, *self._tensors(result))]
            if any(None in each for each in sizes):
                raise AlignmentError(f"the sizes of what {operation.name} gives are not known")
            count = len(entered)
            self._add(Call(operation, tuple(sizes[:count]), sizes[count], self._last))
            return result

        return call

    def _tensors(self, structure: Any) -> list[Any]:
        return [part for part in self._flatten(structure) if isinstance(part, self._tensor)]

    def _add(self, call: Call) -> None:
        frozen = not getattr(call.operation, "trainable", True)
        for layer, variables in describe(call):
            params = sum(self._count(variable, frozen) for variable in variables)
            self.layers.append(replace(layer, params=params))

    def _count(self, variable: Any, frozen: bool) -> int:
        """The numbers in a variable that was not counted before, if they are parameters."""
        # In a frozen layer nothing is trained, so that only names tell the two apart.
        statistic = not variable.trainable and (not frozen or variable.name in _STATISTICS)
        if statistic or id(variable) in self._counted:
            return 0
        self._counted.add(id(variable))
        return math.prod(variable.shape)


#: What layers keep beside their parameters, by Keras's names of the variables.
_STATISTICS = frozenset({"moving_mean", "moving_variance", "vector_u"})


def _sizes(tensor: Any) -> tuple[int, ...]:
    return tuple(tensor.shape[1:])
