"""What a stem adds to each architecture, pair by pair of domains, and how far two of these lie.

The *gain* of an architecture on a pair (source, target) is its accuracy with the stem less that
without, over the seeds that have both. Its *profile* is the vector of its gains. Only targets that
were not trained on count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nasneurn.analysis.cells import CASE, cross_domain, designs, varied
from nasneurn.analysis.chance import chance_note, learned
from nasneurn.analysis.mantel import Values, pairs_of, unit
from nasneurn.choices import check_known
from nasneurn.errors import InputError, listed

#: The fewest architectures that are compared: 6 have 720 orders, so p may be 0.0014.
FEWEST = 6
#: How two profiles are compared.
KINDS = ("euclidean", "correlation")
#: The fewest pairs of domains that profiles have a correlation over.
FEWEST_PAIRS = 3
#: How many names a message lists.
LISTED = 4


@dataclass(frozen=True, eq=False)
class GainProfiles:
    """The profiles of N architectures on P pairs of domains.

    Attributes:
        architectures: their names.
        pairs: (source, target).
        gains: (N, P), shares, 0.05 for five points.
        seeds: (N,), over how many each gain is, at least.
        halves: the same of every second seed and of the others, for the architectures that have
            two seeds or more; None where these are too few.
        notes: what was left out, and why.
    """

    architectures: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    gains: Values
    seeds: tuple[int, ...]
    halves: tuple[Values, Values] | None
    notes: tuple[str, ...]

    @property
    def mean(self) -> Values:
        """(N,), the mean gain of each architecture over the pairs."""
        return np.asarray(self.gains.mean(axis=1))

    def distances(self, kind: str = "euclidean") -> Values:
        """(N, N), how far profiles lie; see :func:`profile_distances`."""
        return profile_distances(self.gains, kind, self.architectures)

    def reliability(self, kind: str = "euclidean", method: str = "spearman") -> float | None:
        """The correlation of the distances that two halves of the seeds give.

        No distance between architectures can be expected to go with the profiles much better than
        they go with themselves. None where fewer than :data:`FEWEST`
        architectures have two seeds.
        """
        if self.halves is None:
            return None
        try:
            one, other = (profile_distances(half, kind) for half in self.halves)
        except InputError:
            return None
        return float(unit(pairs_of(one), method) @ unit(pairs_of(other), method))


def profile_distances(gains: Values, kind: str, names: tuple[str, ...] = ()) -> Values:
    """(N, N), Euclidean distances, or 1 - Pearson's correlation of profiles.

    The first knows the level of gains, the second only which pairs gain more than others.

    Raises:
        InputError: an unknown kind, no difference between profiles, or profiles that have no
            correlation.
    """
    check_known("distance of profiles", kind, KINDS)
    if kind == "euclidean":
        between = gains[:, None] - gains[None]
        distances = np.sqrt(np.square(between).sum(axis=-1))
        if distances.max() <= 1e-12:
            raise InputError(
                "all architectures have the same gains, so no distance can go with those of the "
                "gains; are the accuracies with and without the stem right?"
            )
        return np.asarray(distances)
    if gains.shape[1] < FEWEST_PAIRS:
        raise InputError(
            f"the rows have {gains.shape[1]} pair(s) of source and target, and a correlation of "
            f"profiles needs {FEWEST_PAIRS} or more; say euclidean"
        )
    flat = np.flatnonzero(np.ptp(gains, axis=1) <= 1e-12)
    if len(flat):
        told = listed((names[place] if names else str(place) for place in flat), LISTED)
        raise InputError(
            f"{told} gains the same on each pair, so its profile has no correlation; say euclidean"
        )
    units = unit(gains)
    distances = 1 - units @ units.T
    np.fill_diagonal(distances, 0.0)
    if np.abs(pairs_of(distances)).max() <= 1e-9:
        raise InputError("all profiles are parallel: their correlations are all 1; say euclidean")
    return np.asarray(np.maximum(distances, 0.0))


def gain_profiles(
    rows: pd.DataFrame,
    stem: str = "neurn",
    control: str = "none",
    where: Mapping[str, str] | None = None,
) -> GainProfiles:
    """The profiles of all architectures of ``rows`` on the pairs that all of them have.

    Args:
        rows: with the columns of ``accuracy.csv``.
        stem: what gains.
        control: what it is compared with.
        where: by column the value of the rows that count.

    Raises:
        InputError: no row has the stem, the control or what ``where`` says; rows of several
            settings; too few architectures; no pair that all have.
    """
    rows = _chosen(rows, stem, control, where or {})
    guessing = chance_note(rows)
    rows = cross_domain(learned(rows))
    wide = rows.pivot_table(index=list(CASE), columns="stem", values="accuracy", aggfunc="mean")
    wide = wide.reindex(columns=[stem, control])  # of one of them no training may have learned
    paired = wide.dropna()
    notes = [f"left out, {guessing}"] if guessing else []
    notes += _unpaired(wide, stem, control)
    gains = (paired[stem] - paired[control]).rename("gain").reset_index()
    names = [
        name for name in dict.fromkeys(rows["architecture"]) if name in set(gains["architecture"])
    ]
    table = gains.pivot_table(index="architecture", columns=["source", "target"], values="gain")
    pairs = table.columns[table.notna().all(axis=0)]
    notes += _dropped_pairs(table)
    if len(names) < FEWEST:
        raise InputError(
            f"{len(names)} architecture(s) have accuracies with {stem} and with {control} "
            f"({', '.join(names) or 'none'}); at least {FEWEST} are needed"
            + ("".join(f"; {note}" for note in notes[:2]))
        )
    if len(pairs) == 0:
        raise InputError(
            f"no pair of source and target is measured for all {len(names)} architectures: "
            + "; ".join(notes)
        )
    if len(pairs) == 1:
        notes.append(f"one pair only ({' to '.join(_named(pairs)[0])}): a profile is a single gain")
    kept = gains.set_index(["source", "target"]).loc[list(pairs)].reset_index()
    kept["rank"] = kept.groupby(["architecture", "source", "target"])["seed"].rank().astype(int)
    counts = kept.groupby(["architecture", "source", "target"])["seed"].nunique()
    seeds = counts.groupby(level="architecture").min().loc[names]
    if seeds.nunique() > 1:
        few = [str(name) for name in seeds.index[seeds == seeds.min()]]
        notes.append(
            f"from {seeds.min()} to {seeds.max()} seeds an architecture; the fewest: "
            f"{listed(few, LISTED)}"
        )

    def matrix(part: pd.DataFrame, of: list[str]) -> Values:
        means = part.pivot_table(index="architecture", columns=["source", "target"], values="gain")
        return means.loc[of, list(pairs)].to_numpy(np.float64)

    halves, repeated = None, [name for name in names if seeds[name] >= 2]
    if len(repeated) >= FEWEST:
        odd = kept["rank"] % 2 == 1
        halves = (matrix(kept[odd], repeated), matrix(kept[~odd], repeated))
    return GainProfiles(
        tuple(map(str, names)),
        tuple(_named(pairs)),
        matrix(kept, names),
        tuple(int(count) for count in seeds),
        halves,
        tuple(notes),
    )


def _chosen(rows: pd.DataFrame, stem: str, control: str, where: Mapping[str, str]) -> pd.DataFrame:
    """The rows of the one setting that has the stem and the control."""
    rows = _where(rows, where)
    for what, name in (("stem", stem), ("control", control)):
        check_known(what, name, list(dict.fromkeys(rows["stem"])))
    if stem == control:
        raise InputError(f"stem and control are both {stem}; they must be two")
    rows = rows[rows["stem"].isin([stem, control])]
    if cross_domain(rows).empty:
        raise InputError(
            "all rows are of domains that were trained on; gains are of others, so measure some"
        )
    rows = _with_both(rows, stem, control)
    several = [name for name in varied(rows) if rows[name].nunique() > 1]
    if several:
        values = "; ".join(
            f"{name}: {', '.join(map(str, dict.fromkeys(rows[name])))}" for name in several
        )
        example = f"{several[0]}={next(iter(rows[several[0]]))}"
        raise InputError(
            f"the rows are of several settings, which are never averaged ({values}); choose one, "
            f"as with --where {example}"
        )
    return rows


def _where(rows: pd.DataFrame, where: Mapping[str, str]) -> pd.DataFrame:
    """The rows that count, as :func:`nasneurn.analysis.cells.designs` has them.

    A value may be one of the rows as they are, such as the tag of pretrained weights, or as designs
    have it. Where stems stand is only known of the latter, since no stem stands everywhere.
    """
    later = {}
    for column, given in where.items():
        value = str(given)
        check_known("column to choose rows by", column, sorted(map(str, rows.columns)))
        if column == "placement" or value not in set(rows[column].astype(str)):
            later[column] = value
        else:
            rows = _holding(rows, column, value)
    # Found architectures keep their names: distances are between networks, not between spaces.
    named = designs(rows.assign(named=rows["architecture"]))
    rows = named.assign(architecture=named["named"]).drop(columns="named")
    for column, value in later.items():
        rows = _holding(rows, column, value)
    return rows


def _holding(rows: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    held = rows[column].astype(str)
    check_known(f"{column} to choose rows by", value, sorted(set(held)))
    return rows[held == value]


def _with_both(rows: pd.DataFrame, stem: str, control: str) -> pd.DataFrame:
    """The rows of the settings that have the stem and the control: of others there is no gain."""
    names = varied(rows)
    if not names:
        return rows
    both = rows.groupby(names, dropna=False)["stem"].transform("nunique") == 2
    if not both.any():
        told = []
        for name in (stem, control):
            known = rows.loc[rows["stem"] == name, names].drop_duplicates()
            each = [
                " ".join(f"{key}={value}" for key, value in zip(names, one, strict=True))
                for one in known.itertuples(index=False)
            ]
            told.append(f"{name}: {listed(each, LISTED)}")
        raise InputError(
            f"no setting has rows with {stem} and with {control} ({'; '.join(told)}); a gain is "
            "within one setting"
        )
    return rows[both]


def _unpaired(wide: pd.DataFrame, stem: str, control: str) -> list[str]:
    """What is named of the cases that lack the stem or the control."""
    notes = []
    for lacking, other in ((stem, control), (control, stem)):
        gone = wide.index[wide[lacking].isna() & wide[other].notna()].to_frame(index=False)
        told = []
        for _, few in gone.groupby(["architecture", "source"], sort=False):
            seeds = sorted(set(few["seed"]))
            numbers = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
            told.append(f"{few['architecture'].iloc[0]} from {few['source'].iloc[0]}, {numbers}")
        if told:
            notes.append(f"without {lacking}, so left out: {listed(told, LISTED)}")
    return notes


def _dropped_pairs(table: pd.DataFrame) -> list[str]:
    """What is named of the pairs that some architectures lack."""
    gone = table.loc[:, table.isna().any(axis=0)]
    if gone.empty or not len(gone.columns):
        return []
    lacking = [str(name) for name in gone.index[gone.isna().any(axis=1)]]
    told = [f"{source} to {target}" for source, target in _named(gone.columns)]
    return [
        f"pairs left out, since not all have them: {listed(told, LISTED)}; lacking: "
        f"{listed(lacking, LISTED)}"
    ]


def _named(pairs: "pd.Index[Any]") -> list[tuple[str, str]]:
    return [(str(pair[0]), str(pair[1])) for pair in pairs]
