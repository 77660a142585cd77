"""A method: an algorithm with a stem, to be compared with plain training as one thing."""

import pandas as pd

from nasneurn.analysis.cells import FRONT, NO_STEM, in_front

#: Plain training without a stem.
PLAIN = "erm"


def method_name(algorithm: str, stem: str, placement: str = FRONT) -> str:
    """What tables call it.

    >>> method_name("randconv", "none"), method_name("erm", "neurn:k=5")
    ('randconv', 'erm, neurn:k=5')
    >>> method_name("erm", "neurn", "concatenate")
    'erm, neurn concatenate'
    """
    if stem == NO_STEM:
        return algorithm
    return f"{algorithm}, {stem}" if placement == FRONT else f"{algorithm}, {stem} {placement}"


def with_methods(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column ``method`` in place of those of algorithm, stem and placement."""
    rows = in_front(rows)
    placements = rows.get("placement", pd.Series(FRONT, index=rows.index))
    told = zip(rows["algorithm"], rows["stem"], placements, strict=True)
    names = [method_name(*one) for one in told]
    passed = ["algorithm", "stem", "applied_stem", "placement"]
    return rows.drop(columns=passed, errors="ignore").assign(method=names)
