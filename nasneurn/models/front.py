"""What stands in front of a network: the stem, and what standardizes its answers."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from nasneurn.choices import Choice
from nasneurn.errors import InputError
from nasneurn.stems import STEMS
from nasneurn.stems.leading import as_floats, for_network, refuse_script
from nasneurn.training.scaling import Standardize, Statistics


class Front(nn.Module):
    """A stem, and the standardization of its answers; images (N, C, H, W) to as many of that shape.

    Images are float from 0 to 1, or uint8, which is divided by 255. It has no state. A stem without
    standardization takes images of other shapes as it does alone.

    Attributes:
        stem: the stem.
        scaling: what standardizes its answers, or nothing.
    """

    def __init__(self, stem: nn.Module, scaling: nn.Module | None = None) -> None:
        super().__init__()
        self.stem = stem
        self.scaling = nn.Identity() if scaling is None else scaling

    def forward(self, x: Tensor) -> Tensor:
        """Put images through.

        Raises:
            InputError: they are no images, or not of as many channels as the numbers are for.
        """
        if isinstance(self.scaling, Standardize):
            x = for_network(x, self.channels)
        answer: Tensor = self.scaling(self.stem(as_floats(x)))
        return answer

    @property
    def channels(self) -> int | None:
        """How many channels the numbers are for; None where they are for any."""
        if not isinstance(self.scaling, Standardize):
            return None
        numbers = max(self.scaling.mean.numel(), self.scaling.scale.numel())
        return None if numbers == 1 else numbers

    def __prepare_scriptable__(self) -> nn.Module:
        return cast(nn.Module, refuse_script("a network with a stem"))


def make_front(
    stem: str | Choice | nn.Module,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
) -> Front:
    """A front of a stem by name or as a module, with the numbers that standardize its answers.

    Raises:
        InputError: there is no such stem, or the numbers are none to standardize with.
    """
    if not isinstance(stem, nn.Module | str | Choice):
        raise InputError(
            f"the stem is {stem!r:.60}; its name, as 'neurn:k=5', or a made module is needed"
        )
    made = stem if isinstance(stem, nn.Module) else STEMS.create(stem)
    if state := list(made.state_dict()):
        raise InputError(f"the stem has weights or buffers of its own ({', '.join(state)})")
    if mean is None and std is None:
        return Front(made)
    means, deviations = _numbers("mean", mean, 0.0), _numbers("std", std, 1.0)
    if any(value <= 0 for value in deviations):
        raise InputError(f"std is {std!r}; every number must be positive")
    if 1 not in (len(means), len(deviations)) and len(means) != len(deviations):
        raise InputError(f"mean has {len(means)} numbers and std has {len(deviations)}")
    return Front(made, Standardize(Statistics(means, deviations)))


def _numbers(name: str, value: float | Sequence[float] | None, usual: float) -> tuple[float, ...]:
    try:
        given = (usual,) if value is None else torch.as_tensor(value, dtype=torch.float64)
        found = tuple(float(one) for one in torch.as_tensor(given, dtype=torch.float64).flatten())
    except (TypeError, ValueError, RuntimeError):
        found = ()
    if not found or not all(abs(one) < float("inf") for one in found):
        raise InputError(f"{name} is {value!r}; it must be a number, or one for each channel")
    return found
