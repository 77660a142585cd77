"""Which layers of a network are trained, and how fast each: for weights that it starts from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import nn

from nasneurn.algorithms.watching import last_linear
from nasneurn.choices import suggestion
from nasneurn.errors import InputError
from nasneurn.networks.placement import shares
from nasneurn.training.protocol import Optimization

#: In place of a pattern: all layers but the heads.
ALL = "all"


@dataclass(frozen=True)
class Body:
    """A network without its stem, and the names in it of the layers that give the logits."""

    network: nn.Module
    heads: tuple[str, ...] = ()

    def of_head(self, name: str) -> bool:
        """Whether a module or parameter belongs to a head."""
        return any(part in self.heads for part in _within(name))

    def is_frozen(self, name: str, patterns: Sequence[str]) -> bool:
        """Whether one of the patterns names a module or parameter, or a module that it is in."""
        if ALL in patterns and not self.of_head(name):
            return True
        return any(fnmatchcase(part, pattern) for part in _within(name) for pattern in patterns)


def _within(name: str) -> Iterator[str]:
    """A dotted name, and those of all modules that it is in."""
    parts = name.split(".")
    return (".".join(parts[: count + 1]) for count in range(len(parts)))


def head_names(
    whole: nn.Module, network: nn.Module, classes: int, image_size: int
) -> tuple[str, ...]:
    """The names of the layers that give a network's logits: timm's word, or the last one called.

    Args:
        whole: images (N, 3, S, S) -> logits.
        network: what the names are of; ``whole``, or a part of it.
        classes: how many logits there are.
        image_size: S.
    """
    told = (getattr(network, "pretrained_cfg", None) or {}).get("classifier")
    named = dict(network.named_modules())
    heads = (told,) if isinstance(told, str) else tuple(told or ())
    heads = tuple(name for name in heads if any(True for _ in named[name].parameters()))
    if heads:
        return heads
    device = next((one.device for one in whole.parameters()), None)
    images = torch.zeros(2, 3, image_size, image_size, device=device)
    try:
        last: nn.Module | None = last_linear(whole, images, classes)
    except InputError:
        last = _convolution(network, classes)
    return tuple(name for name, module in named.items() if module is last)


def _convolution(network: nn.Module, classes: int) -> nn.Module | None:
    """The last layer, if it is a convolution to a map for each class, as of SqueezeNet."""
    layers = [one for one in network.modules() if isinstance(one, nn.Linear | nn.Conv2d)]
    last = layers[-1] if layers else None
    return last if isinstance(last, nn.Conv2d) and last.out_channels == classes else None


def check_fine_tuning(body: Body, optimization: Optimization, name: str) -> None:
    """See that what is to be frozen is there, that something is left, and that there is a head.

    Raises:
        InputError: with the names that there are.
    """
    network, patterns = body.network, optimization.frozen
    parts = [part for part, _ in network.named_modules() if part]
    weights = [part for part, _ in network.named_parameters()]
    top = [part for part, _ in network.named_children()]
    for pattern in patterns:
        if pattern != ALL and not any(fnmatchcase(one, pattern) for one in (*parts, *weights)):
            raise InputError(
                f"frozen is {pattern!r}, which names no layer of {name}; it has {', '.join(top)}"
                f"{suggestion(pattern, top)}"
            )
    if patterns and all(body.is_frozen(one, patterns) for one in weights):
        raise InputError(
            f"frozen is {','.join(patterns)!r}, which leaves nothing of {name} to train"
        )
    if not body.heads and (optimization.head_rate != 1 or ALL in patterns):
        raise InputError(
            f"no linear layer of {name} gives its logits, so it has no head; leave head_rate out, "
            "and name what is to be frozen"
        )


def freeze(body: Body, patterns: Sequence[str]) -> list[nn.Module]:
    """Take the frozen layers out of the training.

    Returns:
        Their batch norms, which are to stay in evaluation mode.
    """
    for name, weight in body.network.named_parameters():
        if body.is_frozen(name, patterns):
            weight.requires_grad_(False)
    return [
        module
        for name, module in body.network.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and body.is_frozen(name, patterns)
    ]


def rates(body: Body, optimization: Optimization) -> dict[nn.Parameter, float]:
    """The factor of the learning rate for each parameter of a network.

    With ``layer_decay`` d it is d to the power of the layers that come after. What a layer is, a
    network of timm says itself (``group_matcher``: a block, mostly). In any other network a
    convolution, a linear layer or whatever else has a matrix begins one, and the norms after it
    belong to it. Of heads the factor is ``head_rate``.
    """
    depths = _depths(body.network) if optimization.layer_decay != 1 else {}
    last = max(depths.values(), default=0)
    return {
        weight: optimization.layer_decay ** (last - depths.get(name, last))
        * (optimization.head_rate if body.of_head(name) else 1.0)
        for name, weight in body.network.named_parameters()
    }


def _depths(network: nn.Module) -> dict[str, int]:
    """The number of the layer that each parameter belongs to, from 0 up, by its name."""
    from timm.models import group_parameters

    matcher = getattr(network, "group_matcher", None)
    if matcher is not None:
        depths: dict[str, int] = group_parameters(network, matcher(coarse=False), reverse=True)
        return depths
    found: dict[str, int] = {}
    layer = -1
    for part, module in network.named_modules():
        own = dict(module.named_parameters(part, recurse=False))
        layer += any(weight.ndim > 1 for weight in own.values())
        found |= dict.fromkeys(own, max(layer, 0))
    return found


def parameter_groups(
    trained: nn.Module, body: Body, optimization: Optimization
) -> list[dict[str, object]]:
    """What an optimizer takes: the parameters of ``trained`` that are not frozen, by their rate.

    Args:
        trained: the whole, with the body in it. The share of a stem in a mix has ``mix_rate``; of
            all else the rate is the plain one.
    """
    factors = rates(body, optimization)
    factors |= dict.fromkeys(shares(trained), optimization.mix_rate)
    groups: dict[float, list[nn.Parameter]] = {}
    for weight in trained.parameters():
        if weight.requires_grad:
            groups.setdefault(factors.get(weight, 1.0), []).append(weight)
    return [
        {"params": weights, "lr": optimization.learning_rate * factor}
        for factor, weights in groups.items()
    ]
