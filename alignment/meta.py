"""Two savings on the meta device, where a tensor has a shape and no values.

PyTorch finds the shape of a meta result in Python, at a tenth of a millisecond and more for each
call. Weights need no initialization there, and a network repeats its blocks.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

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
    add avg_pool2d batch_norm conv2d gelu hardsigmoid hardswish hardtanh layer_norm linear
    max_pool2d mul relu relu6 sigmoid silu softmax
    """.split()  # noqa: SIM905
)


class Replies:
    """Calls functions of meta tensors, and remembers what shape each call has given.

    A later call of the same function with equal shapes, strides and options is answered with a
    new tensor of the remembered shape and strides, or, if the first call worked in place, with
    its first argument.
    """

    def __init__(self) -> None:
        #: (shape, strides, dtype); None for a call in place.
        self._known: dict[Any, tuple[Any, Any, torch.dtype] | None] = {}

    def call(
        self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """What ``func`` gives; ``name`` is its name."""
        if name not in _PURE or not isinstance(args[0] if args else None, Tensor):
            return func(*args, **kwargs)
        if not args[0].is_meta:
            return func(*args, **kwargs)
        key = (func, _signature(args), _signature(tuple(sorted(kwargs.items()))))
        try:
            if key in self._known:
                known = self._known[key]
                if known is None:
                    return args[0]
                shape, stride, dtype = known
                return torch.empty_strided(shape, stride, dtype=dtype, device="meta")
        except TypeError:  # an option that cannot be a key
            return func(*args, **kwargs)
        result = func(*args, **kwargs)
        if result is args[0]:
            self._known[key] = None
        elif type(result) is Tensor and result.is_meta:
            self._known[key] = (result.shape, result.stride(), result.dtype)
        return result


def _signature(value: Any) -> Any:
    if isinstance(value, Tensor):
        return (value.shape, value.stride(), value.dtype)
    if isinstance(value, (list, tuple)):
        return tuple(map(_signature, value))
    # 1, 1.0 and True are equal as keys and may give other types.
    return (type(value), value)
