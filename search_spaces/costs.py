"""What an architecture costs: multiply-adds and parameters, without running it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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
    parameter = next(network.parameters())
    image = torch.zeros(1, *image_shape, device=parameter.device, dtype=parameter.dtype)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(image)
    network.train(training)
    return Cost(
        counter.get_total_flops() // 2, sum(weight.numel() for weight in network.parameters())
    )


class CostTable:
    """Costs of all architectures of a space whose only choices are layer choices.

    Each candidate is counted once, on the input that reaches its place; the cost of an
    architecture is then a sum over its layers, and a limit is checked in microseconds.

    Parameters
    ----------
    build:
        Makes the space (not yet a supernet); called on the meta device.
    image_shape:
        (C, H, W) of one image.
    """

    def __init__(self, build: Callable[[], ModelSpace], image_shape: tuple[int, int, int]) -> None:
        with torch.device("meta"):
            space = build()
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

    def limit(
        self, max_flops: int | None = None, max_params: int | None = None
    ) -> Callable[[Mapping[str, Any]], bool]:
        """A test for architectures within the limits.

        Raises
        ------
        SpaceError
            If the cheapest architecture of the space is above a limit.
        """
        limits = (("flops", max_flops), ("params", max_params))
        for what, maximum in limits:
            smallest = getattr(self._base, what) + sum(
                min(getattr(cost, what) for cost in costs.values())
                for costs in self._candidates.values()
            )
            if maximum is not None and maximum < smallest:
                raise SpaceError(
                    f"no architecture has at most {maximum:,} {what}: "
                    f"the smallest of the space has {smallest:,}"
                )

        def within(architecture: Mapping[str, Any]) -> bool:
            cost = self(architecture)
            return all(
                maximum is None or getattr(cost, what) <= maximum for what, maximum in limits
            )

        return within
