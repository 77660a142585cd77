"""Standard streams that end no work: what cannot be printed is left out, and told at the end.

A training must not end because its terminal was closed, its reader has gone, the disk of its log is
full, or a name holds a letter that the terminal lacks.
"""

import io
import os
import select
import sys
from typing import IO, Any, TextIO, cast


class _Lasting(io.RawIOBase):
    """Writes to a descriptor; the first error is kept, and none is raised."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:  # whoever gave us the stream has set it so
                    select.select([], [self._descriptor], [])
        except OSError as error:
            self.error = self.error or error
        return size

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


def make_lasting() -> None:
    """Let no error of standard output or error end this process; for the beginning of one."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The next file that is opened would get the number of a closed stream, and have in it
            # what libraries print.
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)


def _lasting(stream: TextIO | None) -> TextIO:
    if stream is None:  # it was closed
        return open(os.devnull, "w", encoding="utf-8")
    if stream not in (sys.__stdout__, sys.__stderr__) or not isinstance(stream, io.TextIOWrapper):
        return stream  # of a notebook or of tests
    keeps_bytes = stream.errors == "surrogateescape" and stream.encoding.lower() == "utf-8"
    return io.TextIOWrapper(
        cast(IO[bytes], _Lasting(stream.fileno())),
        encoding=stream.encoding,
        errors="surrogateescape" if keeps_bytes else "backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def unwritten(stream: TextIO) -> OSError | None:
    """Why something could not be written to a stream that :func:`make_lasting` made."""
    stream.flush()
    raw = getattr(stream, "buffer", None)
    return raw.error if isinstance(raw, _Lasting) else None
