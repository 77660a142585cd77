"""Drafts of files: a writer has one of its own; those of writers that were killed do not stay."""

import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path

#: Seconds after which nobody writes to a draft any more.
FORGOTTEN = 86_400.0


def draft_of(path: Path) -> Path:
    """A name for a draft beside ``path``; forgotten drafts of it are removed.

    The name is short, for that of the file may be as long as names can be. It ends as that does,
    since some that write files append what a name lacks.
    """
    begin, end = f".{path.stem[:20]}-", path.suffix if len(path.suffix) < 20 else ""
    of_this = re.compile(rf"{re.escape(begin)}\d+-[0-9a-f]{{8}}{re.escape(end)}")
    with suppress(OSError):
        for entry in os.scandir(path.parent):
            if of_this.fullmatch(entry.name) and entry.stat().st_mtime < time.time() - FORGOTTEN:
                os.unlink(entry)
    return path.with_name(f"{begin}{os.getpid()}-{secrets.token_hex(4)}{end}")
