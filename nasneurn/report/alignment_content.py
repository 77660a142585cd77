"""All that a report shows of an alignment, from the files of its folder."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from alignment.errors import AlignmentError
from alignment.options import Options
from alignment.pictures import CAPTIONS
from alignment.presets import default_preset, nearest_preset, preset_options
from nasneurn.configuration import read_yaml
from nasneurn.errors import InputError, listed
from nasneurn.report.content import MOST_SHOWN, Content, ShownFigure, ShownTable, picture
from nasneurn.report.tables import ReportTable
from nasneurn.rows import read_rows

#: What each table holds, in the order of the page.
TABLES = {
    "representatives": "Who stands for whom: a row for each architecture, group by group, the "
    "nearest first. Stability is the share of other settings under which the same is chosen.",
    "nearest": "The known architectures that are most like each one that a search found.",
    "published_rule": "What each part of the paper's way of counting layers is worth.",
    "fidelity": "How near other options come to the published similarities.",
    "settings": "What other settings change, one at a time: the order of the pairs (Kendall's "
    "tau), how often the nearest is of the own family, and who is chosen.",
    "silhouette": "How well the architectures fall into so many groups.",
    "tokens": "The architectures as sequences of tokens.",
    "published": "Each pair beside its published similarity.",
    "null": "Each pair's score beside those of shuffled sequences.",
    "similarity": "The similarity of each pair.",
    "scores": "The score of each pair.",
}
#: Tables that are too wide to be shown; they are to download.
WIDE = frozenset({"tokens", "similarity", "scores"})
#: What of ``tokens`` is shown.
LENGTHS = "How long they are in tokens, with parameters and multiply-adds."
SIZES = ["name", "family", "length", "params", "flops"]

#: Columns with names and words; what else looks like a number is one.
WORDS = frozenset(
    {
        "representative", "medoid", "member", "name", "family", "found", "nearest", "changed",
        "representatives", "networks", "normalization", "similarity", "change", "a", "b", "one",
        "other",
    }
)  # fmt: skip

#: So many architectures are named.
NAMED = 12

#: Options of the command that have another name there.
_CALLED = {"normalization": "normalize"}


def alignment_content(folder: Path, *, figures: bool = True) -> Content:
    """Gather what a report shows of an alignment; nothing is computed or drawn.

    Args:
        folder: of ``nasneurn align``.
        figures: also read its figures.

    Raises:
        InputError: the configuration or a table is damaged.
    """
    path = folder / "config.yaml"
    config = read_yaml(path)
    try:
        options, command = _options(config)
    except (AlignmentError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not the options of an alignment ({error})") from None
    tables = dict(_tables(folder))
    environment = config.get("environment")
    versions = environment if isinstance(environment, dict) else {}
    if "published" in tables:
        printed = tables["published"].columns[2:3].str.startswith("the published").any()
        command += f" --compare {'published' if printed else 'FILE'}"
    drawn = list(_figures(folder, f"{command} --out {shlex.quote(str(folder))}")) if figures else []
    return Content(
        name=str(folder),
        suite="",
        headline=list(_headline(tables)),
        missing=[],
        facts={
            "kind": "alignment",
            "architectures": _names(tables, config["models"]),
            "compared by": options.words(),
            "made with": ", ".join(f"{name} {version}" for name, version in versions.items()),
            "again": f"{command} --out FOLDER",
        },
        configuration=path.read_text(encoding="utf-8"),
        tables=list(_shown(tables)),
        figures=drawn,
    )


def _options(config: Mapping[str, Any]) -> tuple[Options, str]:
    """The options of a configuration, and the command that they come from."""
    models, plain = config.get("models"), config.get("options")
    if not isinstance(models, list) or not isinstance(plain, dict):
        raise ValueError("models or options are missing")
    words = [str(model) for model in models]
    usual = default_preset(words)
    preset, changes = nearest_preset(plain, usual)
    options = preset_options(preset, changes)
    options.check()
    command = ["nasneurn", "align", "--models", ",".join(words)]
    command += [] if preset == usual else ["--preset", preset]
    for name, value in changes.items():
        command += [f"--{_CALLED.get(name, name).replace('_', '-')}", str(value)]
    if config.get("order") not in (None, "published" if preset == "paper" else "clustered"):
        command += ["--order", str(config["order"])]
    command += ["--support"] if "support" in config else []
    command += ["--shuffles", str(config["shuffles"])] if "shuffles" in config else []
    return options, shlex.join(command)


def _tables(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    for name in TABLES:
        path = folder / f"{name}.csv"
        if path.exists():
            yield name, read_rows(path)


def _shown(tables: Mapping[str, pd.DataFrame]) -> Iterator[ShownTable]:
    if "tokens" in tables and set(SIZES) <= set(tables["tokens"]):
        yield _table("architectures", LENGTHS, tables["tokens"][SIZES])
    for name, frame in tables.items():
        yield _table(name, TABLES[name], frame)


def _table(name: str, about: str, frame: pd.DataFrame) -> ShownTable:
    if name in WIDE:
        return ShownTable(name, ReportTable(about, frame), f"{name}.csv", shown=False)
    table = ReportTable(about, _with_numbers(frame).rename(columns=_without_options))
    return ShownTable(name, table, f"{name}.csv", shown=len(frame) <= MOST_SHOWN)


def _without_options(heading: str) -> str:
    """A heading without the options in its brackets, which the facts name.

    >>> _without_options("similarity (mean; layer; match 1)")
    'similarity'
    """
    return re.sub(r"(; ours is)? \(.*\)$", "", heading)


def _with_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """The same, with numbers where all of a column are some; names stay text."""
    found = frame.copy()
    for column in frame.columns.difference(list(WORDS)):
        read = pd.to_numeric(frame[column], errors="coerce")
        if read.notna().any() and (read.notna() | (frame[column] == "")).all():
            found[column] = read
    return found


def _names(tables: Mapping[str, pd.DataFrame], words: object) -> str:
    """The architectures, or what named them where no table is left."""
    if "tokens" not in tables or "name" not in tables["tokens"]:
        return listed(map(str, words if isinstance(words, list) else ()), NAMED)
    names = list(map(str, tables["tokens"]["name"]))
    return f"{len(names)}: {listed(names, NAMED)}"


def _headline(tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """Who stands for whom, and how near the similarities come to published ones."""
    members = tables.get("representatives")
    if members is not None and {"representative", "size"} <= set(members):
        chosen = members.drop_duplicates("representative")
        names = zip(chosen["representative"], chosen["size"], strict=True)
        told = ", ".join(f"{name} (for {size})" for name, size in names)
        yield f"{len(chosen)} of {len(members)} architectures stand for all: {told}."
    pairs = tables.get("published")
    if pairs is not None and pairs.shape[1] > 2:
        published = pd.to_numeric(pairs.iloc[:, 2], errors="coerce")
        for name in (one for one in map(str, pairs) if one.startswith("ours, ")):
            r = published.corr(pd.to_numeric(pairs[name], errors="coerce"))
            way = name.removeprefix("ours, ")
            yield (
                f"Over {len(pairs)} pairs its similarities correlate with the published: "
                f"r = {r:.3f} ({way})."
            )


def _figures(folder: Path, command: str) -> Iterator[ShownFigure]:
    for name in CAPTIONS:  # which are in the order of the page
        path = folder / f"{name}.png"
        if path.exists():
            yield picture(path, command)
