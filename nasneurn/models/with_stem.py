"""A stem in front of any network, which stays what it was in every other way.

A forward pre-hook would be left out by a direct call of timm's ``forward_features``, and a
``Sequential`` would rename the weights. So the network becomes a subclass of its own class in which
the entries, ``forward`` and what timm calls beside it, put the images through the stem first. The
class is made again by name where a copy is unpickled.
"""

import copy
import copyreg
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from inspect import Parameter, signature
from typing import Any, TypeVar

import torch
from torch import nn

from nasneurn.choices import Choice
from nasneurn.errors import InputError
from nasneurn.models.front import make_front

Network = TypeVar("Network", bound=nn.Module)

#: The child that holds stem and scaling. It comes first, so that what takes a network apart into
#: its children, as timm's ``FeatureListNet``, keeps it in front.
CHILD = "input_stem"
#: Where images come in.
ENTRIES = ("forward", "forward_features", "forward_intermediates")


def with_stem(
    model: Network,
    stem: str | Choice | nn.Module = "neurn",
    *,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
) -> Network:
    """A network with a stem in front of it.

    The answer is a new module of a subclass of the model's own class, which shares its weights with
    the model; the model itself stays without a stem. Names in the state dict are the
    model's. Of timm, ``forward_features``, ``forward_intermediates``, ``forward_head``,
    ``reset_classifier``, ``num_classes`` and ``default_cfg`` work as before, with images going
    through the stem once; so do models of ``features_only=True``. It can be copied, pickled (also
    by ``torch.save``), compiled and exported, and torchvision's ``create_feature_extractor``
    takes it. ``torch.jit.script`` does not.

    Args:
        model: any network whose first argument is images (N, C, H, W).
        stem: by name with options, as ``"neurn:k=5"``, or a module without weights.
        mean, std: standardize the stem's answers, (y - mean) / std: a number, or one for each
            channel; None leaves them as they are.

    Returns:
        The network with the stem. It takes float images as the stem does, and uint8, which is
        divided by 255.

    Raises:
        InputError: there is no such stem, the model has one already, takes a list of images, or is
            something that cannot be given one any more: compiled, scripted, traced, or with a
            forward set by hand. As many channels as there are numbers, a model of timm or
            torchvision does not take; of others that is told when it is called.

    >>> import timm, torch
    >>> model = with_stem(timm.create_model("resnet18", num_classes=10), "neurn").eval()
    >>> model.forward_features(torch.rand(1, 3, 32, 32)).shape
    torch.Size([1, 512, 1, 1])
    """
    _check(model)
    front = make_front(stem, mean, std)
    _check_channels(model, front.channels)
    weight = next((one for one in model.parameters() if one.is_floating_point()), None)
    if weight is not None:
        front = front.to(weight.device, weight.dtype)
    front.train(model.training)
    kind = type(model)
    shared = {id(one): one for one in (*model.parameters(), *model.buffers())}
    made: Network = copy.deepcopy(model, shared)
    made._modules = {CHILD: front, **made._modules}
    made.__class__ = _stemmed(kind)
    return made


def _check(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise InputError(f"the model is a {type(model).__name__}; an nn.Module is needed")
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError("the model is scripted; put the stem in front first")
    if isinstance(model, torch.fx.GraphModule):
        raise InputError("the model is a traced graph; put the stem in front before it is traced")
    if hasattr(model, "_orig_mod") or model._compiled_call_impl is not None:
        raise InputError("the model is compiled; put the stem in front, then compile it")
    if hasattr(model, CHILD):
        raise InputError(f"the model has a stem already, its {CHILD}")
    if _is_detection(model):
        raise InputError(
            "the model takes a list of images; give the stem to what sees them as a batch: "
            "model.backbone = with_stem(model.backbone)"
        )
    if by_hand := [name for name in ENTRIES if name in vars(model)]:
        raise InputError(f"the model's {by_hand[0]} was set by hand, which would pass the stem by")
    if isinstance(model, _containers()) and not _passes_on(model):
        raise InputError(
            f"the model is a {type(model).__name__}, a container with a forward of its own, which "
            "may call all that it holds; give the stem to a module that holds it"
        )


def _is_detection(model: nn.Module) -> bool:
    """Whether it is one of torchvision's detection, which make a batch of a list of images."""
    home = sys.modules.get("torchvision.models.detection.transform")
    if home is None:
        return False
    return isinstance(getattr(model, "transform", None), home.GeneralizedRCNNTransform)


def _check_channels(model: nn.Module, channels: int | None) -> None:
    """Refuse numbers for other channels than a library's network takes, where that is sure."""
    if type(model).__module__.partition(".")[0] not in ("timm", "torchvision"):
        return
    taken = {one.in_channels for one in model.modules() if isinstance(one, nn.Conv2d)}
    # Three may also be brought to others before the first convolution.
    if taken and channels not in (None, 3, *taken):
        raise InputError(
            f"mean and std are for {channels} channels, which no convolution of the model takes; "
            "give one number, or one for each channel of the images"
        )


def _containers() -> tuple[type[nn.Module], ...]:
    return (nn.Sequential, nn.ModuleDict, nn.ModuleList)


def _passes_on(model: nn.Module) -> bool:
    """Whether a container calls its children one after the other, the stem as the first."""
    if isinstance(model, nn.Sequential):
        return type(model).forward is nn.Sequential.forward
    return isinstance(model, _chains()) or _is_getter(model)


@lru_cache(maxsize=1)
def _chains() -> tuple[type[nn.Module], ...]:
    from timm.models._features import FeatureDictNet, FeatureHookNet
    from torchvision.models._utils import IntermediateLayerGetter

    return FeatureDictNet, FeatureHookNet, IntermediateLayerGetter


def _is_getter(model: nn.Module) -> bool:
    from timm.models._features import FeatureGetterNet

    return isinstance(model, FeatureGetterNet)  # a dictionary of one, which it calls by name


#: Each class with its subclass, so that there is one alone.
_made: dict[Any, Any] = {}


def _stemmed(kind: Any) -> Any:
    """The subclass of a class of networks that puts images through the stem first."""
    if kind not in _made:
        entries = [] if _is_chain(kind) else _outermost(kind)
        methods = {name: _entry(kind, name) for name in entries}
        named = f"Stemmed{kind.__name__}"
        _made[kind] = type(named, (kind,), {**methods, "__reduce_ex__": _reduce(kind)})
    return _made[kind]


def _is_chain(kind: type[nn.Module]) -> bool:
    plain = issubclass(kind, nn.Sequential) and kind.forward is nn.Sequential.forward
    return plain or issubclass(kind, _chains())


def _outermost(kind: type[nn.Module]) -> list[str]:
    """The entries that call no other: ``forward`` where there is none but it.

    timm's ``forward`` calls ``forward_features``, which anyone may call, too. An entry also calls
    what its helpers call, and what the same method of a base class does, if it asks for that.
    """
    there = [name for name in ENTRIES if hasattr(kind, name)]
    called = {name: _reached(kind, name) & (set(there) - {name}) for name in there}
    if called.get("forward") == {"forward_features"}:
        called["forward_features"] -= {"forward"}  # of its children
    return [name for name in there if not called[name]]


def _reached(kind: type[nn.Module], entry: str) -> set[str]:
    """The names that an entry uses, and those that methods of its own which it calls use."""
    own = {name for one in kind.__mro__ if one not in nn.Module.__mro__ for name in vars(one)}
    reached: set[str] = set()
    ahead = [entry]
    followed = set()
    while ahead:
        method = ahead.pop()
        followed.add(method)
        for one in kind.__mro__:
            if method in vars(one):
                names = set(_names(vars(one)[method]))
                reached |= names
                if "super" not in names:
                    break
        ahead += sorted((reached & own) - followed - set(ENTRIES) - set(ahead))
    return reached


def _names(method: Callable[..., Any]) -> tuple[str, ...]:
    while hasattr(method, "__wrapped__"):
        method = method.__wrapped__
    code = getattr(method, "__code__", None)
    return () if code is None else code.co_names


def _entry(kind: type[nn.Module], name: str) -> Callable[..., Any]:
    original = getattr(kind, name)
    first = _first(original)

    @wraps(original)  # torch.fx reads the arguments of what is wrapped
    def enter(self: nn.Module, *given: Any, **named: Any) -> Any:
        front = self._modules[CHILD]
        assert front is not None
        if given:
            return original(self, front(given[0]), *given[1:], **named)
        if first not in named:
            taken = f", or as {first}" if first else ""
            raise TypeError(f"{kind.__name__}.{name}() needs images: give them first{taken}")
        return original(self, **{**named, first: front(named[first])})

    return enter


def _first(method: Callable[..., Any]) -> str:
    """What a method calls its first argument after itself; nothing if only by position."""
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    try:
        taken = list(signature(method).parameters.values())[1:2]
    except ValueError:  # of what is written in C
        return ""
    return next((one.name for one in taken if one.kind in kinds), "")


def _reduce(kind: type[nn.Module]) -> Callable[..., Any]:
    def reduce_ex(self: nn.Module, protocol: Any) -> Any:
        made = kind.__reduce_ex__(self, protocol)
        if made[0] is not copyreg.__newobj__:  # type: ignore[attr-defined]
            raise InputError(f"a {kind.__name__} with a stem cannot be copied: it copies itself")
        return (_blank, (kind,), *made[2:])

    return reduce_ex


def _blank(kind: type[nn.Module]) -> nn.Module:
    """An empty module of the subclass, which unpickling fills."""
    made = _stemmed(kind)
    blank: nn.Module = made.__new__(made)
    return blank
