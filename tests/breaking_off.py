"""A training that breaks off after a batch, with a checkpoint of it."""

from pathlib import Path
from typing import Any

from search_spaces.checkpointing import TimedCheckpoint


class Stop(BaseException):
    pass


class StopAt(TimedCheckpoint):
    """Checkpoints after every batch, and breaks off after one."""

    def __init__(self, path: Path, at: int) -> None:
        super().__init__(path, 0.0)
        self._at = at

    def on_train_batch_end(self, *arguments: Any) -> None:
        super().on_train_batch_end(*arguments)
        if arguments[-1] == self._at:
            raise Stop
