"""What PyTorch's operators do, below its functions: what they multiply, and what they overwrite.

One call of a function is one or many operators of the dispatcher. A
:class:`torch.utils._python_dispatch.TorchDispatchMode` sees all of them, also those that no
function called: TorchScript's, functorch's, a C++ extension's.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from alignment.arguments import tensors_in
from alignment.effects import Effects
from alignment.multiply_adds import formula

#: What is known of an operator: its formula, the places and names of what it overwrites, and
#: whether its result shares memory with what it was given.
_Known = tuple[Callable[..., int] | None, tuple[tuple[int, str], ...], bool]


class Operators(TorchDispatchMode):
    """Takes the effects of operators down in :attr:`effects`.

    Args:
        loose: called in place of an operator that belongs to no call, with the operator, its
            arguments and its options; see :attr:`effects`.

    Attributes:
        effects: of the call that runs now; None between calls.
    """

    #: Otherwise PyTorch refuses operators that take functions.
    supports_higher_order_operators = True
    _known: dict[Any, _Known] = {}  # noqa: RUF012

    def __init__(self, loose: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]) -> None:
        super().__init__()
        self.effects: Effects | None = None
        self._loose = loose

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and saying so for every operator takes time."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run ``func`` and take note of what it did."""
        kwargs, effects = kwargs or {}, self.effects
        if effects is None:
            # The function mode would take the operator for one more call.
            with torch._C.DisableTorchFunction(), self:
                return self._loose(func, args, kwargs)
        if effects.read is not None:
            effects.read.extend(tensors_in(args, kwargs))
        result = func(*args, **kwargs)
        known = self._known.get(func)
        if known is None:
            known = self._known[func] = _look_up(func)
        count, overwrites, views = known
        if count is not None:
            effects.flops += count(*args, **kwargs, out_val=result)
        for place, name in overwrites:
            written = args[place] if place < len(args) else kwargs.get(name)
            effects.written.extend(tensors_in(written))
        if views:
            effects.viewed = True
        return result


def _look_up(func: Any) -> _Known:
    schema = getattr(func, "_schema", None)
    if schema is None:  # an operator that takes functions
        return formula(func), (), True
    overwrites = tuple(
        (place, argument.name)
        for place, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )
    views = any(returned.alias_info is not None for returned in schema.returns)
    return formula(func), overwrites, views and not overwrites
