"""Rows of a study that nobody ran, for tests of what is made from rows."""

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
    sources: tuple[str, ...] = DOMAINS,
) -> pd.DataFrame:
    """Every stem but none adds ``effect`` across domains, with noise by cell, training and case."""
    rng = np.random.default_rng(seed)
    records = []
    for architecture in architectures:
        for source in sources:
            of_cell = {stem: rng.normal(0, noise) for stem in stems}
            for number in range(seeds):
                for stem in stems:
                    shared = of_cell[stem] + rng.normal(0, noise)
                    for target in DOMAINS:
                        across = target not in source.split("+")
                        gain = effect if across and stem != "none" else 0.0
                        accuracy = (0.5 if across else 0.95) + gain + shared * across
                        records.append(
                            {
                                "suite": "digits",
                                "architecture": architecture,
                                "weights": "scratch",
                                "stem": stem,
                                "algorithm": "erm",
                                "source": source,
                                "target": target,
                                "seed": number,
                                "accuracy": accuracy + rng.normal(0, noise / 2),
                            }
                        )
    return pd.DataFrame(records)


def history_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Two to four epochs for each training of ``rows``."""
    rng = np.random.default_rng(0)
    names = ["architecture", "weights", "stem", "algorithm", "source", "seed"]
    return pd.DataFrame(
        [
            {**training, "epoch": epoch, "loss": 1 / epoch, "held_out_accuracy": rng.random()}
            for training in rows[names].drop_duplicates().to_dict(orient="records")
            for epoch in range(1, int(rng.integers(3, 6)))
        ]
    )


def evolution_rows(
    stems: tuple[str, ...] = ("none", "neurn"),
    sources: tuple[str, ...] = ("mnist", "svhn"),
    seeds: int = 2,
) -> pd.DataFrame:
    """Twelve candidates in three generations for each supernet."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "supernet": f"{source}{stem}{seed}",
            "space": "spos",
            "source": source,
            "stem": stem,
            "seed": seed,
            "generation": generation,
            "choices": f"k3-k{number}",
            "flops": int(rng.integers(1e6, 2e6)),
            "params": 1000,
            "held_out_accuracy": rng.uniform(),
        }
        for source in sources
        for stem in stems
        for seed in range(seeds)
        for generation in range(3)
        for number in range(4)
    )
