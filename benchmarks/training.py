"""Seconds per epoch of training a small network, beside the loop that a user would write.

    python benchmarks/training.py [--suite digits] [--out FILE.csv] [--quick]

The user's loop: a torchvision-style dataset that gives PIL images, ``Resize`` and ``ToTensor``, a
``DataLoader`` with two workers, and a plain loop. With a stem, the user's NeuRN is the obvious one:
``unfold`` and ``std`` in front of the network. Network, images, batch, optimizer and learning rate
are the same. Epochs of the two take turns in one process; the first of each is not timed.

Columns: `domain`, `images`, `architecture`, `stem`, `batch`, `threads`, `way` ("nasneurn" or
"user"), `repeats`, `seconds` (least, of an epoch), `images_per_s`, `ratio` (the user's seconds over
ours), `load` (the machine's load average when the run began, over its cores).
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from benchmark_rows import least_seconds, load, report
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import VisionDataset

from nasneurn.algorithms import ERM
from nasneurn.domains import Split, load_suite
from nasneurn.domains.source_rows import subsample_rows
from nasneurn.networks import create_network
from nasneurn.progress import meter
from nasneurn.stems import create_stem
from nasneurn.training.fit import fit
from nasneurn.training.images import DeviceImages, ShuffledBatches
from nasneurn.training.protocol import Optimization

COLUMNS = (
    "domain", "images", "architecture", "stem", "batch", "threads", "way", "repeats", "seconds",
    "images_per_s", "ratio", "load",
)  # fmt: skip
ARCHITECTURES = ("lcnet_050", "mobilenetv3_small_100", "resnet10t")
#: Images of one epoch at most: an epoch takes seconds.
MOST = 2000
LEARNING_RATE = 1e-3
#: Side of the images.
SIZE = 32

Epoch = Callable[[], object]


# ---------------------------------------------------------------- the user's way


class Digits(VisionDataset):
    """Images in memory, given as PIL images as torchvision's MNIST and SVHN do."""

    def __init__(self, split: Split) -> None:
        steps = [transforms.Resize(SIZE), transforms.ToTensor()]
        super().__init__(root="", transform=transforms.Compose(steps))
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.split.images[index])
        return self.transform(image), int(self.split.labels[index])


class ObviousNeuRN(nn.Module):
    """Standard deviations of unfolded patches over their maximum."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        sigma = padded.unfold(2, 3, 1).unfold(3, 3, 1).std((-2, -1), correction=0)
        return sigma / sigma.amax((1, 2, 3), keepdim=True).clamp_min(1e-12)


def user_epoch(split: Split, architecture: str, stem: str, batch: int) -> Epoch:
    front = ObviousNeuRN() if stem == "neurn" else nn.Identity()
    network = nn.Sequential(front, _network(architecture)).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    loader = DataLoader(
        Digits(split), batch, shuffle=True, num_workers=2, persistent_workers=True, drop_last=True
    )

    def epoch() -> None:
        for images, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(network(images), labels).backward()
            optimizer.step()

    return epoch


# ---------------------------------------------------------------- this project's way


def our_epoch(split: Split, architecture: str, stem: str, batch: int) -> Epoch:
    network = nn.Sequential(create_stem(stem), _network(architecture))
    network = network.to(memory_format=torch.channels_last)
    device = torch.device("cpu")
    data = DeviceImages.of(split, device)
    optimization = Optimization(LEARNING_RATE, weight_decay=0.0, schedule="constant")

    def epoch() -> None:
        loader = ShuffledBatches(data, batch, len(data) // batch, seed=0)
        with meter("epoch", len(loader), shown=False) as progress:
            fit(network, loader, optimization, ERM(), 0, device, progress)

    return epoch


def _network(architecture: str) -> nn.Module:
    torch.manual_seed(0)
    return create_network(architecture, 10, SIZE, "as-published")


# ---------------------------------------------------------------- timing


def compare(
    domain: str, split: Split, architecture: str, stem: str, batch: int, repeats: int
) -> Iterator[dict]:
    """Rows of one case."""
    epochs = {
        "nasneurn": our_epoch(split, architecture, stem, batch),
        "user": user_epoch(split, architecture, stem, batch),
    }
    least = least_seconds(epochs, repeats)
    images = len(split) // batch * batch
    for way, seconds in least.items():
        yield {
            "domain": domain, "images": images, "architecture": architecture, "stem": stem,
            "batch": batch, "threads": torch.get_num_threads(), "way": way, "repeats": repeats,
            "seconds": round(seconds, 3), "images_per_s": round(images / seconds),
            "ratio": round(least["user"] / least["nasneurn"], 2) if way == "nasneurn" else 1.0,
        }  # fmt: skip


def rows(name: str, quick: bool) -> Iterator[dict]:
    suite = load_suite(name)
    domain = suite.domains[0]
    whole = suite.images(domain, "train")
    split = whole.take(subsample_rows(whole.labels, 600 if quick else MOST))
    for architecture in ARCHITECTURES[: 1 if quick else None]:
        for stem in ("none", "neurn"):
            for batch in (64, 256):
                yield from compare(domain, split, architecture, stem, batch, 1 if quick else 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--suite", default="builtin", choices=("builtin", "digits"))
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file")
    parser.add_argument("--quick", action="store_true", help="one small case")
    options = parser.parse_args()
    busy = load()
    found = [{**row, "load": busy} for row in rows(options.suite, options.quick)]
    report(found, COLUMNS, f"An epoch of training, torch {torch.__version__}", options.out)


if __name__ == "__main__":
    main()
