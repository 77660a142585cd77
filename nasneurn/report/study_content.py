"""All that a report shows of one study, as plain data; made from its rows and its folder."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

import pandas as pd

from nasneurn.report.content import MOST_SHOWN, Content, ShownFigure, ShownTable, picture, pictures
from nasneurn.report.figure_captions import title_of
from nasneurn.report.figures import cautions_by_name, is_of_rows
from nasneurn.report.headline import headline
from nasneurn.report.remake import draw_study
from nasneurn.report.study_facts import facts_of, missing_of, rows_of_study
from nasneurn.report.tables import ReportTable, tables
from nasneurn.rows import read_rows
from nasneurn.studies.config import StudyConfig
from nasneurn.studies.folder import TABLES, Study

#: More rows than these are given to download alone; a browser gets slow.
MOST_ROWS = 2000

#: Digits after the point in the rows that are shown.
DIGITS = 4

#: Columns of the rows that few will read; they are in the table with all columns.
HIDDEN = frozenset({"training", "applied_stem", "choices", "input_mean", "input_std", "commit"})


def study_content(
    study: Study, config: StudyConfig, *, trust_code: bool = False, figures: bool = True
) -> Content:
    """Gather what a report shows of a study; nothing is trained, and its folder is not touched.

    Raises:
        InputError: a table of the study is damaged.
    """
    rows = rows_of_study(study, config, trust_code)
    made = tables(rows)
    diagnosis = study.folder / "diagnosis"
    drawn = list(_figures(study, rows)) if figures and len(rows) else []
    command = f"nasneurn diagnose {quote(str(study.folder))}"
    inside = list(pictures(diagnosis, command)) if figures else []
    return Content(
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
    command, note = f"nasneurn figures {quote(str(study.folder))}", partial(cautions_by_name, rows)
    with TemporaryDirectory() as folder:
        paths = draw_study(study, rows, Path(folder))
        yield from (picture(path, command, note(path.stem)) for path in paths)
    yield from (one for one in pictures(study.folder, "", note) if not is_of_rows(one.name))


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
            about = f"All of {name}.csv."
            yield ShownTable(name, ReportTable(about, frame), f"{name}.csv", shown=False)
