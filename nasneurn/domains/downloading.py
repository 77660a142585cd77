"""A file from the network: resumed where it broke off, checked, and whole in its place.

What has come so far lies beside the file's place as ``NAME.part``. It becomes the file once its
checksum is right.
"""

import hashlib
import http.client
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRandom, BufferedReader
from pathlib import Path
from types import ModuleType
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from nasneurn.errors import one_line
from nasneurn.files import opened
from nasneurn.progress import meter

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: two processes would disturb each other, and the checksum tells
    fcntl = None

#: Seconds without a byte after which a connection is given up.
TIMEOUT = 60.0
#: Requests in a row that bring nothing new, after which a server is given up.
TRIES = 3
#: Seconds before the second of these; each further pause is longer by as much.
PAUSE = 1.0
#: Most bytes of a file: what has more is another file.
LARGEST = 2**31
#: Answers that say "later" rather than "never".
LATER = frozenset({408, 425, 429, 500, 502, 503, 504})

#: Bytes that are read at once.
CHUNK = 2**16
#: Bytes of what progress is shown in.
KILO = 1000


class NotFetched(Exception):
    """A file could not be had; the message says why, in one line."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of the network.

    Attributes:
        name: what it is called here.
        urls: where it is, tried one after the other.
        md5: its checksum.
    """

    name: str
    urls: tuple[str, ...]
    md5: str


def fetch(file: RemoteFile, folder: Path) -> bool:
    """See that a file lies in ``folder``, whole; return whether it had to be fetched.

    Raises:
        NotFetched: no address gives it; or what lies there is another file.
        OSError: the folder cannot be written.
    """
    path = folder / file.name
    if path.is_file():
        if _md5(path) == file.md5:
            return False
        raise NotFetched(f"{file.name} does not have the MD5 sum {file.md5}; remove it")
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{file.name}.part")
    why = []
    with _alone(part) as stream:
        try:
            for url in file.urls:
                try:
                    _fetch_whole(url, file, stream)
                except NotFetched as error:
                    why.append(f"{url}: {error}")
                    continue
                os.replace(part, path)
                return True
        finally:
            if not stream.seek(0, os.SEEK_END):
                part.unlink(missing_ok=True)
    raise NotFetched("; ".join(why))


def _fetch_whole(url: str, file: RemoteFile, part: BufferedRandom) -> None:
    """Fill a part until it is the file.

    Raises:
        NotFetched: it does not become so.
    """
    while True:
        before = part.seek(0, os.SEEK_END)
        _receive_all(url, file, part)
        if _md5_of(part) == file.md5:
            return
        size = part.seek(0, os.SEEK_END)
        part.truncate(0)
        if not before:
            raise NotFetched(f"its {size} bytes do not have the MD5 sum {file.md5}")
        # What lay there may be of another file, so all is fetched once more.


def _receive_all(url: str, file: RemoteFile, part: BufferedRandom) -> None:
    """Ask until an answer came to its end."""
    fruitless = 0
    while True:
        before = part.seek(0, os.SEEK_END)
        try:
            return _receive(url, file.name, part)
        except HTTPError as error:
            if error.code == 416 and before:  # there is nothing after what is here
                return
            reason, final = f"{error.code} {error.reason}", error.code not in LATER
        except (OSError, EOFError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.filename is not None:
                raise  # of the file, not of the connection
            reason, final = one_line(error), False
        fruitless = 0 if part.seek(0, os.SEEK_END) > before else fruitless + 1
        if final or fruitless >= TRIES:
            raise NotFetched(reason)
        time.sleep(PAUSE * fruitless)


def _receive(url: str, name: str, part: BufferedRandom) -> None:
    """Append what one answer brings, or begin anew where the server gives the whole alone."""
    have = part.seek(0, os.SEEK_END)
    headers = {"User-Agent": "nasneurn", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with urlopen(Request(url, headers=headers), timeout=TIMEOUT) as answer:
        kind = answer.headers.get_content_type()
        if kind == "text/html":  # of a proxy, or of a server that has no code for its errors
            raise NotFetched(f"it gives a page ({kind}), not the file")
        if answer.status != 206:
            have = 0
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.truncate(0)
            raise ConnectionError("it gives another part than was asked for")
        length = answer.headers.get("Content-Length", "")
        end = have + int(length) if length.isdigit() else None
        if (end or 0) > LARGEST:
            raise NotFetched(f"it has {end} bytes, which is another file")
        part.seek(have)
        part.truncate(have)
        at = have
        with meter(f"downloading {name} (kB)", (end or LARGEST) // KILO) as progress:
            progress.skip(have // KILO)
            while chunk := answer.read(CHUNK):
                _append(part, chunk)
                progress.advance((at + len(chunk)) // KILO - at // KILO)
                at += len(chunk)
                if at > LARGEST:
                    part.truncate(0)
                    raise NotFetched(f"it gives more than {LARGEST} bytes")
        if end is not None and at != end:
            raise ConnectionError(f"the connection broke off after {at} of {end} bytes")


def _append(part: BufferedRandom, chunk: bytes) -> None:
    try:
        part.write(chunk)
        part.flush()
    except OSError as error:
        error.filename = part.name  # so that it is told from errors of the connection
        raise


@contextmanager
def _alone(part: Path) -> Iterator[BufferedRandom]:
    """Open a part for this process alone.

    Raises:
        NotFetched: another process has it.
    """
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o644)
    with os.fdopen(descriptor, "r+b") as stream:
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = os.path.samestat(os.fstat(descriptor), os.stat(part))
            except (BlockingIOError, FileNotFoundError):
                mine = False
            if not mine:  # or it has become the file by now
                raise NotFetched(f"another process downloads it to {part}")
        yield stream


def _md5(path: Path) -> str:
    with opened(path) as file:
        return _md5_of(file)


def _md5_of(file: BufferedReader | BufferedRandom) -> str:
    file.seek(0)
    return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
