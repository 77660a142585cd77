"""How alike the 44 are in what they compute before any training: linear CKA of random weights.

    python benchmarks/random_features.py [--out FILE.csv] [--seeds 3]

Each network is built for images of 32 pixels with ten classes, as a study builds it, with weights
of its seed, and sees the same 256 images of the built-in digits, 64 of each domain. Its features
are what enters the last linear layer or convolution that runs; a map is averaged over its places.
Batch norm takes the statistics of the batch, as at the start of a training; dropout is off. What
gives a map instead of classes is left out, and so is what takes more than a billion multiply-adds
for one image (ViTs, ConvNeXt-XLarge and ResNet-50-IBN, which is enlarged to 224 pixels).

Two networks are compared by the debiased linear CKA of their features, which few images do not
raise (Kornblith et al., "Similarity of neural network representations revisited", 2019; Nguyen,
Raghu and Kornblith, "Do wide and deep networks learn the same things?", 2021): the mean over all
pairs of two different seeds.

`alignment_worth.py` compares similarities of layers with the table.

Columns: `set` ("all" or "keras"), `network`, `other`, `cka`, `deviation` (of the pairs of seeds),
`repeats` (pairs of seeds).
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
from benchmark_rows import report

COLUMNS = ("set", "network", "other", "cka", "deviation", "repeats")
SIZE, CLASSES = 32, 10
#: Multiply-adds for one image, beyond which a network is left out.
FLOPS = 1_000_000_000
#: Images of each domain.
IMAGES = 64
SETS = ("all", "keras")


def digits() -> Any:
    """Images of all built-in domains, (N, 3, 32, 32) in [0, 1]."""
    import torch

    from nasneurn.domains.loading import load_suite

    suite = load_suite("builtin", size=SIZE)
    parts = [np.asarray(suite.images(name, "train").images)[:IMAGES] for name in suite.domains]
    return torch.from_numpy(np.concatenate(parts)).permute(0, 3, 1, 2).float() / 255


def features(architecture: Any, seed: int, images: Any) -> np.ndarray:
    """(N, F), what enters the last linear layer or convolution of a network with random weights."""
    import torch
    from torch import nn

    from nasneurn.networks.build import create_network

    torch.manual_seed(seed)
    network, _ = create_network(architecture, CLASSES, SIZE)
    network.eval()
    seen: list[Any] = []

    def keep(_module: Any, inputs: Any) -> None:
        seen[:] = [inputs[0]]

    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.train()
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            module.register_forward_pre_hook(keep)
    with torch.no_grad():
        network(images)
    last = seen[0].mean((2, 3)) if seen[0].ndim == 4 else seen[0].flatten(1)
    return last.double().numpy()


def gram(x: np.ndarray) -> np.ndarray:
    """The products of all pairs of images, centred without the bias of few images.

    U-centring: Szekely and Rizzo, "Partial distance correlation with methods for dissimilarities",
    2014; its products are the estimator of Song et al., "Feature selection via dependence
    maximization", 2012.
    """
    x = x - x.mean(0)
    x /= max(float(np.abs(x).max()), 1e-30)
    products = x @ x.T
    np.fill_diagonal(products, 0.0)
    n = len(products)
    rows = products.sum(0) / (n - 2)
    products += products.sum() / ((n - 1) * (n - 2)) - rows[:, None] - rows
    np.fill_diagonal(products, 0.0)
    return products


def cka(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def measure(seeds: Sequence[int]) -> Iterator[dict]:
    from nasneurn.networks.build import describe
    from nasneurn.networks.names import resolve_architectures

    images = digits()
    known: dict[str, list[np.ndarray]] = {}
    for name in SETS:
        grams: dict[str, list[np.ndarray]] = {}
        for one in resolve_architectures([name]):
            flops = describe(one, CLASSES, SIZE).flops
            if flops > FLOPS:
                told = f"{flops / 1e9:.1f} billion multiply-adds"
                print(f"{name}: {one.name} is left out: {told}", file=sys.stderr)
                continue
            key = one.model_dump_json(exclude={"name"})
            if key not in known:
                known[key] = [gram(features(one, seed, images)) for seed in seeds]
            grams[one.name] = known[key]
        for a, b in combinations(grams, 2):
            values = [cka(grams[a][i], grams[b][j]) for i, j in permutations(range(len(seeds)), 2)]
            yield {
                "set": name,
                "network": a,
                "other": b,
                "cka": f"{np.mean(values):.4f}",
                "deviation": f"{np.std(values, ddof=1):.4f}",
                "repeats": len(values),
            }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, help="a CSV file")
    parser.add_argument("--seeds", type=int, default=3, help="how many, at least 2")
    options = parser.parse_args(arguments)
    if options.seeds < 2:
        parser.error("--seeds must be at least 2: networks of one seed share their draws")
    report(measure(range(options.seeds)), COLUMNS, "CKA of random weights", options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
