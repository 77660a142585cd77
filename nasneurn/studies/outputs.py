"""The folder of a grid: its configuration, its store, and the tables made from that."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from nasneurn.errors import InputError
from nasneurn.files import written_atomically
from nasneurn.studies.config import BenchConfig
from nasneurn.studies.job import Job
from nasneurn.studies.locks import Claims
from nasneurn.studies.store import Store

#: The columns of the accuracy table, in their order.
ACCURACY = (
    "job", "suite", "architecture", "adaptation", "params", "stem", "source", "target", "seed",
    "accuracy", "n", "held_out_accuracy", "epochs", "best_epoch", "batch", "seconds", "device",
    "precision", "torch", "nasneurn", "commit",
)  # fmt: skip
#: Columns that are text even where they look like numbers: a batch may be "128 x 2".
TEXT = {"job": str, "batch": str, "precision": str, "commit": str}
#: The columns of the table of epochs.
HISTORY = (
    "job", "architecture", "stem", "source", "seed", "epoch", "loss", "held_out_accuracy",
    "seconds",
)  # fmt: skip
#: The columns of the table of failures.
FAILURES = ("job", "architecture", "stem", "source", "seed", "error")


class BenchOutputs:
    """The files of one grid.

    ``config.yaml`` is all that is needed to run it again; ``store/`` holds what finished jobs gave,
    as JSON lines; ``state/`` the training state of unfinished ones. Made from the store:
    ``accuracy.csv`` (and ``.parquet``), a row for each job and target; ``history.csv``, a row for
    each epoch; ``failures.csv``; ``tables/`` and ``figures/``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config_path = folder / "config.yaml"
        self.state = folder / "state"
        self.store = Store(folder / "store")
        self.claims = Claims(folder / "state" / "claims")
        self.accuracy_path = folder / "accuracy.csv"
        self.history_path = folder / "history.csv"
        self.failures_path = folder / "failures.csv"

    def config(self) -> BenchConfig:
        """The configuration of the grid that the folder holds.

        Raises:
            InputError: it holds none.
        """
        if not self.config_path.is_file():
            raise InputError(f"{self.folder} holds no results: it has no config.yaml")
        return BenchConfig.read(self.config_path)

    def gather(self, jobs: Sequence[Job]) -> None:
        """Write the tables of the finished ``jobs``, in that order whoever did them when."""
        outcomes = self.store.outcomes()
        place = {job.identity: number for number, job in enumerate(jobs)}
        titles = {job.identity: job for job in jobs}
        for path, records, columns in (
            (self.accuracy_path, outcomes.rows, ACCURACY),
            (self.history_path, outcomes.history, HISTORY),
        ):
            ours = [record for record in records if record["job"] in place]
            ours.sort(key=lambda record: place[record["job"]])  # stable: rows of a job stay
            table = pd.DataFrame(ours, columns=list(columns))
            with written_atomically(path) as draft:
                table.to_csv(draft, index=False)
            if path == self.accuracy_path:
                with written_atomically(path.with_suffix(".parquet")) as draft:
                    table.to_parquet(draft, index=False)
        failures = [
            {
                "job": identity,
                "architecture": titles[identity].backbone.name,
                "stem": str(titles[identity].stem),
                "source": titles[identity].source,
                "seed": titles[identity].seed,
                "error": record["error"],
            }
            for identity, record in outcomes.failed.items()
            if identity in place
        ]
        if failures or self.failures_path.exists():
            with written_atomically(self.failures_path) as draft:
                pd.DataFrame(failures, columns=list(FAILURES)).to_csv(draft, index=False)

    def accuracy(self) -> pd.DataFrame:
        """The table of accuracies."""
        return _read(self.accuracy_path)

    def history(self) -> pd.DataFrame:
        """The table of epochs."""
        return _read(self.history_path)


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, keep_default_na=False, dtype=TEXT)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except pd.errors.ParserError as error:
        raise InputError(f"{path}: not a table ({error})") from None
