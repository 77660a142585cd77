"""Rows of a grid that nobody ran, for tests of what is made from rows."""

import numpy as np
import pandas as pd

DOMAINS = ("mnist", "mnistm", "svhn", "usps")


def grid_rows(
    architectures: tuple[str, ...] = ("resnet18", "spos/svhn-none-0"),
    stems: tuple[str, ...] = ("none", "neurn", "sobel"),
    seeds: int = 3,
    effect: float = 0.05,
    noise: float = 0.02,
    seed: int = 0,
) -> pd.DataFrame:
    """Every stem but none adds ``effect`` across domains, with noise by training and by case."""
    rng = np.random.default_rng(seed)
    records = []
    for architecture in architectures:
        for source in DOMAINS:
            for number in range(seeds):
                for stem in stems:
                    shared = rng.normal(0, noise)
                    for target in DOMAINS:
                        across = source != target
                        gain = effect if across and stem != "none" else 0.0
                        accuracy = (0.5 if across else 0.95) + gain + shared * across
                        records.append(
                            {
                                "architecture": architecture,
                                "stem": stem,
                                "source": source,
                                "target": target,
                                "seed": number,
                                "accuracy": accuracy + rng.normal(0, noise / 2),
                            }
                        )
    return pd.DataFrame(records)


def history_rows(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Two to four epochs for each training of ``accuracy``."""
    rng = np.random.default_rng(0)
    trainings = accuracy[["architecture", "stem", "source", "seed"]].drop_duplicates()
    return pd.DataFrame(
        [
            {**training, "epoch": epoch, "loss": 1 / epoch, "held_out_accuracy": rng.random()}
            for training in trainings.to_dict(orient="records")
            for epoch in range(1, int(rng.integers(3, 6)))
        ]
    )
