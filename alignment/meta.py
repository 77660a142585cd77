"""Two savings on the meta device, where a tensor has a shape and no values.

PyTorch finds the shape of a meta result in Python, at a tenth of a millisecond and more for each
call. Weights need no initialization there, and a network repeats its blocks.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from alignment.effects import Effects

#: Methods that change values in place, and nothing that a meta tensor has.
_FILLS = frozenset(
    {
        Tensor.clamp_,
        Tensor.erfinv_,
        Tensor.fill_,
        Tensor.normal_,
        Tensor.uniform_,
        Tensor.zero_,
        torch.nn.init.constant_,
        torch.nn.init.kaiming_uniform_,
        torch.nn.init.normal_,
        torch.nn.init.uniform_,
    }
)


class Uninitialized(TorchFunctionMode):
    """While it lasts, filling a meta tensor with values is left out.

    >>> with torch.device("meta"), Uninitialized():
    ...     layer = torch.nn.Linear(3, 4)
    >>> layer.weight.shape
    torch.Size([4, 3])
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run ``func``, unless it only fills a meta tensor."""
        if func in _FILLS:
            tensor = args[0] if args else (kwargs or {}).get("tensor")
            if isinstance(tensor, Tensor) and tensor.is_meta:
                return tensor
        return func(*args, **(kwargs or {}))


#: Functions of one result, which depends on nothing but their arguments' shapes and options.
_PURE = frozenset(
    """
    add avg_pool2d batch_norm bmm cat clamp conv2d div gelu group_norm hardsigmoid hardswish
    hardtanh layer_norm linear matmul max_pool2d mean mul normalize relu relu6 rms_norm
    scaled_dot_product_attention sigmoid silu softmax
    """.split()  # noqa: SIM905
)


class Replies:
    """Calls functions of meta tensors, and remembers what each call has given and done.

    A later call of the same function with equal shapes, strides and options is answered with a
    new tensor of the remembered shape and strides, or, if the first call worked in place, with
    its first argument.
    """

    def __init__(self) -> None:
        #: (shape, strides, dtype), None for a call in place; and multiply-adds.
        self._known: dict[Any, tuple[tuple[Any, Any, torch.dtype] | None, int]] = {}

    def call(
        self,
        func: Callable[..., Any],
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        effects: Effects,
    ) -> Any:
        """What ``func`` gives.

        Args:
            func: a function.
            name: its name.
            args: of the call.
            kwargs: of the call.
            effects: to add to what it does.
        """
        if name not in _PURE or not args:
            return func(*args, **kwargs)
        first = args[0][0] if isinstance(args[0], (list, tuple)) and args[0] else args[0]
        if not isinstance(first, Tensor):
            return func(*args, **kwargs)
        # Inside of a mapped function, a shape is not all that a tensor has.
        if not first.is_meta or torch._C._functorch.peek_interpreter_stack() is not None:
            return func(*args, **kwargs)
        key = (func, _signature(args), _signature(tuple(sorted(kwargs.items()))))
        try:
            known = self._known.get(key)
        except TypeError:  # an option that cannot be a key
            return func(*args, **kwargs)
        if known is not None:
            reply, flops = known
            effects.flops += flops
            if reply is None:
                effects.written.append(args[0])
                return args[0]
            shape, stride, dtype = reply
            return torch.empty_strided(shape, stride, dtype=dtype, device="meta")
        before = effects.flops
        result = func(*args, **kwargs)
        if result is args[0]:
            self._known[key] = (None, effects.flops - before)
        elif type(result) is Tensor and result.is_meta:
            reply = (result.shape, result.stride(), result.dtype)
            self._known[key] = (reply, effects.flops - before)
        return result


def _signature(value: Any) -> Any:
    if isinstance(value, Tensor):
        return (value.shape, value.stride(), value.dtype)
    if isinstance(value, (list, tuple)):
        return tuple(map(_signature, value))
    # 1, 1.0 and True are equal as keys and may give other types.
    return (type(value), value)
