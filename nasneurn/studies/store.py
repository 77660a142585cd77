"""The one store of a study: a line for each finished or failed unit, only ever appended."""

import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nasneurn.errors import InputError
from nasneurn.files import opened, reading
from nasneurn.plain_values import is_plain

#: What is kept of a unit: ``unit``, ``status``, ``time``, its ``tables`` or ``error``, and more.
Record = dict[str, Any]

#: The one table whose rows hold lists and fields, as a found architecture does.
FOUND = "found"

#: What orders the records of one unit: the time, the file, the line.
_Order = tuple[float, str, int]


@dataclass(frozen=True)
class Outcomes:
    """What a store holds, by unit.

    Attributes:
        done: the record of each finished unit.
        failed: the latest failure of each unit that never finished.
    """

    done: dict[str, Record] = field(default_factory=dict)
    failed: dict[str, Record] = field(default_factory=dict)

    def rows(self, table: str, units: Sequence[str]) -> list[Record]:
        """The rows of one table, of the finished ones among ``units``, in their order."""
        return [
            dict(row)
            for unit in units
            if unit in self.done
            for row in self.done[unit]["tables"].get(table, [])
        ]


class Store:
    """A folder of JSON lines files, one for each process that ever wrote.

    No two processes write one file, so that a folder on a network file system may be shared. A
    unit is one line: a killed process leaves a torn line at most, which does not count.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._owner = 0
        self._told: set[tuple[str, int]] = set()
        self._forget()

    def _forget(self) -> None:
        self._read: dict[str, _Reading] = {}
        self._done: dict[str, tuple[_Order, Record]] = {}
        self._failed: dict[str, tuple[_Order, Record]] = {}

    # ------------------------------------------------------------ writing

    def finish(
        self,
        unit: str,
        tables: Mapping[str, Sequence[Mapping[str, Any]]],
        about: Mapping[str, Any],
    ) -> None:
        """Keep the result of a unit.

        Args:
            unit: its identity.
            tables: rows by the name of their table.
            about: what else is told of it, by field.

        Raises:
            InputError: it cannot be written, as on a full disk.
        """
        kept = {name: list(rows) for name, rows in tables.items()}
        self._append({**about, "unit": unit, "status": "done", "time": time.time(), "tables": kept})

    def fail(self, unit: str, error: str, details: str, about: Mapping[str, Any]) -> None:
        """Keep that a unit failed, and why: in one line, and as a traceback.

        Raises:
            InputError: it cannot be written.
        """
        why = {"status": "failed", "time": time.time(), "error": error, "details": details}
        self._append({**about, "unit": unit, **why})

    def _append(self, record: Record) -> None:
        line = _line(record)
        path = self._own_file()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                _append_whole(descriptor, line)
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

    # ------------------------------------------------------------ reading

    def outcomes(self) -> Outcomes:
        """What there is of each unit by now, whichever process wrote it.

        Only what was appended since the last call is read. Of a unit done twice the earlier
        counts, by its ``time``, then by the name of its file and its place there: an order that
        is the same for all who read. Damaged lines are told once, and passed over.

        Raises:
            InputError: a file cannot be read.
        """
        while not self._catch_up():
            self._forget()  # a file shrank, vanished or is another: all is read again
        return Outcomes(
            done={unit: record for unit, (_, record) in self._done.items()},
            failed={
                unit: record for unit, (_, record) in self._failed.items() if unit not in self._done
            },
        )

    def _catch_up(self) -> bool:
        files = sorted(self._folder.glob("*.jsonl"))
        known = self._read.keys() <= {path.name for path in files}
        return known and all(map(self._read_on, files))

    def _read_on(self, path: Path) -> bool:
        """Read the new whole lines of a file; False if it is not the file that it was."""
        known = self._read.get(path.name, _Reading())
        with reading(path):
            try:
                if path.stat().st_size == known.end:
                    return True
                with opened(path) as file:
                    file.seek(max(0, known.end - len(known.last)))
                    content = file.read()
            except FileNotFoundError:
                return path.name not in self._read
        if not content.startswith(known.last):
            return False
        content = content[len(known.last) :]
        # A line after the last end of one is torn, or just being written.
        whole = content[: content.rfind(b"\n") + 1]
        damaged = []
        for number, line in enumerate(whole.split(b"\n")[:-1], start=known.lines + 1):
            record = _record(line)
            if record is not None:
                self._keep(record, (record["time"], path.name, number))
            elif line.strip() and (path.name, number) not in self._told:
                damaged.append(number)
        if damaged:
            self._told |= {(path.name, number) for number in damaged}
            print(f"nasneurn: {path}: {_told(damaged)} damaged, left out", file=sys.stderr)
        self._read[path.name] = _Reading(
            end=known.end + len(whole),
            lines=known.lines + whole.count(b"\n"),
            last=whole[whole.rfind(b"\n", 0, -1) + 1 :] or known.last,
        )
        return True

    def _keep(self, record: Record, order: _Order) -> None:
        unit = record["unit"]
        if record["status"] == "done":
            if unit not in self._done or order < self._done[unit][0]:
                self._done[unit] = order, record
        elif unit not in self._failed or order > self._failed[unit][0]:
            self._failed[unit] = order, record


@dataclass(frozen=True)
class _Reading:
    """How far a file was read: bytes and lines, and the last line, which is like no other."""

    end: int = 0
    lines: int = 0
    last: bytes = b""


def _append_whole(descriptor: int, line: bytes) -> None:
    """Append a line to a file, or nothing."""
    before = os.fstat(descriptor).st_size
    if before and os.pread(descriptor, 1, before - 1) != b"\n":
        line = b"\n" + line  # a torn line is there, which could not be cut off
    written = 0
    try:
        while written < len(line):
            written += os.write(descriptor, line[written:])
        os.fsync(descriptor)
    except BaseException as error:  # a signal may raise here, too
        if written < len(line) or isinstance(error, OSError):
            os.ftruncate(descriptor, before)
        raise


def _line(record: Record) -> bytes:
    try:
        return (json.dumps(record, ensure_ascii=False, default=_plain) + "\n").encode()
    except UnicodeEncodeError:  # half a character, as a file's name may hold
        return (json.dumps(record, default=_plain) + "\n").encode()


def _plain(value: Any) -> Any:
    """A scalar of numpy or PyTorch as a number; json knows none of them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be kept in a store: {value!r}")


def _record(line: bytes) -> Record | None:
    """The record that a line holds; None where it is damaged."""
    try:
        record = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("unit"), str):
        return None
    moment = record.get("time")
    if isinstance(moment, bool) or not isinstance(moment, int | float) or not 0 <= moment < 1e12:
        return None  # also no NaN, which has no place in an order
    if record.get("status") == "done":
        return record if _are_tables(record.get("tables")) else None
    texts = (record.get("error"), record.get("details"))
    failed = record.get("status") == "failed" and all(isinstance(text, str) for text in texts)
    return record if failed else None


def _are_tables(tables: Any) -> bool:
    return isinstance(tables, dict) and all(
        isinstance(rows, list) and all(_is_row(row, nested=name == FOUND) for row in rows)
        for name, rows in tables.items()
    )


def _is_row(row: Any, *, nested: bool) -> bool:
    """Whether it is fields by name, of text and numbers alone unless ``nested``."""
    if not isinstance(row, dict):
        return False
    return is_plain(row) if nested else not any(isinstance(v, dict | list) for v in row.values())


def _told(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"line {numbers[0]} is"
    listed = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    return f"{len(numbers)} lines ({listed}) are"
