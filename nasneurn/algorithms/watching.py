"""Reading, or changing, what passes through a network's layers, by forward hooks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from nasneurn.errors import InputError


@contextmanager
def hooked(
    network: nn.Module,
    modules: Sequence[nn.Module],
    change: Callable[[nn.Module, Any, Tensor], Tensor | None],
) -> Iterator[None]:
    """While it lasts, ``change(module, inputs, output)`` is called after each of the modules.

    A compiled network runs as it is written meanwhile, since its compiled form may hold hooks that
    are gone, or lack those that are there.
    """
    handles = [module.register_forward_hook(change) for module in modules]
    try:
        with as_written(network):
            yield
    finally:
        for handle in handles:
            handle.remove()


def as_written(network: nn.Module) -> AbstractContextManager[object]:
    """While it lasts, a compiled network runs as it is written."""
    compiled = any(one._compiled_call_impl is not None for one in network.modules())
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


@torch.no_grad()
def last_linear(network: nn.Module, images: Tensor, classes: int) -> nn.Linear | nn.Conv2d:
    """The layer that gives the logits: the last one called whose output has so many channels.

    Args:
        network: images -> logits (N, classes).
        images: to run it with, in evaluation mode.
        classes: how many logits there are.

    Raises:
        InputError: no linear layer or convolution gives them.
    """
    found: list[nn.Linear | nn.Conv2d] = []
    layers = [one for one in network.modules() if isinstance(one, nn.Linear | nn.Conv2d)]

    def see(module: nn.Module, inputs: Any, output: Tensor) -> None:
        assert isinstance(module, nn.Linear | nn.Conv2d)
        if output.shape[0] == len(images) and output.flatten(1).shape[1] == classes:
            found.append(module)

    with evaluating(network), hooked(network, layers, see):
        network(images)
    if not found:
        raise InputError(
            f"no linear layer of the {type(network).__name__} gives its {classes} logits, so it "
            "has no features to compare; choose another algorithm"
        )
    return found[-1]


def logits_and_features(
    network: nn.Module, head: nn.Module, images: Tensor
) -> tuple[Tensor, Tensor]:
    """The answers (N, classes) and what the last layer made them of (N, features)."""
    seen: list[Tensor] = []

    def see(module: nn.Module, inputs: Any, output: Tensor) -> None:
        seen.append(inputs[0].flatten(1))

    with hooked(network, [head], see):
        logits: Tensor = network(images)
    return logits, seen[-1]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode, and each module as it was afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
