"""The files of a search: what lies in its folder, and how it is read back."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from nasneurn.environment import environment
from nasneurn.files import written_atomically
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
    every supernet (safetensors). ``transfer.csv`` has means over seeds and what each stem adds to
    the first, with intervals; ``hypervolume.csv`` says how far the front of accuracy and cost
    has come after each generation. ``search.png``, ``hypervolume.png`` and ``transfer.png`` draw
    the tables, and ``architecture.png`` the networks found.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config_path = folder / "config.yaml"
        self.accuracy_path = folder / "accuracy.csv"
        self.evolution_path = folder / "evolution.csv"
        self.architecture_path = folder / "architecture.json"
        self.supernet_path = folder / "supernet.ckpt"
        self.transfer_path = folder / "transfer.csv"
        self.hypervolume_path = folder / "hypervolume.csv"
        self.search_figure = folder / "search.png"
        self.transfer_figure = folder / "transfer.png"
        self.hypervolume_figure = folder / "hypervolume.png"
        self.architecture_figure = folder / "architecture.png"

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
        """Make from the tables what follows from them; gives the paths."""
        from nasneurn.analysis.hypervolumes import hypervolumes
        from nasneurn.analysis.transfer import transfer_table
        from nasneurn.report.architecture_figure import draw_architectures
        from nasneurn.report.search_figures import draw_hypervolumes, draw_search, draw_transfer

        evolution = self.evolution()
        volumes = hypervolumes(evolution, "latency" if "latency" in evolution else "flops")
        tables = {
            self.transfer_path: transfer_table(self.accuracy()),
            self.hypervolume_path: volumes,
        }
        for path, table in tables.items():
            with written_atomically(path) as draft:
                table.to_csv(draft, index=False)
        drawings: dict[Path, Callable[[Path], None]] = {
            self.search_figure: partial(draw_search, evolution),
            self.hypervolume_figure: partial(draw_hypervolumes, volumes),
            self.transfer_figure: partial(draw_transfer, self.accuracy()),
            self.architecture_figure: partial(draw_architectures, self.architectures()),
        }
        for path, draw in drawings.items():
            with written_atomically(path) as draft:
                draw(draft)
        return [*tables, *drawings]

    def accuracy(self) -> pd.DataFrame:
        """The table of accuracies."""
        return pd.read_csv(self.accuracy_path, keep_default_na=False)

    def evolution(self) -> pd.DataFrame:
        """The table of candidates."""
        return pd.read_csv(self.evolution_path, keep_default_na=False)

    def architectures(self) -> list[dict[str, Any]]:
        """The architectures found."""
        return json.loads(self.architecture_path.read_text())  # type: ignore[no-any-return]
