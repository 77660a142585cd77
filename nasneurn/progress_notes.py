"""How far a piece of work is, in a small file: for other processes, which show it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProgressNote:
    """How far a piece of work is.

    Attributes:
        description: the work in words.
        done, total: its steps.
        told: how fast it goes, how long it will take yet, a figure: what is known of these.
    """

    description: str
    done: int
    total: int
    told: str

    def __str__(self) -> str:
        """In one line."""
        return "  ".join(filter(None, [f"{self.description}: {self.done}/{self.total}", self.told]))

    def write(self, path: Path) -> None:
        """Keep it; work goes on where that cannot be done, as on a full disk."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        except OSError:
            pass

    @classmethod
    def read(cls, path: Path) -> "ProgressNote | None":
        """What is kept there; None where there is nothing, or it is being written now."""
        try:
            note = cls(**json.loads(path.read_text(encoding="utf-8")))
            return cls(str(note.description), int(note.done), int(note.total), str(note.told))
        except (OSError, ValueError, TypeError):
            return None
