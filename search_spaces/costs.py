"""What an architecture costs: multiply-adds and parameters, without running it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from search_spaces.errors import SpaceError


@dataclass(frozen=True)
class Cost:
    """``flops`` are multiply-adds of convolutions and matrix products for one image.

    This is the count that the SPOS and ShuffleNet papers print as FLOPs; PyTorch's own counter
    gives twice as many.
    """

    flops: int
    params: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.flops + other.flops, self.params + other.params)

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.flops - other.flops, self.params - other.params)


def network_cost(network: nn.Module, image_shape: tuple[int, int, int]) -> Cost:
    """Cost of one network for one image (C, H, W); the network may be on the meta device."""
    training = network.training
    weight = next(network.parameters(), torch.zeros((), device="meta"))
    image = torch.zeros(1, *image_shape, device=weight.device, dtype=weight.dtype)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(image)
    network.train(training)
    return Cost(
        counter.get_total_flops() // 2, sum(weight.numel() for weight in network.parameters())
    )


def latency(network: nn.Module, images: Tensor, repeats: int = 7) -> float:
    """Seconds of a forward pass over ``images`` (N, C, H, W): the least of several.

    The network is used as it stands: put it in evaluation mode first.
    """
    seconds = []
    with torch.inference_mode():
        for _ in range(repeats + 1):  # the first only warms up
            start = time.perf_counter()
            network(images)
            if images.is_cuda:
                torch.cuda.synchronize(images.device)
            seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


class Costs(Protocol):
    """The costs of the architectures of a space."""

    def __call__(self, architecture: Mapping[str, Any]) -> Cost:
        """Cost of one architecture."""
        ...

    @property
    def smallest(self) -> Cost | None:
        """The fewest multiply-adds and the fewest parameters of any, where that is known."""
        ...


class CostTable:
    """Costs of all architectures of a space whose only choices are layer choices.

    Each candidate is counted once, on the input that reaches its place; the cost of an
    architecture is then a sum over its layers, and a limit is checked in microseconds.
    """

    def __init__(self, space: ModelSpace, image_shape: tuple[int, int, int]) -> None:
        layers = [module for module in space.modules() if isinstance(module, LayerChoice)]
        inputs: dict[str, tuple[int, ...]] = {}

        def remember(layer: nn.Module, received: tuple[Tensor, ...]) -> None:
            assert isinstance(layer, LayerChoice)
            inputs[layer.label] = tuple(received[0].shape[1:])

        for layer in layers:
            layer.register_forward_pre_hook(remember)
        # A space forwards through the first candidate of every choice.
        base = network_cost(space, image_shape)
        self._candidates: dict[str, dict[Any, Cost]] = {}
        for layer in layers:
            shape = inputs[layer.label]
            costs = {name: network_cost(layer[name], shape) for name in layer.names}  # type: ignore[arg-type]
            self._candidates[layer.label] = costs
            forwarded = costs[layer.names[0]]
            base -= Cost(forwarded.flops, sum(cost.params for cost in costs.values()))
        self._base = base

    def __call__(self, architecture: Mapping[str, Any]) -> Cost:
        """Cost of one architecture."""
        total = self._base
        for label, costs in self._candidates.items():
            total += costs[architecture[label]]
        return total

    @property
    def smallest(self) -> Cost:
        """The fewest multiply-adds and the fewest parameters of any."""
        total = self._base
        for costs in self._candidates.values():
            flops = min(cost.flops for cost in costs.values())
            total += Cost(flops, min(cost.params for cost in costs.values()))
        return total


class FormulaCosts:
    """Costs by a space's own formula, its method ``cost``, and those of the stem in front.

    The formula grows with every choice, so that the least value of each is the cheapest network.
    """

    def __init__(self, space: ModelSpace, image_shape: tuple[int, int, int]) -> None:
        self._space = space
        stem = space.stem
        stems = {name: stem[name] for name in stem.names} if is_choice(stem) else {None: stem}
        self._stems = {name: network_cost(stem, image_shape) for name, stem in stems.items()}

    def __call__(self, architecture: Mapping[str, Any]) -> Cost:
        """Cost of one architecture."""
        cost: Cost = self._space.cost(architecture)
        return cost + self._stems[architecture.get("stem")]

    @property
    def smallest(self) -> Cost:
        """The fewest multiply-adds and the fewest parameters of any."""
        least = {
            label: min(mutable.grid())
            for label, mutable in self._space.simplify().items()
            if label != "stem"
        }
        cost: Cost = self._space.cost(least)
        return cost + Cost(
            min(cost.flops for cost in self._stems.values()),
            min(cost.params for cost in self._stems.values()),
        )


class CountedCosts:
    """Costs of any space: each architecture is built on the meta device and counted, once."""

    smallest = None

    def __init__(self, space: ModelSpace, image_shape: tuple[int, int, int]) -> None:
        self._space = space
        self._image_shape = image_shape
        self._known: dict[str, Cost] = {}

    def __call__(self, architecture: Mapping[str, Any]) -> Cost:
        """Cost of one architecture."""
        key = str(sorted(architecture.items()))
        if key not in self._known:
            network = self._space.freeze(dict(architecture))
            self._known[key] = network_cost(network, self._image_shape)
        return self._known[key]


def is_choice(module: nn.Module) -> bool:
    """Whether a module is a choice among others."""
    return isinstance(module, LayerChoice)


def costs_of(build: Callable[[], ModelSpace], image_shape: tuple[int, int, int]) -> Costs:
    """The costs of a space, by the fastest way there is for it.

    Parameters
    ----------
    build:
        Makes the space (not yet a supernet); called on the meta device.
    image_shape:
        (C, H, W) of one image.
    """
    with torch.device("meta"):
        space = build()
    if hasattr(space, "cost"):
        return FormulaCosts(space, image_shape)
    labels = {module.label for module in space.modules() if isinstance(module, LayerChoice)}
    if labels == set(space.simplify()):
        return CostTable(space, image_shape)
    return CountedCosts(space, image_shape)


def limit(
    costs: Costs, max_flops: int | None = None, max_params: int | None = None
) -> Callable[[Mapping[str, Any]], bool]:
    """A test for architectures within the limits.

    Raises
    ------
    SpaceError
        If the cheapest architecture of the space is known to be above a limit.
    """
    limits = {"flops": max_flops, "params": max_params}
    smallest = costs.smallest
    for what, most in limits.items():
        if most is not None and smallest is not None and most < getattr(smallest, what):
            raise SpaceError(
                f"no architecture has at most {most:,} {what}: "
                f"the smallest of the space has {getattr(smallest, what):,}"
            )

    def within(architecture: Mapping[str, Any]) -> bool:
        if max_flops is None and max_params is None:
            return True
        cost = costs(architecture)
        return all(most is None or getattr(cost, what) <= most for what, most in limits.items())

    return within
