"""Values of several seeds as a mean with its spread."""

from collections.abc import Sequence

import pandas as pd


def over_seeds(values: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """A row for each of ``keys``, in the order of the values: ``mean``, ``std`` and ``seeds``.

    ``std`` is the standard deviation over seeds (n - 1), NaN for one. A value that is NaN is none.

    Args:
        values: with the columns ``keys``, ``seed`` and ``value``. A seed that has several, as one
            of several architectures found by a search, counts once, by their mean.
    """
    if values.empty:
        return pd.DataFrame(columns=[*keys, "mean", "std", "seeds"])
    of_seed = values.groupby([*keys, "seed"], sort=False, dropna=False)["value"].mean()
    groups = of_seed.groupby(level=list(keys), sort=False, dropna=False)
    return groups.agg(mean="mean", std="std", seeds="count").reset_index()
