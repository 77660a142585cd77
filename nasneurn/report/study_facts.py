"""What was run, and how much of it is done: the facts of a study for its report."""

from collections.abc import Sequence
from shlex import quote

import pandas as pd

from nasneurn.configuration import read_yaml
from nasneurn.errors import listed
from nasneurn.progress import duration
from nasneurn.rows import ACCURACY, NUMBERS
from nasneurn.studies.config import StudyConfig
from nasneurn.studies.folder import Study
from nasneurn.studies.units import Unit
from nasneurn.training.protocol import protocol_label

#: So many units that are missing are named.
NAMED = 5
#: And so many networks.
NETWORKS = 12

#: Columns of the rows that say on what they were computed.
_COMPUTED = {"device": "device", "torch": "torch", "nasneurn": "nasneurn", "commit": "commit"}


def missing_of(study: Study, config: StudyConfig, trust_code: bool = False) -> list[str]:
    """What is not done, a sentence each; nothing where the study is finished."""
    outcomes = study.store.outcomes()
    if config.code and not trust_code:
        count = len(outcomes.failed)
        return [f"Not complete: {count} failed."] * (count > 0) + [
            "Perhaps not finished: to know that takes the code which the study names "
            f"({', '.join(config.code)}); --trust-code imports it."
        ]
    units = config.units(outcomes)
    failed = [unit for unit in units if unit.identity in outcomes.failed]
    left = [unit for unit in units if unit.identity not in {*outcomes.done, *outcomes.failed}]
    told = []
    if left:
        told.append(f"Not finished: {len(left)} of {len(units)} are not done: {_titles(left)}.")
    if failed:
        told.append(f"Not complete: {len(failed)} of {len(units)} failed: {_titles(failed)}.")
    return told


def _titles(units: Sequence[Unit]) -> str:
    named = "; ".join(unit.title for unit in units[:NAMED])
    return named if len(units) <= NAMED else f"{named}; and {len(units) - NAMED} more"


def rows_of_study(study: Study, config: StudyConfig, trust_code: bool = False) -> pd.DataFrame:
    """The rows of what is finished, also while the study runs and has no table yet."""
    rows = study.accuracy if study.has("accuracy") else pd.DataFrame(columns=list(ACCURACY))
    if config.code and not trust_code:
        return rows
    outcomes = study.store.outcomes()
    stored = outcomes.rows("accuracy", [unit.identity for unit in config.units(outcomes)])
    if len(stored) <= len(rows):
        return rows
    further = dict.fromkeys(key for row in stored for key in row if key not in ACCURACY)
    table = pd.DataFrame(stored, columns=[*ACCURACY, *further])
    for name in table:
        if name in NUMBERS:
            table[name] = pd.to_numeric(table[name])
        else:
            table[name] = table[name].fillna("").astype(str)
    return table


def facts_of(study: Study, config: StudyConfig, rows: pd.DataFrame) -> dict[str, str]:
    """What was run: a value by what it is, in the order in which a reader wants them."""
    environment = read_yaml(study.config_path).get("environment")
    planned = environment if isinstance(environment, dict) else {}
    facts = {
        "kind": config.kind,
        "suite": f"{config.suite_name}, images of {config.image_size} pixels",
        "sources": ", ".join(_planned(config, "sources")),
        "targets": ", ".join(config.targets),
        "stems": ", ".join(_planned(config, "stems")),
        "placements": ", ".join(_planned(config, "placements")),
        "algorithms": ", ".join(_planned(config, "algorithms")),
        "networks": _networks(study, rows),
        "weights": ", ".join(_values(rows, "weights")),
        "seeds": ", ".join(_planned(config, "seeds")),
        "protocol": protocol_label(config.budget, config.protocol),
        "precision": config.precision,
        "adaptation": "; ".join(_values(rows, "adaptation")),
        "trainings": str(rows["training"].nunique()) if "training" in rows else "",
        "training time": _time(rows) + (", without supernets" if "search" in config.kind else ""),
        **{word: ", ".join(_values(rows, name)) for name, word in _COMPUTED.items()},
        "planned with": ", ".join(f"{name} {version}" for name, version in planned.items()),
        "again": f"nasneurn {config.kind} --config {quote(str(study.config_path))} --out FOLDER"
        + config.trusting,
    }
    return {name: value for name, value in facts.items() if value}


def _planned(config: StudyConfig, axis: str) -> list[str]:
    """What a study has on an axis, those of the grids that ``--extend`` added too."""
    grids = getattr(config, "grids", (config,))
    return list(dict.fromkeys(str(one) for grid in grids for one in getattr(grid, axis, ())))


def _values(rows: pd.DataFrame, column: str) -> list[str]:
    if column not in rows:
        return []
    return [value for value in dict.fromkeys(map(str, rows[column])) if value not in ("", "nan")]


def _networks(study: Study, rows: pd.DataFrame) -> str:
    """The networks by name; those that the study found in words, of which there are commas."""
    words = study.words
    named = [words.get(name, name) for name in _values(rows, "architecture")]
    if not words:
        return listed(named, NETWORKS)
    more = len(named) - NETWORKS
    return "; ".join([*named[:NETWORKS], *([f"{more} more"] if more > 0 else [])])


def _time(rows: pd.DataFrame) -> str:
    """The seconds of all trainings, which may have run at the same time."""
    if not {"training", "seconds"} <= set(rows) or rows.empty:
        return ""
    total = rows.groupby("training", sort=False)["seconds"].first().sum()
    return f"{duration(float(total))} in all trainings together"
