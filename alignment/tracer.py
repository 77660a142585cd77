"""The calls of PyTorch functions in one run of a model, as nodes of a graph."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import networkx as nx
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name

from alignment.arguments import tensors_in
from alignment.attention import EXPANSIONS
from alignment.calls import describe
from alignment.functions import CREATES, kind_of
from alignment.layers import Layer
from alignment.meta import Replies
from alignment.origins import Origins

#: A directed graph whose nodes are numbers.
Graph: TypeAlias = "nx.DiGraph[int]"

#: What calls of meta tensors have given, in any model.
_REPLIES = Replies()


class Tracer(TorchFunctionMode):
    """Writes each call that computes something from the image into ``graph``."""

    def __init__(self, model: nn.Module, image: Tensor) -> None:
        super().__init__()
        self.graph: Graph = nx.DiGraph()
        self._origins = Origins(model, image)
        self._path: list[str] = []
        self._names = {id(module): name for name, module in model.named_modules() if name}

    def follows(self, output: object) -> bool:
        """Whether a model's output was seen to be computed from the image; if it has tensors."""
        tensors = list(tensors_in(output))
        return not tensors or any(map(self._origins.is_data, tensors))

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run ``func`` and take note of what it did."""
        kwargs, origins = kwargs or {}, self._origins
        # Before the call: an operation in place makes its first argument the result.
        arguments = list(tensors_in((args, kwargs)))
        data = [tensor for tensor in arguments if origins.is_data(tensor)]
        if not data and not any(map(origins.is_constant, arguments)):
            return func(*args, **kwargs)
        sources = origins.sources_of(data)
        channels = origins.channels_of(data[0]) if data else 0
        name = (resolve_name(func) or getattr(func, "__name__", "") or "unknown").split(".")[-1]
        if not name.startswith("__"):
            name = name.rstrip("_")
        result = _REPLIES.call(func, name, args, kwargs)
        results = [args[0]] if name == "__setitem__" else list(tensors_in(result))
        if not results:
            return result
        origins.keep(arguments, results)
        if name in CREATES:
            return result
        parameters = origins.parameters_of(*arguments)
        if not data:
            origins.note_constants(results, parameters)
            return result
        kind = kind_of(name, data, bool(parameters), args, kwargs)
        if name in EXPANSIONS:
            for layer, used in EXPANSIONS[name](origins, args, kwargs, channels):
                sources, channels = self._add(layer, sources, used), layer.channels_out
        elif kind is not None:
            layer = describe(kind, name, args, kwargs, results[0], channels, data)
            sources, channels = self._add(layer, sources, parameters), layer.channels_out
        origins.note_data(results, sources, channels)
        return result

    def _add(
        self, layer: Layer, sources: frozenset[int], parameters: frozenset[str]
    ) -> frozenset[int]:
        node = self.graph.number_of_nodes()
        attributes = {name: getattr(layer, name) for name in Layer.__slots__}
        attributes["params"] = self._origins.count_once(parameters)
        attributes["module"] = self._path[-1] if self._path else ""
        self.graph.add_node(node, **attributes)
        self.graph.add_edges_from((source, node) for source in sorted(sources))
        return frozenset((node,))

    # -- the modules, for the nodes' attribute "module"

    def enter_module(self, module: nn.Module, *_: object) -> None:
        """Take note that ``module`` begins to run; a hook before its forward."""
        if id(module) in self._names:
            self._path.append(self._names[id(module)])

    def leave_module(self, module: nn.Module, *_: object) -> None:
        """Take note that it has run; a hook after its forward."""
        if id(module) in self._names:
            self._path.pop()
