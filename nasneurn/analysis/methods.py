"""A method: an algorithm with a stem, to be compared with plain training as one thing."""

import pandas as pd

#: Plain training without a stem.
PLAIN = "erm"


def method_name(algorithm: str, stem: str) -> str:
    """What tables call it.

    >>> method_name("randconv", "none"), method_name("erm", "neurn:k=5")
    ('randconv', 'erm, neurn:k=5')
    """
    return algorithm if stem == "none" else f"{algorithm}, {stem}"


def with_methods(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column ``method`` in place of those of algorithm and stem."""
    pairs = zip(rows["algorithm"], rows["stem"], strict=True)
    names = [method_name(algorithm, stem) for algorithm, stem in pairs]
    return rows.drop(columns=["algorithm", "stem", "applied_stem"], errors="ignore").assign(
        method=names
    )
