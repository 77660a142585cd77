"""All that a report shows of one study, as plain data; made from its rows and its folder."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from nasneurn.analysis.chance import chance_note
from nasneurn.files import reading
from nasneurn.report.figure_captions import caption_of, title_of
from nasneurn.report.headline import headline
from nasneurn.report.remake import draw_study
from nasneurn.report.study_facts import facts_of, missing_of, rows_of_study
from nasneurn.report.tables import ReportTable, tables
from nasneurn.rows import read_rows
from nasneurn.studies.config import StudyConfig
from nasneurn.studies.folder import TABLES, Study

#: Longer tables of a diagnosis are given to download alone.
MOST_SHOWN = 300
#: As do more rows than these; a browser gets slow.
MOST_ROWS = 2000

#: Digits after the point in the rows that are shown.
DIGITS = 4

#: Columns of the rows that few will read; they are in the table with all columns.
HIDDEN = frozenset({"training", "applied_stem", "choices", "input_mean", "input_std", "commit"})


@dataclass(frozen=True)
class ShownTable:
    """A table of the page; what is shown is what its CSV holds, cell by cell."""

    name: str
    table: ReportTable
    file: str
    shown: bool = True

    @property
    def title(self) -> str:
        """Its heading."""
        return title_of(self.name)

    @cached_property
    def csv(self) -> str:
        """The whole table."""
        return self.table.frame.to_csv(index=False, lineterminator="\n")

    @cached_property
    def lines(self) -> list[list[str]]:
        """Headings, then cells."""
        return list(csv.reader(io.StringIO(self.csv, newline="")))

    @cached_property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers."""
        return [pd.api.types.is_numeric_dtype(kind) for kind in self.table.frame.dtypes]


@dataclass(frozen=True)
class ShownFigure:
    """A figure of the page."""

    name: str
    caption: str
    command: str
    png: bytes

    @property
    def title(self) -> str:
        """Its heading."""
        return title_of(self.name)


@dataclass(frozen=True)
class StudyContent:
    """What a report shows of a study.

    Attributes:
        name: its folder.
        suite: the name of its suite.
        headline: sentences.
        missing: what is not done or failed; empty where the study is finished.
        facts: what was run, a value by what it is.
        configuration: the text of its config.yaml.
        tables, figures: of the study.
        diagnosis_tables, diagnosis_figures: of the folder ``diagnosis``.
        rows: the columns of its rows in which they differ, and the whole to download.
    """

    name: str
    suite: str
    headline: list[str]
    missing: list[str]
    facts: dict[str, str]
    configuration: str
    tables: list[ShownTable] = field(default_factory=list)
    figures: list[ShownFigure] = field(default_factory=list)
    diagnosis_tables: list[ShownTable] = field(default_factory=list)
    diagnosis_figures: list[ShownFigure] = field(default_factory=list)
    rows: list[ShownTable] = field(default_factory=list)


def content_of(
    study: Study, config: StudyConfig, *, trust_code: bool = False, figures: bool = True
) -> StudyContent:
    """Gather what a report shows of a study; nothing is trained, and its folder is not touched.

    Raises:
        InputError: a table of the study is damaged.
    """
    rows = rows_of_study(study, config, trust_code)
    made = tables(rows)
    diagnosis = study.folder / "diagnosis"
    drawn = list(_figures(study, rows)) if figures and len(rows) else []
    inside = list(_pictures(diagnosis, f"nasneurn diagnose {study.folder}", "")) if figures else []
    return StudyContent(
        name=str(study.folder),
        suite=config.suite_name,
        headline=headline(rows, made),
        missing=missing_of(study, config, trust_code),
        facts=facts_of(study, config, rows),
        configuration=study.config_path.read_text(encoding="utf-8"),
        tables=[
            *(ShownTable(name, table, f"{name}.csv") for name, table in made.items()),
            *_other_tables(study.folder / "tables", {*made, "captions"}),
        ],
        figures=drawn,
        diagnosis_tables=list(_other_tables(diagnosis / "tables", set())),
        diagnosis_figures=inside,
        rows=list(_rows(study, rows)),
    )


def _figures(study: Study, rows: pd.DataFrame) -> Iterator[ShownFigure]:
    """Those that the rows give, drawn anew, and what else lies in the folder's figures."""
    command, note = f"nasneurn figures {study.folder}", chance_note(rows)
    with TemporaryDirectory() as folder:
        paths = draw_study(study, rows, Path(folder))
        yield from (_figure(path, command, note) for path in paths)
    names = {path.stem for path in paths}
    for figure in _pictures(study.folder, "", note):
        if figure.name not in names:
            yield figure


def _pictures(folder: Path, command: str, note: str) -> Iterator[ShownFigure]:
    for path in sorted((folder / "figures").glob("*.png")):
        yield _figure(path, command, note)


def _figure(path: Path, command: str, note: str) -> ShownFigure:
    told = caption_of(path.stem)
    caption = f"{told} Caution, {note}." if note else told
    with reading(path):
        return ShownFigure(path.stem, caption, command, path.read_bytes())


def _other_tables(folder: Path, known: set[str]) -> Iterator[ShownTable]:
    """The CSV tables of a folder that are not known from the rows."""
    for path in sorted(folder.glob("*.csv")):
        if path.stem in known:
            continue
        frame = read_rows(path)
        table = ReportTable(f"{title_of(path.stem)}, with numbers in full.", frame)
        yield ShownTable(path.stem, table, path.name, shown=len(frame) <= MOST_SHOWN)


def _rows(study: Study, rows: pd.DataFrame) -> Iterator[ShownTable]:
    if len(rows):
        varied = [name for name in rows if rows[name].nunique(dropna=False) > 1]
        few = rows[[name for name in varied if name not in HIDDEN] or list(rows)]
        about = "A row for each training and target: the columns in which rows differ, rounded."
        few = few.round(DIGITS)
        yield ShownTable("rows", ReportTable(about, few), "rows.csv", len(few) <= MOST_ROWS)
        whole = ReportTable("The same rows with all columns.", rows)
        yield ShownTable("all_columns", whole, "accuracy.csv", shown=False)
    for name in TABLES:
        if name != "accuracy" and study.has(name):
            frame = read_rows(study.table_path(name))
            about = f"{len(frame)} rows of {name}.csv."
            yield ShownTable(name, ReportTable(about, frame), f"{name}.csv", shown=False)
