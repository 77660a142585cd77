"""Tables as CSV files, each whole or not there."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from nasneurn.files import written_atomically


def write_csv_files(
    tables: Mapping[str, pd.DataFrame], folder: Path, float_format: str | None = None
) -> None:
    """Write each table as ``NAME.csv`` into a folder; numbers in full unless a format is given.

    Raises:
        InputError: a file cannot be written.
    """
    for name, table in tables.items():
        with written_atomically(folder / f"{name}.csv") as draft:
            table.to_csv(draft, index=False, float_format=float_format)
