"""Which rows are alike: settings, cells, trainings, and domains seen or not.

A *cell* is an architecture on a source. The seeds of a cell are alike, and the targets of a
training share its network. A *setting* is all that must be equal for two accuracies to be of one
kind: weights, algorithm, protocol and so on. Rows of different settings are never averaged.

The selection is one where it is an oracle's. All other rows of one protocol have one selection, and
old rows do not name it.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from nasneurn.rows import sources

#: What makes two rows of one setting the same case but for what is compared.
CASE = ("architecture", "source", "target", "seed")
#: What makes two rows those of one cell.
CELL = ("architecture", "source")
#: What names a supernet, in tables of its architectures.
SUPERNET = ("space", "source", "stem", "seed")
#: Columns whose values are never mixed.
SETTINGS = (
    "suite", "protocol", "scaling", "selection", "weights", "placement", "algorithm", "stem",
)  # fmt: skip
#: The selection that looks at targets; a table of such rows says so.
ORACLE = "oracle"
#: Where stems stand in rows that do not say so.
FRONT = "front"
#: The stem that does nothing, which stands in front alone.
NO_STEM = "none"

#: A search that chooses its stem has two columns for it; each can be compared.
_STEMS = ("stem", "applied_stem")


def cross_domain(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose target is not among their sources."""
    return rows[~_seen(rows)]


def same_domain(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose target is among their sources: test images of a domain that was learned."""
    return rows[_seen(rows)]


def _seen(rows: pd.DataFrame) -> "pd.Series[bool]":
    domains = {source: sources(source) for source in set(rows["source"])}
    seen = [
        target in domains[source]
        for source, target in zip(rows["source"], rows["target"], strict=True)
    ]
    return pd.Series(seen, index=rows.index, dtype=bool)


def designs(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with what designs have in common in the place of what is each one's own.

    Pretrained weights are ``pretrained``, without the tags that differ from network to network.

    A search finds an architecture for each source, stem and seed, ``spos/mnist-neurn-0``; what its
    stems have in common, and are compared by, is the space. One that stands under several stems,
    sources or seeds, as in a study of its own, keeps its name.

    Rows without a stem stand beside those of every placement.
    """
    rows = _everywhere(in_front(_pretrained(rows)))
    if not {"architecture", "source", "stem", "seed"} <= set(rows):
        return rows
    spaces: dict[str, str] = {}
    own = rows[["architecture", "source", "stem", "seed"]].drop_duplicates()
    for name, few in own.groupby("architecture", sort=False):
        source, stem, seed = few.iloc[0][["source", "stem", "seed"]]
        space, found, rest = str(name).rpartition(f"/{source}-{stem}-{seed}")
        if len(few) == 1 and found and not rest:
            spaces[str(name)] = space
    return rows.assign(architecture=rows["architecture"].replace(spaces)) if spaces else rows


def _pretrained(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows without the tags of pretrained weights, unless a network has those of two tags."""
    if not {"architecture", "weights"} <= set(rows):
        return rows
    tagged = rows["weights"].astype(str).str.startswith("pretrained:")
    tags = rows[tagged].groupby("architecture")["weights"].nunique()
    if tags.empty or tags.max() > 1:
        return rows
    return rows.assign(weights=rows["weights"].mask(tagged, "pretrained"))


def in_front(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a placement in each where any says one."""
    if "placement" not in rows:
        return rows
    return rows.assign(placement=rows["placement"].fillna("").replace("", FRONT))


def _everywhere(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with those of no stem, which is the same everywhere, for each placement.

    Other settings are those that the placement has.
    """
    if not {"placement", "stem"} <= set(rows):
        return rows
    bare = rows["stem"] == NO_STEM
    plain = rows[bare & (rows["placement"] == FRONT)].drop(columns="placement")
    there = set(rows.loc[bare, "placement"])
    parts = [rows]
    for placement in dict.fromkeys(rows["placement"]):
        if placement not in there:
            own = [name for name in SETTINGS if name in plain and name != "stem"]
            known = rows.loc[rows["placement"] == placement, own].drop_duplicates()
            alike = plain.merge(known, on=own) if own else plain
            parts.append(alike.assign(placement=placement)[list(rows)])
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else rows


def settings(rows: pd.DataFrame, factor: str = "stem") -> list[str]:
    """The columns of :data:`SETTINGS` that ``rows`` have, but for the one that is compared."""
    passed = {*(_STEMS if factor in _STEMS else (factor,))}
    if not by_oracle(rows):
        passed.add("selection")
    if "placement" in rows and set(in_front(rows)["placement"]) == {FRONT}:
        passed.add("placement")
    return [name for name in SETTINGS if name in rows and name not in passed]


def by_oracle(rows: pd.DataFrame) -> bool:
    """Whether some of the rows are of weights that were selected on target images."""
    return "selection" in rows and ORACLE in set(rows["selection"])


def varied(rows: pd.DataFrame, factor: str = "stem") -> list[str]:
    """Those of :func:`settings` that have several values: they are columns of every table.

    So is the selection where it is an oracle's, of all rows or of some.
    """
    names = settings(rows, factor)
    return [name for name in names if name == "selection" or rows[name].nunique() > 1]


def with_settings(rows: pd.DataFrame, column: str, names: Sequence[str]) -> pd.DataFrame:
    """The rows with their values of some settings after those of a column.

    >>> rows = pd.DataFrame({"variant": ["k = 5"], "algorithm": ["ema"]})
    >>> with_settings(rows, "variant", ["algorithm"])["variant"].tolist()
    ['k = 5 (ema)']
    """
    if not names:
        return rows
    told = rows[list(names)].fillna("").astype(str).agg(", ".join, axis=1)
    return rows.assign(**{column: rows[column].astype(str) + " (" + told + ")"})


def split(rows: pd.DataFrame, factor: str = "stem") -> list[tuple[dict[str, str], pd.DataFrame]]:
    """The rows of each setting, and what that setting has of its own.

    >>> rows = pd.DataFrame({"stem": ["none", "none"], "weights": ["scratch", "inherited"]})
    >>> [(own, len(part)) for own, part in split(rows)]
    [({'weights': 'scratch'}, 1), ({'weights': 'inherited'}, 1)]
    """
    names = varied(rows, factor)
    if not names:
        return [({}, rows)]
    parts = []
    for values, part in rows.groupby(names, sort=False, dropna=False):
        parts.append((dict(zip(names, map(str, values), strict=True)), part))
    return parts


def of_setting(rows: pd.DataFrame, own: Mapping[str, str]) -> pd.DataFrame:
    """The rows of a setting, by what :func:`split` says of it; columns may lack.

    >>> of_setting(pd.DataFrame({"weights": ["scratch", "inherited"]}), {"weights": "scratch"})
       weights
    0  scratch
    """
    for name, value in own.items():
        if name in rows:
            rows = rows[rows[name].astype(str) == value]
    return rows


def levels(rows: pd.DataFrame, factor: str = "stem", control: str = "none") -> list[str]:
    """The values of what is compared, in the order of the rows, the control first."""
    found = list(dict.fromkeys(rows[factor]))
    return sorted(found, key=lambda level: level != control)


def mean_over(rows: pd.DataFrame, keys: list[str], value: str = "accuracy") -> "pd.Series[float]":
    """Mean by ``keys``, of the means of cells, of the means of their trainings, of their targets.

    So each cell has one vote, whatever the number of its seeds and targets.
    """
    cell = list(dict.fromkeys([*keys, *CELL]))
    training = list(dict.fromkeys([*cell, "seed"]))
    means = rows.groupby(training, sort=False)[value].mean()
    means = means.groupby(level=cell, sort=False).mean()
    return means.groupby(level=keys, sort=False).mean()
