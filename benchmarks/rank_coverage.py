"""How often equal ranks are told apart, and intervals of rank correlations hold the truth.

    python benchmarks/rank_coverage.py [--out FILE.csv] [--draws 4000]

- "ranks": accuracies of stems that do not differ, in so many cells; `rate` is how often two average
  ranks differ by Nemenyi's critical difference or more, which is to be 5% or less.
- "kendall": pairs of normal values with Kendall's tau; `rate` is how often the 95% interval of
  :func:`nasneurn.analysis.rank_correlation.rank_correlation` holds it. A tenth of the draws.

Columns: `method`, `stems`, `count` (of cells, or of pairs), `tau`, `draws`, `rate`.
"""

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
from benchmark_rows import report
from scipy import stats

from nasneurn.analysis.rank_correlation import rank_correlation
from nasneurn.analysis.ranks import critical_difference

COLUMNS = ("method", "stems", "count", "tau", "draws", "rate")


def told_apart(stems: int, cells: int, draws: int) -> float:
    """How often any two of ``stems`` that are equal have ranks that differ critically."""
    values = np.random.default_rng([stems, cells]).standard_normal((draws, cells, stems))
    ranks = stats.rankdata(values, axis=-1).mean(axis=1)
    return float(np.mean(np.ptp(ranks, axis=-1) > critical_difference(stems, cells)))


def held(pairs: int, tau: float, draws: int) -> float:
    """How often the interval of Kendall's tau holds the truth: of normal pairs sin(pi tau / 2)."""
    drawn = np.random.default_rng([pairs, int(100 * tau)])
    rho = np.sin(np.pi * tau / 2)
    inside = 0
    for number in range(draws):
        first, other = drawn.standard_normal((2, pairs))
        second = rho * first + np.sqrt(1 - rho**2) * other
        found = rank_correlation(first, second, seed=number)
        inside += found["kendall_low"] <= tau <= found["kendall_high"]
    return inside / draws


def rows(draws: int) -> Iterator[dict]:
    for stems, cells in product((3, 5), (3, 12)):
        rate = told_apart(stems, cells, draws)
        yield {
            "method": "ranks", "stems": stems, "count": cells, "tau": "",
            "draws": draws, "rate": round(rate, 4),
        }  # fmt: skip
    few = max(1, draws // 10)
    for pairs, tau in product((6, 12, 30), (0.0, 0.3, 0.7)):
        rate = held(pairs, tau, few)
        yield {
            "method": "kendall", "stems": "", "count": pairs, "tau": tau,
            "draws": few, "rate": round(rate, 4),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file")
    parser.add_argument("--draws", type=int, default=4000)
    options = parser.parse_args()
    report(rows(options.draws), COLUMNS, "Ranks and rank correlations", options.out)


if __name__ == "__main__":
    main()
