"""What an architecture costs: multiply-adds and parameters, without running it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from search_spaces.checks import whole_number
from search_spaces.coordinate_search import least
from search_spaces.errors import SpaceError
from search_spaces.interface import Architecture, choices, covering_architectures, freeze


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Attributes:
        flops: multiply-adds of convolutions and matrix products for one image. This is the count
            that the SPOS and ShuffleNet papers print as FLOPs; PyTorch's own counter gives twice
            as many.
        params: weights.
    """

    flops: int
    params: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.flops + other.flops, self.params + other.params)

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.flops - other.flops, self.params - other.params)


def network_cost(network: nn.Module, image_shape: Sequence[int]) -> Cost:
    """Cost of one network for one image (C, H, W); the network may be on the meta device."""
    return _cost_and_output(network, image_shape)[0]


def _cost_and_output(network: nn.Module, image_shape: Sequence[int]) -> tuple[Cost, Any]:
    """The cost of a network, and what it gives."""
    training = network.training
    weight = next(network.parameters(), torch.zeros((), device="meta"))
    image = torch.zeros(1, *image_shape, device=weight.device, dtype=weight.dtype)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        output = network.eval()(image)
    network.train(training)
    params = sum(weight.numel() for weight in network.parameters())
    return Cost(counter.get_total_flops() // 2, params), output


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


class Costs:
    """Costs of the architectures of a space: each is built and counted, once.

    Right for every space. :class:`CostTable` and :class:`FormulaCosts` know some spaces better.

    Args:
        space: the space, not yet a supernet; best on the meta device.
        image_shape: (C, H, W) of one image.
    """

    def __init__(self, space: ModelSpace, image_shape: Sequence[int]) -> None:
        self.choices = choices(space)
        self._space = space
        self._image_shape = image_shape
        self._known: dict[str, Cost] = {}

    def __call__(self, architecture: Mapping[str, Any]) -> Cost:
        """Cost of one architecture."""
        return self.counted(architecture)

    def counted(self, architecture: Mapping[str, Any]) -> Cost:
        """Cost of one architecture, by its frozen network."""
        key = str(sorted(architecture.items()))
        if key not in self._known:
            network = freeze(self._space, architecture)
            self._known[key] = network_cost(network, self._image_shape)
        return self._known[key]

    @cached_property
    def extremes(self) -> tuple[Architecture, Architecture]:
        """The architectures of the fewest and the most multiply-adds, parameters breaking ties."""

        def size(architecture: Architecture) -> tuple[int, int]:
            cost = self(architecture)
            return cost.flops, cost.params

        def lack(architecture: Architecture) -> tuple[int, int]:
            flops, params = size(architecture)
            return -flops, -params

        return least(self.choices, size), least(self.choices, lack)

    @cached_property
    def smallest(self) -> Cost:
        """The fewest multiply-adds and the fewest parameters of any architecture."""
        fewest = least(self.choices, lambda architecture: self(architecture).params)
        return Cost(self(self.extremes[0]).flops, self(fewest).params)


class CostTable(Costs):
    """Costs as a sum over the layer choices, so that a limit is checked in microseconds.

    Each candidate is counted once, on the input that reaches its place.

    Raises:
        SpaceError: the costs are no such sum: there are other choices than layer choices, one is
            inside another or run twice, candidates share weights, or give outputs of several
            shapes.
    """

    def __init__(self, space: ModelSpace, image_shape: Sequence[int]) -> None:
        super().__init__(space, image_shape)
        layers = [module for module in space.modules() if isinstance(module, LayerChoice)]
        if {layer.label for layer in layers} != set(self.choices):
            raise SpaceError("the space has choices that are no layer choices")
        inputs: list[tuple[nn.Module, Tensor]] = []
        hooks = [
            layer.register_forward_pre_hook(lambda layer, given: inputs.append((layer, given[0])))
            for layer in layers
        ]
        # A space forwards through the first candidate of every choice.
        base = network_cost(space, image_shape)
        for hook in hooks:
            hook.remove()
        if len(inputs) != len(layers) or {layer for layer, _ in inputs} != set(layers):
            raise SpaceError("a layer choice is inside another, or is not run once")
        #: The label of each place, and the cost of each candidate there.
        self._places: list[tuple[str, dict[Any, Cost]]] = []
        weights = [weight for layer in layers for each in layer for weight in each.parameters()]
        if len(weights) != len(set(weights)):
            raise SpaceError("candidates share weights")
        for layer, given in inputs:
            assert isinstance(layer, LayerChoice)
            found = {name: _cost_and_output(layer[name], given.shape[1:]) for name in layer.names}
            if len({output.shape for _, output in found.values()}) > 1:
                raise SpaceError("candidates give outputs of several shapes")
            costs = {name: cost for name, (cost, _) in found.items()}
            self._places.append((layer.label, costs))
            forwarded = costs[layer.names[0]]
            base -= Cost(forwarded.flops, sum(cost.params for cost in costs.values()))
        self._base = base

    def __call__(self, architecture: Mapping[str, Any]) -> Cost:
        """Cost of one architecture."""
        total = self._base
        for label, costs in self._places:
            total += costs[architecture[label]]
        return total


class FormulaCosts(Costs):
    """Costs by a space's own formula, its method ``cost``, and those of the stem in front."""

    def __init__(self, space: ModelSpace, image_shape: Sequence[int]) -> None:
        super().__init__(space, image_shape)
        self._formula = space.cost
        stem = getattr(space, "stem", nn.Identity())
        stems = {None: stem}
        if isinstance(stem, LayerChoice):
            stems = {name: stem[name] for name in stem.names}
        self._stems = {name: network_cost(stem, image_shape) for name, stem in stems.items()}

    def __call__(self, architecture: Mapping[str, Any]) -> Cost:
        """Cost of one architecture."""
        cost = self._formula(dict(architecture))
        if not isinstance(cost, Cost):
            raise SpaceError(f"its cost gives {cost!r}, must give a search_spaces.costs.Cost")
        return cost + self._stems[architecture.get("stem")]


def disagreement(costs: Costs, rounds: int = 3) -> str | None:
    """Where costs differ from those of built and counted networks; None where none was found.

    Compared are the cheapest and the costliest architecture, and some with all values. Three rounds
    of these have most pairs of values of two choices.
    """
    looked_at = [*costs.extremes, *covering_architectures(costs.choices, rounds=rounds)]
    for architecture in looked_at:
        told, counted = costs(architecture), costs.counted(architecture)
        if told != counted:
            return (
                f"{told.flops:,} multiply-adds and {told.params:,} parameters for {architecture}, "
                f"whose network has {counted.flops:,} and {counted.params:,}"
            )
    return None


def costs_of(build: Callable[[], ModelSpace], image_shape: Sequence[int]) -> Costs:
    """The costs of a space, by the fastest way that is right for it.

    A formula or a table is compared with counted networks first; where they differ, each
    architecture is counted.

    Args:
        build: makes the space (not yet a supernet); called on the meta device.
        image_shape: (C, H, W) of one image.
    """
    space = _countable(build, image_shape)
    kind, rounds = (FormulaCosts, 3) if hasattr(space, "cost") else (CostTable, 1)
    try:
        fast: Costs = kind(space, image_shape)
        if disagreement(fast, rounds) is None:
            return fast
    except Exception:  # a formula that fails, a table that cannot be: then there is no fast way
        pass
    return Costs(space, image_shape)


def _countable(build: Callable[[], ModelSpace], image_shape: Sequence[int]) -> ModelSpace:
    """The space on the meta device, or on the CPU if its networks do not run there."""
    try:
        with torch.device("meta"):
            space = build()
        # Tensors that are older than the space, such as those of a stem, are elsewhere.
        space = space.to("meta")
        first = {label: options[0] for label, options in choices(space).items()}
        network_cost(freeze(space, first), image_shape)
    except Exception:  # whatever a space of the user's own does that has no meaning there
        return build()
    return space


@dataclass(frozen=True)
class Limit:
    """The most that an architecture may cost; called with one, it says whether that is kept.

    Args:
        costs: what architectures cost.
        most: the largest ``flops`` and ``params`` that are allowed, as far as they are limited.
    """

    costs: Costs
    most: Mapping[str, int]

    def __call__(self, architecture: Mapping[str, Any]) -> bool:
        """Whether an architecture is within the limit."""
        return self.load(architecture)[0] <= 1

    def load(self, architecture: Mapping[str, Any]) -> tuple[float, float]:
        """The largest share that an architecture takes of what is allowed, and the sum of them."""
        if not self.most:
            return 0.0, 0.0  # costs may have to be counted
        cost = self.costs(architecture)
        shares = [getattr(cost, what) / most for what, most in self.most.items()]
        return max(shares), sum(shares)

    @cached_property
    def lightest(self) -> Architecture:
        """The architecture that takes least of what is allowed."""
        return least(self.costs.choices, self.load)


def limit(costs: Costs, max_flops: int | None = None, max_params: int | None = None) -> Limit:
    """The limit on what architectures may cost.

    Raises:
        SpaceError: a limit is no positive number, or not even the cheapest architecture keeps it.
    """
    given = {"flops": max_flops, "params": max_params}
    most = {what: value for what, value in given.items() if value is not None}
    for what, value in most.items():
        whole_number(f"max_{what}", value, least=1)
        smallest = getattr(costs.smallest, what)
        if value < smallest:
            raise SpaceError(
                f"no architecture has at most {value:,} {what}: "
                f"the smallest of the space has {smallest:,}"
            )
    made = Limit(costs, most)
    if most and not made(made.lightest):
        told = " and ".join(f"{value:,} {what}" for what, value in most.items())
        raise SpaceError(f"no architecture has at most {told} at once; raise one of the limits")
    return made
