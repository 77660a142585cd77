"""Train a tiny supernet in several processes: ``python tiny_ddp.py SPACE PROCESSES OUT``."""

import sys
from pathlib import Path

import torch

from nasneurn.algorithms import ERM
from nasneurn.search.supernet_work import SupernetModule
from nasneurn.training.devices import Machines
from nasneurn.training.images import DeviceImages, ShuffledBatches
from nasneurn.training.protocol import Optimization
from search_spaces.autoformer import AutoFormer
from search_spaces.interface import draw_architecture
from search_spaces.spos import SPOS
from search_spaces.supernet import train_supernet

BATCHES = 4


def main(name: str, processes: int, out: Path) -> None:
    """Each process writes its weights to ``OUT/rank<number>.pt``."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    space = SPOS(width=0.25, blocks=(1, 1, 1, 1)) if name == "spos" else AutoFormer()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (48, 3, 32, 32), dtype=torch.uint8, generator=generator)
    data = DeviceImages(pixels, torch.arange(48) % 10)
    module = SupernetModule(Optimization(weight_decay=0.01), ERM(), BATCHES, seed=1)
    train_supernet(
        space,
        module,
        ShuffledBatches(data, 16, BATCHES, seed=2),
        path_of=lambda batch: draw_architecture(space, 3, batch),
        folder=out / "state",
        checkpoint_seconds=0.0,
        accelerator="cpu",
        **Machines(processes).trainer_options,
    )
    torch.save(space.state_dict(), out / f"rank{module.trainer.global_rank}.pt")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
