"""Where a training runs, and in what arithmetic."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from nasneurn.errors import InputError

if TYPE_CHECKING:
    import torch

Precision = Literal["32", "bf16"]

#: What Lightning calls each precision.
LIGHTNING_PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
}


def choose_device(name: str = "auto") -> "torch.device":
    """The device of that name; ``auto`` is the first GPU, where there is one, else the CPU.

    Raises:
        InputError: there is no such device here.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device is 'cuda', but PyTorch finds no GPU here; use 'cpu' or 'auto'")
    if name not in ("cpu", "cuda"):
        raise InputError(f"device is {name!r}, must be 'auto', 'cpu' or 'cuda'")
    return torch.device(name)


def choose_precision(name: str, device: str) -> Precision:
    """The arithmetic of that name; ``auto`` is bf16 on a GPU and 32 bits elsewhere.

    Raises:
        InputError: there is no such precision, or no such device.
    """
    if name == "auto":
        return "bf16" if choose_device(device).type == "cuda" else "32"
    if name not in get_args(Precision):
        raise InputError(f"precision is {name!r}, must be auto, {', '.join(get_args(Precision))}")
    return cast(Precision, name)


@dataclass(frozen=True)
class Machines:
    """Where one training runs.

    Attributes:
        devices: so many on each machine.
        nodes: machines.
        strategy: how they are joined, any that Lightning knows; "auto" is distributed data
            parallel for several.
    """

    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"

    @property
    def several(self) -> bool:
        """Whether more than one process trains."""
        return self.devices * self.nodes > 1

    @property
    def trainer_options(self) -> dict[str, Any]:
        """Options of ``pytorch_lightning.Trainer``."""
        strategy = self.strategy
        if strategy == "auto" and self.several:
            # A path leaves most of a supernet without gradients.
            strategy = "ddp_find_unused_parameters_true"
        return {"devices": self.devices, "num_nodes": self.nodes, "strategy": strategy}


#: One device of one machine.
ALONE = Machines()


def process_rank() -> int:
    """The rank of this process among those that train together, by the environment; 0 if alone."""
    from pytorch_lightning.utilities import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0))
