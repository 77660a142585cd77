"""Does a distance between architectures say who gains by a stem? Tests, and what they can find.

Each distance between architectures is tested in three ways: Mantel's test against the distances of
gain profiles, by Spearman's and by Pearson's correlation, and the prediction of an architecture's
mean gain by its nearest. All these are tries for one answer, so Holm's correction is over all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasneurn.analysis.gain_profiles import FEWEST, GainProfiles, gain_profiles
from nasneurn.analysis.intervals import holm
from nasneurn.analysis.mantel import (
    METHODS,
    PERMUTATIONS,
    Correlations,
    Values,
    check_permutations,
    correlations,
)
from nasneurn.analysis.mantel_power import PERMUTATIONS as POWER_PERMUTATIONS
from nasneurn.analysis.mantel_power import mantel_power
from nasneurn.analysis.neighbours import neighbour_test
from nasneurn.correlation.architecture_distances import (
    ALIGNMENT,
    ArchitectureDistances,
    architecture_distances,
)
from nasneurn.errors import InputError
from nasneurn.studies.joined import JoinedStudies, join_studies

#: The name of the third test.
NEIGHBOURS = "neighbours"
#: What partial tests hold fixed.
GIVEN = "params"
#: Significance.
LEVEL = 0.05
#: The distance whose power is simulated, if it is there.
ASKED = "recommended"


@dataclass(frozen=True, eq=False)
class GainCorrelation:
    """What was found.

    Attributes:
        profiles: the gains.
        words: what figures call the architectures, in the order of the profiles.
        distances: between the architectures.
        profile_distances: (N, N).
        kind: how profiles are compared.
        stem, control: what the gains are of.
        neighbours: how many predict.
        tests: a row for each distance and test; see :func:`run_tests`.
        partial: Mantel's test of alignments given the parameters; empty without these.
        power: see :func:`nasneurn.analysis.mantel_power.mantel_power`; ``level`` is 5%, and 5%
            over the number of tries.
        notes: what was left out, and why.
    """

    profiles: GainProfiles
    words: tuple[str, ...]
    distances: ArchitectureDistances
    profile_distances: Values
    kind: str
    stem: str
    control: str
    neighbours: int
    tests: pd.DataFrame
    partial: pd.DataFrame
    power: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def profile_table(self) -> pd.DataFrame:
        """A row for each architecture: sizes, seeds, its gains in points, and their mean."""
        profiles = self.profiles
        table = pd.DataFrame({"architecture": profiles.architectures, "seeds": profiles.seeds})
        for name in ("params", "flops"):
            table[name] = [getattr(one, name) for one in self.distances.layers]
        table["mean_gain"] = 100 * profiles.mean
        for place, (source, target) in enumerate(profiles.pairs):
            table[f"{source} to {target}"] = 100 * profiles.gains[:, place]
        return table

    @property
    def distance_table(self) -> pd.DataFrame:
        """A row for each pair of architectures: the distance of profiles, and all others."""
        first, second = np.triu_indices(len(self.profiles.architectures), 1)
        names = np.array(self.profiles.architectures, object)
        table = {"architecture": names[first], "other": names[second]}
        tables = {"profiles": self.profile_distances, **self.distances.tables}
        table |= {name: values[first, second] for name, values in tables.items()}
        return pd.DataFrame(table)


def correlate_studies(
    folders: Sequence[Path | str],
    *,
    stem: str = "neurn",
    control: str = "none",
    kind: str = "euclidean",
    where: Mapping[str, str] | None = None,
    neighbours: int = 3,
    random_features: bool = True,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    jobs: int | None = None,
    trust_code: bool = False,
) -> GainCorrelation:
    """Test whether alignment and its rivals say who gains, on the rows of studies.

    Args:
        folders: of one study or several.
        stem, control: what the gains are of.
        kind: how profiles are compared, of :data:`nasneurn.analysis.gain_profiles.KINDS`.
        where: by column the value of the rows that count, such as ``{"algorithm": "erm"}``.
        neighbours: how many predict.
        random_features: also compare networks by features of random weights, which runs them.
        permutations: of each test.
        seed: of these.
        jobs: processes that trace.
        trust_code: whether code that the studies name may be imported.

    Raises:
        InputError, AlignmentError: the rows are too few, or something cannot be used.
    """
    studies = join_studies(folders, trust_code=trust_code)
    profiles = gain_profiles(studies.rows, stem, control, where)
    measured = profiles.distances(kind)
    check_neighbours(neighbours, len(profiles.architectures))
    check_permutations(permutations)
    known = _known(studies, profiles)
    distances = architecture_distances(
        known,
        studies.image_size,
        _sizes(studies.rows, profiles),
        random_features=random_features,
        adapting=studies.adaptation,
        jobs=jobs,
    )
    options: dict[str, Any] = {"permutations": permutations, "seed": seed}
    tests, drawn = run_tests(distances, measured, profiles.mean, neighbours, **options)
    asked = ASKED if ASKED in distances.tables else next(iter(distances.tables))
    levels = (LEVEL, LEVEL / len(tests))
    powers = [
        mantel_power(
            distances.tables[asked],
            measured,
            method,
            levels=levels,
            permutations=min(permutations, POWER_PERMUTATIONS),
            seed=seed,
        )
        for method in METHODS
    ]
    power = pd.concat(powers, ignore_index=True)
    power.insert(0, "distance", asked)
    return GainCorrelation(
        profiles=profiles,
        words=tuple(one.words for one in known),
        distances=distances,
        profile_distances=measured,
        kind=kind,
        stem=stem,
        control=control,
        neighbours=neighbours,
        tests=tests,
        partial=_partial(distances, drawn),
        power=power,
        notes=(*profiles.notes, *distances.notes, *_too_few(permutations, tests, drawn)),
    )


def _too_few(
    permutations: int, tests: pd.DataFrame, drawn: Mapping[str, Correlations]
) -> list[str]:
    """A note where no relation could be beyond chance, however strong."""
    least = len(tests) / (permutations + 1)
    if least <= LEVEL or any(one.exact for one in drawn.values()):
        return []
    return [
        f"with {permutations} permutations no p-value is below {least:.2g} once it is corrected "
        f"over {len(tests)} tests; more permutations are needed to find anything"
    ]


def check_neighbours(neighbours: int, architectures: int) -> None:
    """Refuse a number of neighbours before anything is computed.

    Raises:
        InputError: as :func:`nasneurn.analysis.neighbours.neighbour_weights`.
    """
    from nasneurn.analysis.neighbours import neighbour_weights

    neighbour_weights(np.zeros((architectures, architectures)), neighbours)


def run_tests(
    distances: ArchitectureDistances,
    measured: Values,
    gains: Values,
    neighbours: int = 3,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> tuple[pd.DataFrame, dict[str, Correlations]]:
    """All tests of all distances, and the correlations that Mantel's tests judge, by method.

    Returns:
        A row for each distance and test: ``distance``, ``of`` (alignment or rival), ``test``
        (spearman, pearson or neighbours), ``architectures``, ``estimate`` (the correlation; of
        neighbours the share of squared error that they take from the mean's), ``p`` and
        ``p_holm``.

    Raises:
        InputError: no distance tells the architectures apart.
    """
    if not distances.tables:
        raise InputError("no distance tells the architectures apart: " + "; ".join(distances.notes))
    options: dict[str, Any] = {"permutations": permutations, "seed": seed}
    tables = list(distances.tables.values())
    drawn = {method: correlations(tables, measured, method, **options) for method in METHODS}
    records = []
    for place, (name, table) in enumerate(distances.tables.items()):
        found = [(method, drawn[method].test(place)) for method in METHODS]
        own = {"distance": name, "of": distances.of[name]}
        records += [{**own, "test": method, "estimate": one.r, "p": one.p} for method, one in found]
        nearest = neighbour_test(table, gains, neighbours, **options)
        records.append({**own, "test": NEIGHBOURS, "estimate": nearest.explained, "p": nearest.p})
    tests = pd.DataFrame(records)
    tests.insert(3, "architectures", len(measured))
    tests["p_holm"] = holm(tests["p"].to_numpy(float))
    return tests, drawn


def _partial(distances: ArchitectureDistances, drawn: Mapping[str, Correlations]) -> pd.DataFrame:
    columns = ["distance", "given", "test", "estimate", "p"]
    names = list(distances.tables)
    records = []
    for place, name in enumerate(names):
        if GIVEN not in names or distances.of[name] != ALIGNMENT:
            continue
        for method, correlation in drawn.items():
            one = correlation.partial(place, names.index(GIVEN))
            records.append(dict(zip(columns, [name, GIVEN, method, one.r, one.p], strict=True)))
    table = pd.DataFrame(records, columns=columns)
    table["p_holm"] = holm(table["p"].to_numpy(float))
    return table


def _known(studies: JoinedStudies, profiles: GainProfiles) -> list[Any]:
    unknown = [name for name in profiles.architectures if name not in studies.architectures]
    if unknown:
        raise InputError(
            f"rows name {', '.join(unknown)}, and no config.yaml or architecture.json of the "
            f"studies says what that is; at least {FEWEST} known architectures are needed, and no "
            "unknown one"
        )
    return [studies.architectures[name] for name in profiles.architectures]


def _sizes(rows: pd.DataFrame, profiles: GainProfiles) -> dict[str, list[float]]:
    """Parameters and multiply-adds of the networks as they were trained, where rows have them."""
    sizes = {}
    for name in ("params", "flops"):
        means = rows.groupby("architecture")[name].mean().loc[list(profiles.architectures)]
        if means.notna().all():
            sizes[name] = [float(value) for value in means]
    return sizes
