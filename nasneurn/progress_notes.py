"""How far a piece of work is, in a small file: for other processes, which show it."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from nasneurn.files import opened


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
    told: tuple[str, ...] = ()

    def __str__(self) -> str:
        """In one line."""
        return "  ".join([f"{self.description}: {self.done}/{self.total}", *self.told])

    def write(self, path: Path) -> None:
        """Keep it; work goes on where that cannot be done, as on a full disk."""
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "ProgressNote | None":
        """What is kept there; None where there is nothing, or it is damaged or half written."""
        try:
            with opened(path) as file:
                return TypeAdapter(cls).validate_json(file.read(), strict=True)
        except (OSError, ValidationError):
            return None
