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
from itertools import combinations
from pathlib import Path

import numpy as np
from benchmark_rows import report

COLUMNS = ("set", "network", "other", "cka", "deviation", "repeats")
SIZE = 32
#: Multiply-adds for one image, beyond which a network is left out.
FLOPS = 1_000_000_000
#: Images of each domain.
IMAGES = 64
SETS = ("all", "keras")


def measure(seeds: Sequence[int]) -> Iterator[dict]:
    from nasneurn.networks.build import describe
    from nasneurn.networks.names import resolve_architectures
    from nasneurn.networks.random_features import (
        CLASSES,
        centred_products,
        cka_over_seeds,
        random_features,
        sample_images,
    )

    images = sample_images(SIZE, IMAGES)
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
                known[key] = [
                    centred_products(random_features(one, seed, images)) for seed in seeds
                ]
            grams[one.name] = known[key]
        for a, b in combinations(grams, 2):
            values = cka_over_seeds(grams[a], grams[b])
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
