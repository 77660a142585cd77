"""Results of jobs as JSON lines that are only ever appended, by any number of processes."""

import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nasneurn.errors import InputError

Record = dict[str, Any]


@dataclass
class Outcomes:
    """What a store holds, by job.

    Attributes:
        done: the closing record of each finished job.
        failed: the latest failure of each job that never finished.
        rows: the accuracy rows of the finished jobs, each job once.
        history: their records of epochs.
    """

    done: dict[str, Record] = field(default_factory=dict)
    failed: dict[str, Record] = field(default_factory=dict)
    rows: list[Record] = field(default_factory=list)
    history: list[Record] = field(default_factory=list)


class Store:
    """A folder of JSON lines files, one for each process that ever wrote.

    No two processes write one file, so that a folder on a network file system may be shared. All
    lines of a job are appended at once, its closing line last: what a killed process left half
    written lacks that line, and does not count.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._owner = 0

    def finish(
        self,
        job: str,
        rows: Sequence[Mapping[str, Any]],
        history: Sequence[Mapping[str, Any]],
        about: Mapping[str, Any],
    ) -> None:
        """Keep the result of a job.

        Raises:
            InputError: it cannot be written, as on a full disk.
        """
        self._append(
            [
                *({"kind": "row", **row, "job": job} for row in rows),
                *({"kind": "epoch", **epoch, "job": job} for epoch in history),
                {"kind": "done", **about, "job": job, "rows": len(rows), "epochs": len(history)},
            ]
        )

    def fail(self, job: str, error: str, about: Mapping[str, Any]) -> None:
        """Keep that a job failed, and why."""
        self._append([{"kind": "failed", **about, "job": job, "error": error, "time": time.time()}])

    def _append(self, records: Sequence[Record]) -> None:
        text = "".join(json.dumps(record) + "\n" for record in records).encode()
        path = self._own_file()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                before = os.fstat(descriptor).st_size
                try:
                    written = 0
                    while written < len(text):
                        written += os.write(descriptor, text[written:])
                    os.fsync(descriptor)
                except OSError:
                    os.ftruncate(descriptor, before)
                    raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise InputError(
                f"{path}: a result cannot be written ({error.strerror or error}); "
                "make room, and run the same command again"
            ) from error

    def _own_file(self) -> Path:
        if self._path is None or self._owner != os.getpid():  # a forked child has its own
            self._owner = os.getpid()
            name = f"{socket.gethostname()}-{self._owner}-{secrets.token_hex(4)}.jsonl"
            self._path = self._folder / name
        return self._path

    def read(self) -> Iterator[Record]:
        """All records, file by file; a torn last line is passed over, other damage is told."""
        for path in sorted(self._folder.glob("*.jsonl")):
            lines = path.read_bytes().split(b"\n")
            lines.pop()  # what stands behind the last line's end: nothing, or a torn line
            for number, line in enumerate(lines, start=1):
                try:
                    record = json.loads(line)
                except ValueError:
                    record = None
                if not isinstance(record, dict) or not {"kind", "job"} <= record.keys():
                    print(f"nasneurn: {path}: line {number} is damaged, left out", file=sys.stderr)
                    continue
                yield record

    def outcomes(self) -> Outcomes:
        """What there is of each job; of a job done twice, the first in the order of the files."""
        found = Outcomes()
        rows: dict[str, list[Record]] = {}
        epochs: dict[str, list[Record]] = {}
        for record in self.read():
            job, kind = record["job"], record["kind"]
            content = {key: value for key, value in record.items() if key != "kind"}
            if kind == "row":
                rows.setdefault(job, []).append(content)
            elif kind == "epoch":
                epochs.setdefault(job, []).append(content)
            elif kind == "failed":
                if job not in found.failed or found.failed[job]["time"] < record["time"]:
                    found.failed[job] = content
            elif kind == "done":
                whole = (record["rows"], record["epochs"])
                mine = rows.pop(job, []), epochs.pop(job, [])
                if job not in found.done and (len(mine[0]), len(mine[1])) == whole:
                    found.done[job] = content
                    found.rows += mine[0]
                    found.history += mine[1]
        found.failed = {job: why for job, why in found.failed.items() if job not in found.done}
        return found
