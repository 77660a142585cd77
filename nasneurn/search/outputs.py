"""The files of a search: what lies in its folder, and how it is read back."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nasneurn.domains.atomic import written_atomically
from nasneurn.environment import environment
from nasneurn.search.config import SearchConfig


class Evaluations(dict[str, float]):
    """Scores of candidates by architecture, kept on disk as they come, one JSON line each."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    name, score = json.loads(line)
                except ValueError:
                    continue  # the last line of a run that was killed while writing
                self[name] = score

    def add(self, name: str, score: float) -> None:
        """Remember a score."""
        self[name] = score
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # A torn last line ends here, so that it cannot swallow this one.
        torn = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
        with self._path.open("a") as file:
            file.write(("\n" if torn else "") + json.dumps([name, score]) + "\n")


class Outputs:
    """The folder of one search.

    ``config.yaml`` is all that is needed to run it again; ``accuracy.csv`` has one row for each
    source, target, stem, seed and kind of weights; ``evolution.csv`` one for each candidate;
    ``architecture.json`` one record for each architecture found; ``supernet.ckpt`` the weights of
    every supernet (safetensors); ``search.png`` and ``transfer.png`` draw the two tables.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config_path = folder / "config.yaml"
        self.accuracy_path = folder / "accuracy.csv"
        self.evolution_path = folder / "evolution.csv"
        self.architecture_path = folder / "architecture.json"
        self.supernet_path = folder / "supernet.ckpt"
        self.search_figure = folder / "search.png"
        self.transfer_figure = folder / "transfer.png"

    @property
    def complete(self) -> bool:
        """Whether the search has run to its end."""
        return self.config_path.exists() and not self.state.exists()

    def begin(self, config: SearchConfig) -> None:
        """Mark the folder as that of this search, not yet complete."""
        self.state.mkdir(parents=True, exist_ok=True)
        config.write(self.config_path, environment())

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write the tables and figures of the jobs done so far."""
        rows = [row for record in records for row in record["rows"]]
        candidates = [row for record in records for row in record["candidates"]]
        architectures = [record["architecture"] for record in records]
        for path, table in (
            (self.accuracy_path, pd.DataFrame(rows)),
            (self.evolution_path, pd.DataFrame(candidates)),
        ):
            with written_atomically(path) as draft:
                table.to_csv(draft, index=False)
        with written_atomically(self.architecture_path) as draft:
            draft.write_text(json.dumps(architectures, indent=2) + "\n")
        self.draw()

    def draw(self) -> list[Path]:
        """Draw the figures from the tables; gives their paths."""
        from nasneurn.report.search_figures import draw_search, draw_transfer

        with written_atomically(self.search_figure) as draft:
            draw_search(self.evolution(), draft)
        with written_atomically(self.transfer_figure) as draft:
            draw_transfer(self.accuracy(), draft)
        return [self.search_figure, self.transfer_figure]

    def accuracy(self) -> pd.DataFrame:
        """The table of accuracies."""
        return pd.read_csv(self.accuracy_path, keep_default_na=False)

    def evolution(self) -> pd.DataFrame:
        """The table of candidates."""
        return pd.read_csv(self.evolution_path, keep_default_na=False)

    def architectures(self) -> list[dict[str, Any]]:
        """The architectures found."""
        return json.loads(self.architecture_path.read_text())  # type: ignore[no-any-return]
