"""Pairs of domains that nobody measured, with a gain that is known, for tests of predictions."""

import numpy as np
import pandas as pd

DOMAINS = ("mnist", "mnistm", "svhn", "usps")
SHIFTS = ("none", "blur", "noise", "polarity")
FEATURES = ("first", "second", "third", "fourth")


def gain_pairs(
    effect: float = 0.0,
    noise: float = 2.0,
    of_domain: float = 1.0,
    seed: int = 0,
    sources: tuple[str, ...] = DOMAINS,
    targets: tuple[str, ...] = DOMAINS,
) -> pd.DataFrame:
    """The gain is ``effect`` for each unit of the first feature, and noise of domain and pair.

    Features are alike where target and shift are, as those of real pairs are.
    """
    random = np.random.default_rng(seed)
    of_targets = dict(zip(targets, random.normal(0, of_domain, len(targets)), strict=True))
    records = []
    for base in targets:
        for shift in SHIFTS:
            shared = random.normal(size=len(FEATURES))
            for source in sources:
                if source == base and shift == "none":
                    continue
                values = shared + random.normal(0, 0.5, len(FEATURES))
                records.append(
                    {
                        "suite": "digits",
                        "stem": "neurn",
                        "source": source,
                        "target": base if shift == "none" else f"{base}~{shift}-1",
                        "base": base,
                        "shift": shift,
                        "gain": effect * values[0] + of_targets[base] + random.normal(0, noise),
                        **dict(zip(FEATURES, values, strict=True)),
                    }
                )
    return pd.DataFrame(records)
