"""The folder of a study: its configuration, its store, and the tables made from that."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignment.outputs import KIND as ALIGNMENT
from nasneurn.configuration import read_yaml
from nasneurn.errors import InputError
from nasneurn.files import written_atomically
from nasneurn.networks.found import FoundArchitecture, read_found, write_found
from nasneurn.rows import (
    ACCURACY,
    CLASSES,
    CONTROL,
    EVOLUTION,
    FAILURES,
    HISTORY,
    NUMBERS,
    QUALITY,
    read_rows,
)
from nasneurn.studies.config import StudyConfig
from nasneurn.studies.locks import Locks
from nasneurn.studies.saved import predictions_path, read_predictions
from nasneurn.studies.store import Outcomes, Store
from nasneurn.studies.training_unit import Training

if TYPE_CHECKING:
    import pandas as pd

#: Seconds for which a process waits until another one has written.
PATIENCE = 120.0
#: The tables of a study by the name that units give them, with the columns that come first.
TABLES: Mapping[str, tuple[str, ...]] = {
    "accuracy": ACCURACY,
    "history": HISTORY,
    "classes": CLASSES,
    "evolution": EVOLUTION,
    "quality": QUALITY,
    "control": CONTROL,
}

#: The kind of a search whose quality is measured.
MEASURED = "search-quality"


class Study:
    """What a folder holds of a study, as files and as DataFrames.

    ``config.yaml`` is all that is needed to run it again; ``store/`` holds what finished units
    gave, as JSON lines; ``state/`` what unfinished ones keep, and the locks; ``found/`` the weights
    that found architectures inherit. Made from the store: ``accuracy.csv`` (and ``.parquet``), a
    row for each training and target; ``classes.csv``, a row for each class of these;
    ``history.csv``, a row for each epoch; ``failures.csv``; of a search ``evolution.csv``, a row
    for each candidate, and ``architecture.json``, what was found; ``tables/`` and ``figures/``.
    ``unplanned.csv`` has the rows of finished trainings that the configuration does not have.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.store = Store(self.folder / "store")
        self.locks = Locks(self.folder / "state" / "locks")
        self._writing = Locks(self.folder / "state" / "writing")

    def __repr__(self) -> str:
        if not self.config_path.is_file():
            return f"Study({str(self.folder)!r}, not begun)"
        outcomes = self.store.outcomes()
        return (
            f"Study({str(self.folder)!r}, {len(outcomes.done)} units done, "
            f"{len(outcomes.failed)} failed)"
        )

    @property
    def config_path(self) -> Path:
        """The configuration."""
        return self.folder / "config.yaml"

    @property
    def state(self) -> Path:
        """What unfinished units keep."""
        return self.folder / "state"

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """While it lasts no other process writes ``what``; whoever comes second waits.

        A process that writes for longer than :data:`PATIENCE` seconds is waited for no longer.
        """
        begun = time.monotonic()
        while not (taken := self._writing.take(what)) and time.monotonic() - begun < PATIENCE:
            time.sleep(0.05)
        try:
            yield
        finally:
            if taken:
                self._writing.release(what)

    def note_of(self, identity: str) -> Path:
        """Where a unit in work says how far it is."""
        return self.state / f"{identity}.progress"

    @property
    def found_path(self) -> Path:
        """The architectures found."""
        return self.folder / "architecture.json"

    @property
    def failures_path(self) -> Path:
        """The table of failures."""
        return self.folder / "failures.csv"

    def table_path(self, name: str) -> Path:
        """Where a table of :data:`TABLES` is."""
        return self.folder / f"{name}.csv"

    def has(self, name: str) -> bool:
        """Whether a table is there."""
        return self.table_path(name).is_file()

    # --- as DataFrames ---

    @property
    def accuracy(self) -> "pd.DataFrame":
        """A row for each training and target."""
        return read_rows(self.table_path("accuracy"), ACCURACY)

    @property
    def history(self) -> "pd.DataFrame":
        """A row for each training and epoch."""
        return read_rows(self.table_path("history"), HISTORY)

    @property
    def classes(self) -> "pd.DataFrame":
        """A row for each training, target and class: how many images of it are recognized."""
        return read_rows(self.table_path("classes"), CLASSES)

    def predictions(self, training: str) -> "pd.DataFrame":
        """A row for each test image, of a training whose predictions were saved.

        Args:
            training: its hash, as the tables have it.

        Raises:
            InputError: they were not.
        """
        return read_predictions(predictions_path(self.folder, training))

    @property
    def failures(self) -> "pd.DataFrame":
        """A row for each unit that failed."""
        import pandas as pd

        if not self.failures_path.is_file():
            return pd.DataFrame(columns=list(FAILURES))
        return read_rows(self.failures_path, FAILURES)

    @property
    def evolution(self) -> "pd.DataFrame":
        """Of a search, a row for each candidate.

        Raises:
            InputError: the study is no search, or has none yet.
        """
        return self._searched("evolution", EVOLUTION, "search")

    @property
    def quality(self) -> "pd.DataFrame":
        """Of a measured search, a row for each architecture trained alone.

        Raises:
            InputError: the study is no measured search, or has none yet.
        """
        return self._searched("quality", QUALITY, MEASURED)

    @property
    def control(self) -> "pd.DataFrame":
        """Of a measured search, the best score after each evaluation.

        Raises:
            InputError: as :attr:`quality`.
        """
        return self._searched("control", CONTROL, MEASURED)

    def _searched(self, name: str, columns: tuple[str, ...], wanted: str) -> "pd.DataFrame":
        """A table that searches alone have, and of these perhaps those of one kind."""
        if not self.has(name) and self.config_path.is_file():
            kind = read_yaml(self.config_path).get("kind")
            if kind not in (wanted, MEASURED):
                least = "measured search" if wanted == MEASURED else "search"
                raise InputError(f"{self.folder} holds a {kind}, no {least}: it has no {name}")
            raise InputError(
                f"{self.folder} has no {name}.csv yet; nasneurn status tells how far it is"
            )
        return read_rows(self.table_path(name), columns)

    @property
    def found(self) -> list[FoundArchitecture]:
        """Of a search, what it found; spaces named by import path are not imported by this."""
        if not self.found_path.is_file():
            return []
        return read_found(self.found_path, trust_code=True)

    @property
    def architecture_records(self) -> list[dict[str, Any]]:
        """What the configuration says of each architecture of its grids; nothing is imported."""
        written = read_yaml(self.config_path) if self.config_path.is_file() else {}
        grids = [written, *_records(written, "further")]
        return [one for grid in grids for one in _records(grid, "architectures")]

    @property
    def words(self) -> dict[str, str]:
        """What people read in place of the names of found architectures, found or trained here."""
        named = self.architecture_records
        records = [one["found"] for one in named if isinstance(one.get("found"), dict)]
        trained = [FoundArchitecture.checked(**record) for record in records]
        return {one.name: one.words for one in (*trained, *self.found)}

    # --- from the store ---

    def gather(self, config: StudyConfig, outcomes: Outcomes) -> None:
        """Write the tables of the finished units of ``config``, in the order of its units."""
        units = config.units(outcomes)
        identities = [unit.identity for unit in units]
        derived = config.derived(outcomes)
        called = {unit.identity: unit.way for unit in units if isinstance(unit, Training)}
        for name, columns in TABLES.items():
            rows = derived.get(name) or outcomes.rows(name, identities)
            if name == "accuracy":  # what a protocol is called may have changed since
                rows = [{**row, **called.get(str(row.get("training")), {})} for row in rows]
            if rows or name in ("accuracy", "history") or self.has(name):
                self._write(name, rows, columns)
        found = outcomes.rows("found", identities)
        if found:
            write_found(self.found_path, [FoundArchitecture.checked(**row) for row in found])
        failures = [
            {**unit.columns, "error": outcomes.failed[unit.identity]["error"]}
            for unit in units
            if unit.identity in outcomes.failed
        ]
        if failures or self.failures_path.exists():
            self._write("failures", failures, FAILURES)
        others = outcomes.rows("accuracy", [*(outcomes.done.keys() - set(identities))])
        if others or self.has("unplanned"):
            self._write("unplanned", others, ACCURACY)
        if others:
            count = len({row.get("training") for row in others})
            print(
                f"nasneurn: {self.folder}: {count} finished trainings are not of this study as it "
                f"is now (of other images or another version); {self.table_path('unplanned')} "
                "has their rows",
                file=sys.stderr,
            )

    def _write(self, name: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
        import pandas as pd

        further = dict.fromkeys(key for row in rows for key in row if key not in columns)
        table = pd.DataFrame(rows, columns=[*columns, *further])
        mixed = [name for name in table if pd.api.types.is_object_dtype(table[name].dtype)]
        for column in mixed:
            table[column] = _of_one_kind(table[column], column in NUMBERS)
        with written_atomically(self.table_path(name)) as draft:
            table.to_csv(draft, index=False)
        if name == "accuracy":
            path = self.folder / "accuracy.parquet"
            with written_atomically(path) as draft, draft.open("wb") as file:
                table.to_parquet(file, index=False)  # by name, pyarrow takes UTF-8 alone


def _of_one_kind(column: "pd.Series[Any]", numbers: bool) -> "pd.Series[Any]":
    """Text where text belongs, also what looks like a number; numbers, or gaps in their place."""
    import pandas as pd

    if numbers:
        return pd.to_numeric(column, errors="coerce").astype(float)
    return column.map(lambda value: value if value is None or pd.isna(value) else str(value))


def check_begun(study: Study) -> None:
    """Refuse a folder that holds no study.

    Raises:
        InputError: there is no such folder, or it has no config.yaml, or that of an alignment.
    """
    if not study.folder.is_dir():
        what = "is a file" if study.folder.exists() else "does not exist"
        raise InputError(f"{study.folder} {what}; name the folder of a study")
    if not study.config_path.is_file():
        raise InputError(f"{study.folder} holds no study: it has no config.yaml")
    if read_yaml(study.config_path).get("kind") == ALIGNMENT:
        raise InputError(f"{study.folder} holds an alignment; nasneurn report makes a page of it")


def _records(content: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """The records that a field lists; others are refused where the configuration is read."""
    value = content.get(field)
    listed = value if isinstance(value, list) else []
    return [one for one in listed if isinstance(one, dict)]
