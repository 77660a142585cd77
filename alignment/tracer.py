"""The calls of PyTorch functions in one run of a model, as nodes of a graph."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import networkx as nx
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from alignment.aliases import Aliases, covers
from alignment.arguments import tensors_in
from alignment.attention import EXPANSIONS, written_out
from alignment.calls import channel_axis, describe
from alignment.effects import Effects
from alignment.errors import TraceError
from alignment.functions import (
    ASKS,
    BLANKS,
    CREATES,
    LEAVES,
    SHAPED_BY_OTHERS,
    kind_of,
)
from alignment.layers import Layer
from alignment.meta import Replies
from alignment.names import Call, as_function, is_operator, name_of
from alignment.operators import Operators
from alignment.origins import CONSTANT, Origin, Origins

#: A directed graph whose nodes are numbers.
Graph: TypeAlias = "nx.DiGraph[int]"

#: What calls of meta tensors have given, in any model.
_REPLIES = Replies()


class Tracer(TorchFunctionMode):
    """Writes each call that computes something from the image into ``graph``.

    Two modes of PyTorch work together. This one sees the calls of functions. What they do below,
    and operators that no function called, is seen by :class:`alignment.operators.Operators`;
    the latter are taken down here like calls.
    """

    def __init__(self, model: nn.Module, image: Tensor) -> None:
        super().__init__()
        # Multiply-adds of weights alone are no layer's.
        self.graph: Graph = nx.DiGraph(flops_of_weights=0)
        #: Paths of the modules that asked for values of data, with the function's name.
        self.asked: list[tuple[str, str]] = []
        self._origins = Origins(model, image)
        self._aliases = Aliases()
        self._operators = Operators(self._take_down)
        self._left = ""
        self._path: list[str] = []
        self._names = {id(module): name for name, module in model.named_modules() if name}

    def __enter__(self) -> "Tracer":
        super().__enter__()
        self._operators.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._operators.__exit__(*error)
        super().__exit__(*error)

    @property
    def path(self) -> str:
        """Path of the module that runs; empty for the model itself."""
        return self._path[-1] if self._path else ""

    @property
    def _place(self) -> str:
        return f"in module {self.path!r}" if self.path else "in the model's own forward"

    def follows(self, output: object) -> bool:
        """Whether a model's output was seen to be computed from the image; if it has tensors.

        Raises:
            TraceError: something unseen made a part of it.
        """
        origins = [self._origins.of(tensor) for tensor in tensors_in(output)]
        for origin in origins:
            self._refuse(origin, "the output has ")
        return not origins or any(origin.is_data for origin in origins)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run ``func`` and take note of what it did."""
        return self._take_down(func, args, kwargs or {})

    def _take_down(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run a function or an operator, and take note of what it did.

        Raises:
            TraceError: it was given a tensor of unknown origin.
        """
        arguments = tensors_in(args, kwargs) if kwargs else tensors_in(args)
        name = name_of(func)
        if not arguments and not is_operator(func):
            # Tensors may be hidden in what it was given: its operators are taken down one by one.
            return func(*args, **kwargs)
        # Before the call: an operation in place makes its first argument the result.
        origins = [self._origins.of(tensor) for tensor in arguments]
        of_weights = not any(origin.is_data for origin in origins)
        effects = Effects(reads=of_weights)
        result = self._run(func, name, args, kwargs, effects)
        if effects.read:
            hidden = [tensor for tensor in effects.read if self._origins.is_data(tensor)]
            arguments += hidden
            origins += map(self._origins.of, hidden)
        results = tensors_in(result)
        if name in ASKS or name in LEAVES:
            self._note_values(name, origins)
        if not results:  # item assignment and what else only writes
            written = set(map(id, effects.written))
            results = [tensor for tensor in arguments if id(tensor) in written]
            results = results or (arguments[:1] if name == "__setitem__" else [])
        if not results:
            return result
        if effects.viewed or name == "__get__":
            self._aliases.add((*arguments, *results))
        if name in CREATES or name in BLANKS:
            self._note_constants(CONSTANT._replace(blank=name in BLANKS), results, effects)
            return result
        if name in SHAPED_BY_OTHERS:
            arguments, origins = arguments[:1], origins[:1]
        if any(origin.unseen or origin.blank for origin in origins):
            origins = self._refuse_unseen(name, arguments, origins, effects)
        given = [pair for pair in zip(arguments, origins, strict=True) if pair[1].is_data]
        parameters = frozenset[str]().union(*(origin.parameters for origin in origins))
        if given:
            self._note_data((name, args, kwargs), given, parameters, results, effects)
        else:
            self.graph.graph["flops_of_weights"] += effects.flops
            unseen = any(origin.unseen for origin in origins)
            blank = any(origin.blank for origin in origins)
            self._note_constants(Origin(None, parameters, 0, None, unseen, blank), results, effects)
        return result

    def _run(
        self,
        func: Callable[..., Any],
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        effects: Effects,
    ) -> Any:
        outer, self._operators.effects = self._operators.effects, effects
        try:
            return _REPLIES.call(func, name, args, kwargs, effects)
        finally:
            self._operators.effects = outer

    def _note_values(self, name: str, origins: list[Origin]) -> None:
        """Take note that values were asked for, if they are the data's."""
        if not any(origin.is_data for origin in origins):
            return
        if name in ASKS:
            self.asked.append((self.path, name.strip("_")))
        if name in LEAVES:
            self._origins.values_leave()
            self._left = self._left or f"; data left PyTorch by {name.strip('_')!r} {self._place}"

    def _refuse_unseen(
        self, name: str, arguments: list[Tensor], origins: list[Origin], effects: Effects
    ) -> list[Origin]:
        """The origins; those of what the call has written to are no longer blank.

        Raises:
            TraceError: the call joins data with what nothing seen has made.
        """
        full = {
            id(tensor)
            for written in effects.written
            for tensor in (written, *self._aliases.changed_by(written))
        }
        origins = [
            origin._replace(blank=False) if id(tensor) in full or not tensor.numel() else origin
            for tensor, origin in zip(arguments, origins, strict=True)
        ]
        if any(origin.is_data for origin in origins):
            for origin in origins:
                self._refuse(origin, f"{name.strip('_')!r} is given ")
        return origins

    def _refuse(self, origin: Origin, what: str) -> None:
        """Refuse a tensor that nothing seen has made.

        Raises:
            TraceError: it is such a one.
        """
        if origin.unseen or origin.blank:
            raise TraceError(
                f"cannot be followed back to the image: {self._place}, {what}a tensor that no "
                "function of PyTorch has filled, but NumPy, a list of numbers or other code"
                f"{self._left}"
            )

    def _note_data(
        self,
        call: Call,
        given: list[tuple[Tensor, Origin]],
        parameters: frozenset[str],
        results: list[Tensor],
        effects: Effects,
    ) -> None:
        """Take down a call that computes from the image."""
        name, args, kwargs = call = as_function(*call)
        data = [tensor for tensor, _ in given]
        first = given[0][1]
        sources = _union(origin for _, origin in given)
        channels, flops = first.channels, effects.flops
        kind: str | None
        if name in EXPANSIONS:
            kind = name
            for layer, used in written_out(call, self._origins, channels, flops):
                sources, channels = self._add(layer, sources, used), layer.channels_out
        else:
            kind = kind_of(name, data, bool(parameters), args, kwargs, first.axis)
            if kind is None and flops:
                kind = name
            if kind is not None:
                layer = describe(kind, *call, results[0], channels, data, flops)
                sources, channels = self._add(layer, sources, parameters), layer.channels_out
        before = (data[0], first.axis)
        new = [
            Origin(sources, channels=channels, axis=channel_axis(kind, channels, before, result))
            for result in results
        ]
        known = set(map(id, data))
        self._note(pair for pair in zip(results, new, strict=True) if id(pair[0]) not in known)
        first_given = args[0] if args else None
        others = _union(origin for tensor, origin in given if tensor is not first_given) or sources
        for target in effects.written:
            # A copy leaves nothing of what was there; another move writes to some places only.
            whole = kind is None and (name == "copy" or target is not first_given)
            left = others if whole else sources
            self._overwrite(target, Origin(left, channels=channels, axis=first.axis))

    def _note(self, results: Iterable[tuple[Tensor, Origin]]) -> None:
        """Take down what came out of a call."""
        mapped = torch._C._functorch.peek_interpreter_stack() is not None
        for tensor, origin in results:
            self._origins.note(tensor, origin)
            while mapped and torch._C._functorch.is_functorch_wrapped_tensor(tensor):
                tensor = torch._C._functorch.get_unwrapped(tensor)
                self._origins.note(tensor, origin._replace(axis=None))

    def _note_constants(self, new: Origin, results: list[Tensor], effects: Effects) -> None:
        """Take down a call that computes nothing from the image."""
        self._note((tensor, new) for tensor in results if not self._origins.seen(tensor))
        for target in effects.written:
            for tensor in (target, *self._aliases.changed_by(target)):
                if self._origins.seen(tensor):
                    old = self._origins.of(tensor)
                    parameters = old.parameters | new.parameters
                    unseen = old.unseen or new.unseen
                    both = old._replace(parameters=parameters, unseen=unseen, blank=False)
                    self._origins.note(tensor, both)

    def _overwrite(self, target: Tensor, new: Origin) -> None:
        """Take down that data was written to a tensor, and so to all that share its memory."""
        for tensor in (target, *self._aliases.changed_by(target)):
            if not self._origins.seen(tensor):
                continue  # something inside of the call
            old = self._origins.of(tensor)
            sources = new.sources or frozenset()
            if not (tensor is target or covers(target, tensor)):
                sources |= old.sources or frozenset()
            kept = old if old.is_data else new
            self._origins.note(tensor, Origin(sources, channels=kept.channels, axis=kept.axis))

    def _add(
        self, layer: Layer, sources: frozenset[int], parameters: frozenset[str]
    ) -> frozenset[int]:
        node = self.graph.number_of_nodes()
        attributes = {name: getattr(layer, name) for name in Layer.__slots__}
        attributes["params"] = self._origins.count_once(parameters)
        attributes["module"] = self.path
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


def _union(origins: Iterable[Origin]) -> frozenset[int]:
    none = frozenset[int]()
    return none.union(*(origin.sources or none for origin in origins))
