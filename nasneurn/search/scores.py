"""Numbers by architecture, kept on disk as they come, so that a search that goes on sees them."""

import json
from pathlib import Path

from nasneurn.files import opened, reading


class Scores(dict[str, float]):
    """Numbers by the name of an architecture, one JSON line each."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        if path.exists():
            with reading(path), opened(path) as file:
                lines = file.read().decode(errors="replace").splitlines()
            for line in lines:
                try:
                    name, score = json.loads(line)
                    self[str(name)] = float(score)
                except (ValueError, TypeError, OverflowError, RecursionError):
                    continue  # the last line of a run that was killed while writing

    def add(self, name: str, score: float) -> None:
        """Remember a number."""
        self[name] = score
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # A torn last line ends here, so that it cannot swallow this one.
        torn = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
        with self._path.open("a", encoding="utf-8") as file:
            file.write(("\n" if torn else "") + json.dumps([name, score]) + "\n")
