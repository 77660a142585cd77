"""How far the front of a search has come, generation by generation."""

import numpy as np
import pandas as pd

from nasneurn.analysis.cells import SUPERNET
from search_spaces.pareto import hypervolume


def hypervolumes(evolution: pd.DataFrame, burden: str = "flops") -> pd.DataFrame:
    """Hypervolume of error and ``burden`` after each generation of every supernet.

    ``evolution`` has the columns of ``evolution.csv``. Both aims are scaled to [0, 1] by the least
    and the greatest of all candidates of the same space and source, whatever their stem and seed,
    and the reference is the greatest of both, 5% of the range beyond: so the hypervolumes of one
    source can be compared, and lie in [0, 1.1025].
    """
    evolution = evolution.reset_index(drop=True)  # tables may be concatenated
    rows: list[dict[str, object]] = []
    for _, source in evolution.groupby(["space", "source"], sort=False):
        aims = np.stack([1 - source["held_out_accuracy"], source[burden].astype(float)], axis=1)
        least, span = aims.min(axis=0), np.ptp(aims, axis=0)
        scaled = (aims - least) / np.where(span > 0, span, 1)
        for group, own in source.groupby(list(SUPERNET), sort=False):
            generations = own["generation"].to_numpy()
            points = scaled[source.index.get_indexer(own.index)]
            rows += [
                {
                    **dict(zip(SUPERNET, group, strict=True)),
                    "generation": generation,
                    "burden": burden,
                    "hypervolume": hypervolume(points[generations <= generation], (1.05, 1.05)),
                }
                for generation in sorted(set(generations.tolist()))
            ]
    return pd.DataFrame(rows)
