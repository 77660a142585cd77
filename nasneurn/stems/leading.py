"""Images of other shapes than (N, C, H, W), and tensors that only stand for images."""

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from nasneurn.errors import InputError
from nasneurn.located import at
from nasneurn.stems.stem_checks import check_images

Function = TypeVar("Function", bound=Callable[..., Tensor])

#: The attribute that :func:`of_images` leaves on a function.
_ANY = "_takes_any_images"

#: The greatest value of uint8, which becomes 1.
FULL = 255


def as_batch(x: Tensor) -> Tensor:
    """Images of any leading dimensions as (N, C, H, W), and uint8 as float32 from 0 to 1.

    An image (H, W) has one channel. What is (N, C, H, W) and floating point is given back itself.

    Raises:
        InputError: it is no tensor, or has fewer than two dimensions.
    """
    if is_traced(x):
        return cast(Tensor, recorded(as_batch, x))
    x = as_floats(x)
    if x.ndim < 2:
        raise InputError(f"images have shape {tuple(x.shape)}; (H, W) at the least is needed")
    if x.ndim == 4:
        return x
    if x.ndim == 2:
        return x[None, None]
    return x[None] if x.ndim == 3 else x.flatten(0, -4)


def like_given(answer: Tensor, given: Tensor) -> Tensor:
    """An answer (N, C, H, W) in the shape and the memory format of the images as given."""
    if is_traced(given):
        return cast(Tensor, recorded(like_given, answer, given))
    if given.ndim != 4:
        return answer.reshape(given.shape)
    # A compiler chooses layouts by itself, and a question about strides would bind it.
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return answer
    if given.is_contiguous():
        return answer
    if given.is_contiguous(memory_format=torch.channels_last):
        return answer.contiguous(memory_format=torch.channels_last)
    return answer


def is_traced(x: object) -> bool:
    """Whether this only stands for images, in a trace of torch.fx."""
    return isinstance(x, torch.fx.Proxy)


def recorded(function: Callable[..., Tensor], x: Any, /, *given: Any, **named: Any) -> Any:
    """A call as one node of the graph that torch.fx is tracing, as torchvision's extraction does.

    What a graph holds is called as it is when the graph runs, so the kernel stays in use.

    Args:
        function: what is called; it can be imported by its name.
        x: what stands for the images.
        given, named: the function's further arguments.
    """
    return x.tracer.create_proxy("call_function", function, (x, *given), named)


def of_images(function: Function) -> Function:
    """A decorator: a function of images (N, C, H, W) takes them as :func:`neurn` does.

    Images of any leading dimensions and uint8 are taken, the memory format is kept, and torch.fx
    records the call as one node.
    """

    @wraps(function)
    def answering(x: Tensor, *given: Any, **named: Any) -> Tensor:
        if is_traced(x):
            return cast(Tensor, recorded(answering, x, *given, **named))
        return _answered(function, x, *given, **named)

    setattr(answering, _ANY, True)
    return unscripted(cast(Function, answering))


def through(function: Callable[..., Tensor], x: Tensor, options: Mapping[str, Any]) -> Tensor:
    """What any function of images (N, C, H, W) answers to images as :func:`neurn` takes them.

    torch.fx records it as one node, if it can be imported by its name, and otherwise what it does.
    """
    if getattr(function, _ANY, False):
        return function(x, **options)
    path = _path_of(function) if is_traced(x) else ""
    return answer_of(x, path, **options) if path else _answered(function, x, **options)


def answer_of(x: Tensor, path: str, /, **options: Any) -> Tensor:
    """The same of the function at ``package.module:name``, as a graph holds it."""
    if is_traced(x):
        return cast(Tensor, recorded(answer_of, x, path, **options))
    return _answered(at(path), x, **options)


def _answered(function: Callable[..., Tensor], x: Tensor, /, *given: Any, **named: Any) -> Tensor:
    batch = as_batch(x)
    answer: Any = function(batch, *given, **named)
    if is_traced(x):
        return like_given(answer, x)
    if not isinstance(answer, Tensor):
        return answer  # type: ignore[no-any-return]  # check_stem tells what it is
    if x.ndim != 4 and answer.shape != batch.shape:
        raise InputError(
            f"images {tuple(batch.shape)} became {tuple(answer.shape)}; the shape must be kept"
        )
    return like_given(answer, x)


def _path_of(function: object) -> str:
    """``package.module:name`` of what lies there under its own name; else nothing."""
    home, name = getattr(function, "__module__", None), getattr(function, "__name__", None)
    if home is None or name is None or getattr(sys.modules.get(home), name, None) is not function:
        return ""
    return f"{home}:{name}"


def unscripted(function: Function) -> Function:
    """A decorator: ``torch.jit.script`` refuses a function, and what calls it, in one line."""
    function.__prepare_scriptable__ = lambda: refuse_script(function.__name__)  # type: ignore[attr-defined]
    return function


def refuse_script(name: str) -> Any:
    """Refuse ``torch.jit.script``.

    Raises:
        InputError: always; it says what to take instead.
    """
    raise InputError(
        f"torch.jit.script cannot take {name}: take torch.export or torch.compile, or "
        "torch.jit.trace with images of the size that will be used"
    )


def as_floats(x: Tensor) -> Tensor:
    """Images as they are, but uint8 as float32 from 0 to 1.

    Raises:
        InputError: they are no tensor.
    """
    if is_traced(x):
        return cast(Tensor, recorded(as_floats, x))
    if not isinstance(x, Tensor):
        raise InputError(
            f"images are a {type(x).__name__}; a tensor (N, C, H, W) is needed. PIL images, and "
            "images with labels, are for nasneurn.transforms.NeuRN"
        )
    return x.to(torch.float32) / FULL if x.dtype == torch.uint8 else x


def for_network(x: Tensor, channels: int | None = None) -> Tensor:
    """Images (N, C, H, W) as they are, but uint8 as float32 from 0 to 1.

    Args:
        x: the images.
        channels: how many there must be, or one in place of these; None is any number.

    Raises:
        InputError: they are no floating point or uint8 tensor of that shape.
    """
    if is_traced(x):
        return cast(Tensor, recorded(for_network, x, channels))
    x = as_floats(x)
    if x.ndim != 4 or (channels is not None and x.shape[1] not in (1, channels)):
        one = ", as by images[None]" if x.ndim == 3 else ""
        wanted = "C" if channels is None else channels
        raise InputError(f"images have shape {tuple(x.shape)}; (N, {wanted}, H, W) is needed{one}")
    check_images(x)
    return x
