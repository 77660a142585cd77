"""What a report shows of one folder of results, as plain data."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from nasneurn.files import reading
from nasneurn.report.figure_captions import full_caption, title_of
from nasneurn.report.tables import ReportTable

#: Longer tables are given to download alone.
MOST_SHOWN = 300


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
class Content:
    """What a report shows of a study, or of an alignment.

    Attributes:
        name: its folder.
        suite: the name of its suite; of an alignment there is none.
        headline: sentences.
        missing: what is not done or failed; empty where the study is finished.
        facts: what was run, a value by what it is.
        configuration: the text of its config.yaml.
        tables, figures: of the folder.
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


def picture(path: Path, command: str, note: str = "") -> ShownFigure:
    """The figure of a PNG file, with what it shows, and a caution if there is one."""
    with reading(path):
        return ShownFigure(path.stem, full_caption(path.stem, note), command, path.read_bytes())


def pictures(folder: Path, command: str, note: str = "") -> Iterator[ShownFigure]:
    """Those of all PNG files in a folder's ``figures``."""
    for path in sorted((folder / "figures").glob("*.png")):
        yield picture(path, command, note)
