"""How often the intervals of the statistics hold the truth, and how often their tests err.

Differences to a control are drawn as ``effect + architecture + source + cell + seed``, and each
method is asked for a 95% interval of the effect and for a test of its being 0. Variances are in
units of the seeds' own; docs/statistics.md says what they are on real digits.

    python benchmarks/interval_coverage.py --out benchmarks/interval_coverage.csv
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from benchmark_rows import report
from scipy import stats

from nasneurn.analysis.intervals import t_interval

Values = npt.NDArray[np.float64]
DRAWS = 10_000
RESAMPLES = 1_000
#: For the power: about that of a NeuRN stem (4 points where seeds deviate by 3.6).
EFFECT = 1.0


@dataclass(frozen=True)
class Scenario:
    """What is drawn; ``shared`` are the parts of the cells' variance that cells share."""

    architectures: int
    sources: int
    seeds: int
    variance_ratio: float
    shared: tuple[float, float] = (0.0, 0.0)
    tails: str = "normal"

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.architectures * self.sources

    def draw(self, rng: np.random.Generator, draws: int = DRAWS) -> Values:
        """Differences without an effect: (draws, architectures, sources, seeds)."""
        a, b, s = self.architectures, self.sources, self.seeds
        own = self.variance_ratio * (1 - sum(self.shared))
        parts = [
            (self.variance_ratio * self.shared[0], (draws, a, 1, 1)),
            (self.variance_ratio * self.shared[1], (draws, 1, b, 1)),
            (own, (draws, a, b, 1)),
            (1.0, (draws, a, b, s)),
        ]
        values = np.zeros((draws, a, b, s))
        for variance, shape in parts:
            values += np.sqrt(variance) * self._deviates(rng, shape)
        return values

    def _deviates(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
        if self.tails == "normal":
            return rng.standard_normal(shape)
        return rng.standard_t(3, shape) / np.sqrt(3)  # of unit variance


# ---------------------------------------------------------------- methods: low and high ends


def _cells(values: Values) -> Values:
    return values.mean(axis=-1).reshape(len(values), -1)


def t_over_cells(values: Values) -> tuple[Values, Values]:
    """Student's t of the means of cells: what ``nasneurn.analysis`` does."""
    found = t_interval(_cells(values))
    return found.low, found.high


def t_over_sources(values: Values) -> tuple[Values, Values]:
    """Student's t of the means of sources."""
    found = t_interval(values.mean(axis=(1, 3)))
    return found.low, found.high


def t_over_seeds(values: Values) -> tuple[Values, Values]:
    """Student's t of the means of seeds, the cells being fixed."""
    found = t_interval(values.mean(axis=(1, 2)))
    return found.low, found.high


def t_over_trainings(values: Values) -> tuple[Values, Values]:
    """Student's t as if all trainings were independent."""
    found = t_interval(values.reshape(len(values), -1))
    return found.low, found.high


def mixed_model(values: Values) -> tuple[Values, Values]:
    """Random cells by REML, with a normal interval: its closed form for equal numbers of seeds."""
    cells = _cells(values)
    count, seeds = cells.shape[1], values.shape[-1]
    between = seeds * cells.var(axis=1, ddof=1)
    within = ((values - values.mean(axis=-1, keepdims=True)) ** 2).reshape(len(values), -1)
    pooled = (between * (count - 1) + within.sum(axis=1)) / (count * seeds - 1)
    error = within.sum(axis=1) / max(count * (seeds - 1), 1)
    variance = np.where(between > error, between, pooled)
    reach = stats.norm.ppf(0.975) * np.sqrt(variance / (count * seeds))
    return cells.mean(axis=1) - reach, cells.mean(axis=1) + reach


def bootstrap_over_trainings(values: Values) -> tuple[Values, Values]:
    """Percentile bootstrap as if all trainings were independent: what was done before."""
    return _bootstrap(values.reshape(len(values), -1), groups=0)


def bootstrap_over_cells(values: Values) -> tuple[Values, Values]:
    """Percentile bootstrap of the means of cells."""
    return _bootstrap(_cells(values), groups=0)


def hierarchical_bootstrap(values: Values) -> tuple[Values, Values]:
    """Percentile bootstrap of cells, and of the seeds within each drawn cell."""
    return _bootstrap(values.reshape(len(values), -1), groups=values.shape[1] * values.shape[2])


def _bootstrap(values: Values, groups: int) -> tuple[Values, Values]:
    """The same resamples for all draws, as weights: a mean is then a product of matrices."""
    rng = np.random.default_rng(20_250_506)
    count = values.shape[1]
    weights = np.zeros((RESAMPLES, count))
    rows = np.arange(RESAMPLES)[:, None]
    if groups:
        size = count // groups
        cells = rng.integers(groups, size=(RESAMPLES, groups, 1))
        chosen = (cells * size + rng.integers(size, size=(RESAMPLES, groups, size))).reshape(
            RESAMPLES, -1
        )
    else:
        chosen = rng.integers(count, size=(RESAMPLES, count))
    np.add.at(weights, (rows, chosen), 1 / count)
    ends = [
        np.percentile(part @ weights.T, [2.5, 97.5], axis=1) for part in np.array_split(values, 10)
    ]
    low, high = np.concatenate(ends, axis=1)
    return low, high


METHODS: dict[str, Callable[[Values], tuple[Values, Values]]] = {
    "t over cells": t_over_cells,
    "t over trainings": t_over_trainings,
    "bootstrap over trainings": bootstrap_over_trainings,
    "bootstrap over cells": bootstrap_over_cells,
    "hierarchical bootstrap": hierarchical_bootstrap,
    "mixed model": mixed_model,
}
SIGNED_RANK = "signed-rank over cells"


# ---------------------------------------------------------------- what is asked of them


def measure(name: str, values: Values) -> dict[str, float | None]:
    """Coverage, width, and how often 0 is refused without an effect and with one."""
    if name == SIGNED_RANK:  # a test alone
        size, power = (
            float(np.mean(stats.wilcoxon(_cells(values) + effect, axis=1).pvalue < 0.05))
            for effect in (0.0, EFFECT)
        )
        return {"coverage": None, "width": None, "size": size, "power": power}
    methods = {**METHODS, "t over sources": t_over_sources, "t over seeds": t_over_seeds}
    low, high = methods[name](values)
    covered = float(np.mean((low <= 0) & (high >= 0)))
    power = float(np.mean((low + EFFECT > 0) | (high + EFFECT < 0)))
    return {
        "coverage": covered,
        "width": float(np.mean(high - low)),
        "size": round(1 - covered, 6),
        "power": power,
    }


def scenarios() -> Iterator[tuple[Scenario, list[str]]]:
    """What is simulated, and by which methods."""
    everything = [*METHODS, SIGNED_RANK]
    for cells in (3, 5, 12):
        for seeds in (2, 3, 5):
            for ratio in (0.0, 0.3, 3.0):
                yield Scenario(cells, 1, seeds, ratio), everything
    for cells in (3, 5, 12):
        yield Scenario(cells, 1, 1, 3.0), ["t over cells", SIGNED_RANK]
        for ratio in (0.0, 0.3, 3.0):
            yield Scenario(cells, 1, 3, ratio, tails="t of 3"), everything
    for seeds in (2, 3, 5):
        yield Scenario(1, 1, seeds, 0.0), ["t over seeds"]
        yield Scenario(1, 2, seeds, 0.0), ["t over seeds"]
    for ratio, shared in ((0.3, (0.25, 0.25)), (3.0, (0.45, 0.28)), (3.0, (0.0, 0.8))):
        yield Scenario(3, 4, 5, ratio, shared), [*METHODS, SIGNED_RANK, "t over sources"]


COLUMNS = [
    "method", "architectures", "sources", "cells", "seeds", "variance_ratio", "shared", "tails",
    "coverage", "width", "size", "power",
]  # fmt: skip


def rows() -> Iterator[dict]:
    for number, (scenario, methods) in enumerate(scenarios()):
        values = scenario.draw(np.random.default_rng([20_250_506, number]))
        for name in methods:
            told = {**asdict(scenario), "shared": "+".join(f"{part:g}" for part in scenario.shared)}
            found = measure(name, values)
            shown = {key: "" if one is None else f"{one:.3f}" for key, one in found.items()}
            yield {"method": name, **told, "cells": scenario.cells, **shown}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    began = time.perf_counter()
    report(rows(), COLUMNS, f"95% intervals, {DRAWS} draws each", arguments.out)
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
