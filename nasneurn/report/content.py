"""What a report shows of one folder of results, as plain data."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import pandas as pd

from nasneurn.errors import InputError
from nasneurn.files import opened, reading
from nasneurn.report.figure_captions import Note, full_caption, title_of
from nasneurn.report.tables import ReportTable

#: Longer tables are given to download alone.
MOST_SHOWN = 300
#: How every PNG file begins.
_PNG = b"\x89PNG\r\n\x1a\n"

#: Columns whose numbers are rounded to significant digits, by their names.
SIGNIFICANT = re.compile(r"(^|[_ ])p($|[_ ])|^critical_difference$")

#: Numbers with more digits after the point are numbers in full.
MOST_DIGITS = 4


@dataclass(frozen=True)
class ShownTable:
    """A table of the page; what is shown is what its CSV holds, cell by cell, but for zeros."""

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
        """The whole table, with its numbers as they are."""
        return self.table.frame.to_csv(index=False, lineterminator="\n")

    @cached_property
    def lines(self) -> list[list[str]]:
        """Headings, then cells as they are shown: the numbers of a column with the same digits."""
        heading, *rows = csv.reader(io.StringIO(self.csv, newline=""))
        columns = [
            _same_digits(name, column) if numeric else column
            for name, column, numeric in zip(
                heading, map(list, zip(*rows, strict=True)), self.numeric, strict=False
            )
        ]
        return [heading, *map(list, zip(*columns, strict=True))]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.table.frame)

    @property
    def counted(self) -> str:
        """The same in words."""
        return "1 row" if self.rows == 1 else f"{self.rows} rows"

    @cached_property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers."""
        return [pd.api.types.is_numeric_dtype(kind) for kind in self.table.frame.dtypes]


def _same_digits(name: str, cells: list[str]) -> list[str]:
    """The numbers of a column with as many digits after the point.

    Left as they are: numbers in full, and those that are rounded to significant digits.

    >>> _same_digits("mean", ["23.2", "20.64", ""]), _same_digits("p_holm", ["0.5", "0.031"])
    (['23.20', '20.64', ''], ['0.5', '0.031'])
    """
    found = [re.fullmatch(r"-?\d+(?:\.(\d+))?", cell) for cell in cells if cell]
    digits = max((len(one[1] or "") for one in found if one), default=0)
    if SIGNIFICANT.search(name) or not all(found) or not 0 < digits <= MOST_DIGITS:
        return cells
    return [f"{Decimal(cell):.{digits}f}" if cell else "" for cell in cells]


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
        name: its folder, as it was given; the page shows as much of it as tells it from others.
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
    """The figure of a PNG file, with what it shows, and a caution if there is one.

    Raises:
        InputError: it cannot be read, or is no PNG file.
    """
    with reading(path), opened(path) as file:
        png = file.read(len(_PNG))
        if png != _PNG:
            raise InputError(f"{path}: is no PNG file; remove it, or draw the figures again")
        png += file.read()
    return ShownFigure(path.stem, full_caption(path.stem, note), command, png)


def pictures(folder: Path, command: str, note: Note = lambda name: "") -> Iterator[ShownFigure]:
    """Those of all PNG files in a folder's ``figures``."""
    for path in sorted((folder / "figures").glob("*.png")):
        yield picture(path, command, note(path.stem))
