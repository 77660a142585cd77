"""Downloads: resumed, checked, and never half a file in its place."""

import gzip
import hashlib
import os
import re
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torchvision.datasets

from nasneurn.domains import digits, downloading
from nasneurn.domains.downloading import NotFetched, RemoteFile, fetch
from nasneurn.domains.prepare import prepare
from nasneurn.errors import InputError

CONTENT = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Gives files as its handler does them; remembers the ranges that it was asked for."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes], behaviours: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.behaviours = files, behaviours
        self.asked: list[str | None] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        """Answer in the way whose turn it is; the last one stays."""
        turns = self.server.behaviours
        turn = turns.pop(0) if len(turns) > 1 else turns[0]
        self.server.asked.append(self.headers.get("Range"))
        getattr(self, turn)(self.server.files[self.path.strip("/")])

    def _start(self, content: bytes) -> int:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        return min(int(found[1]), len(content)) if found else 0

    def _answer(self, code: int, body: bytes, length: int | None, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", headers.pop("kind", "application/octet-stream"))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def whole(self, content: bytes, most: int | None = None) -> None:
        start = self._start(content)
        rest = content[start:]
        if start and not rest:
            self.send_error(416)
            return
        body = rest if most is None else rest[:most]
        where = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        self._answer(206 if start else 200, body, len(rest), **(where if start else {}))
        if len(body) < len(rest):
            self.connection.shutdown(socket.SHUT_RDWR)

    def breaks_off(self, content: bytes) -> None:
        self.whole(content, 80_000)

    def gives_nothing(self, content: bytes) -> None:
        self.whole(content, 0)

    def without_range(self, content: bytes) -> None:
        self._answer(200, content, len(content))

    def breaks_off_without_range(self, content: bytes) -> None:
        self._answer(200, content[:80_000], len(content))
        self.connection.shutdown(socket.SHUT_RDWR)

    def another_file(self, content: bytes) -> None:
        self.whole(content[::-1])

    def another_range(self, content: bytes) -> None:
        start = self._start(content)
        where = {"Content_Range": f"bytes 7-{len(content) - 1}/{len(content)}"}
        self._answer(206 if start else 200, content[7:], len(content) - 7, **where)

    def error_page(self, content: bytes) -> None:
        self._answer(200, b"<html>Sign in</html>", 20, kind="text/html; charset=utf-8")

    def missing(self, content: bytes) -> None:
        self.send_error(404)

    def busy(self, content: bytes) -> None:
        self.send_error(503)

    def of_unknown_length(self, content: bytes) -> None:
        self._answer(200, content, None)

    def much_too_long(self, content: bytes) -> None:
        self._answer(200, content, 2**40)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "PAUSE", 0.0)


@pytest.fixture
def serving() -> Iterator[Any]:
    servers: list[Server] = []

    def serve(*behaviours: str, files: dict[str, bytes] | None = None) -> Server:
        server = Server(files or {"file.gz": CONTENT}, list(behaviours))
        servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return server

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def remote(*servers: Server) -> RemoteFile:
    return RemoteFile("file.gz", tuple(server.url("file.gz") for server in servers), MD5)


@pytest.mark.parametrize(
    ("behaviours", "asked"),
    [
        (["whole"], [None]),
        (["breaks_off", "whole"], [None, "bytes=80000-"]),
        (["breaks_off"], [None, "bytes=80000-", "bytes=160000-", "bytes=240000-"]),
        (["gives_nothing", "gives_nothing", "whole"], [None] * 3),
        (["breaks_off", "without_range"], [None, "bytes=80000-"]),
        (["breaks_off", "another_range", "whole"], [None, "bytes=80000-", None]),
        (["busy", "busy", "whole"], [None] * 3),
        (["of_unknown_length"], [None]),
    ],
)
def test_a_file_is_fetched_and_gone_on_with(
    serving: Any, tmp_path: Path, behaviours: list[str], asked: list[str | None]
) -> None:
    server = serving(*behaviours)
    assert fetch(remote(server), tmp_path / "raw")
    assert (tmp_path / "raw" / "file.gz").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["file.gz"]
    assert server.asked == asked
    assert not fetch(remote(server), tmp_path / "raw")  # it is there
    assert server.asked == asked


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ("another_file", "its 300000 bytes do not have the MD5 sum"),
        ("error_page", r"it gives a page \(text/html\), not the file"),
        ("missing", "404 Not Found"),
        ("busy", "503 Service Unavailable"),
        ("gives_nothing", "the connection broke off after 0 of 300000 bytes"),
        ("much_too_long", "which is another file"),
    ],
)
def test_what_is_no_such_file_is_told_and_leaves_nothing(
    serving: Any, tmp_path: Path, behaviour: str, told: str
) -> None:
    server = serving(behaviour)
    with pytest.raises(NotFetched, match=told) as raised:
        fetch(remote(server), tmp_path)
    assert server.url("file.gz") in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_always_breaks_off_at_one_place_is_given_up(
    serving: Any, tmp_path: Path
) -> None:
    server = serving("breaks_off_without_range")
    with pytest.raises(NotFetched, match="broke off after 80000 of 300000"):
        fetch(remote(server), tmp_path)
    assert len(server.asked) == 1 + downloading.TRIES
    # What has come is kept, and the next command goes on with it.
    assert (tmp_path / "file.gz.part").stat().st_size == 80_000
    server.behaviours[:] = ["whole"]
    assert fetch(remote(server), tmp_path)
    assert server.asked[-1] == "bytes=80000-"
    assert (tmp_path / "file.gz").read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * 300_000, b"x" * 400_000, CONTENT])
def test_a_part_of_another_file_is_not_gone_on_with_for_good(
    serving: Any, tmp_path: Path, left: bytes
) -> None:
    (tmp_path / "file.gz.part").write_bytes(left)
    assert fetch(remote(serving("whole")), tmp_path)
    assert (tmp_path / "file.gz").read_bytes() == CONTENT


def test_the_next_address_is_asked_and_gets_what_has_come(serving: Any, tmp_path: Path) -> None:
    first, second = serving("breaks_off", "missing"), serving("whole")
    assert fetch(remote(first, second), tmp_path)
    assert second.asked == ["bytes=80000-"]
    assert (tmp_path / "file.gz").read_bytes() == CONTENT


def test_another_file_in_the_place_stays_and_is_told(serving: Any, tmp_path: Path) -> None:
    (tmp_path / "file.gz").write_bytes(b"mine")
    with pytest.raises(NotFetched, match=r"file.gz does not have the MD5 sum"):
        fetch(remote(serving("whole")), tmp_path)
    assert (tmp_path / "file.gz").read_bytes() == b"mine"


def test_two_processes_do_not_write_one_part(serving: Any, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with (
        downloading._alone(tmp_path / "file.gz.part"),
        pytest.raises(NotFetched, match="another process downloads it"),
    ):
        fetch(remote(serving("whole")), tmp_path)


def test_a_full_disk_is_told_at_once(
    serving: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serving("whole")

    class Full:
        name = "here"

        def write(self, chunk: bytes) -> None:
            raise OSError(28, "No space left on device")

    append = downloading._append
    monkeypatch.setattr(downloading, "_append", lambda part, chunk: append(Full(), chunk))  # type: ignore[arg-type]
    with pytest.raises(OSError, match="No space left"):
        fetch(remote(server), tmp_path)
    assert len(server.asked) == 1


def test_an_interrupted_download_is_gone_on_with(
    serving: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, append, count = serving("whole"), downloading._append, 0

    def interrupted(part: Any, chunk: bytes) -> None:
        nonlocal count
        append(part, chunk)
        count += 1
        if count == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(downloading, "_append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(remote(server), tmp_path)
    have = (tmp_path / "file.gz.part").stat().st_size
    assert 0 < have < len(CONTENT)
    assert fetch(remote(server), tmp_path)
    assert server.asked == [None, f"bytes={have}-"]


# ---------------------------------------------------------------- the command's call


def idx(array: np.ndarray) -> bytes:
    """An array in MNIST's format, packed."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


@pytest.fixture
def mnist_files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A small MNIST, whose checksums torchvision's table then has."""
    files = {}
    for split, count in (("train", 30), ("t10k", 10)):
        images = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        files[f"{split}-images-idx3-ubyte.gz"] = idx(images)
        files[f"{split}-labels-idx1-ubyte.gz"] = idx(np.arange(count, dtype=np.uint8) % 10)
    table = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", table)
    return files


def test_prepare_fetches_checks_reads_and_tidies_up(
    serving: Any, mnist_files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serving("breaks_off", "error_page", files=mnist_files)
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [server.url("")])
    with pytest.raises(InputError, match=r"could not fetch mnist .*a page.*goes on with") as told:
        prepare(["mnist"], data_dir=tmp_path)
    assert "\n" not in str(told.value)
    assert not list(tmp_path.glob("*.npz"))
    (kept,) = (tmp_path / "raw").iterdir()  # files that fit into one answer
    server.behaviours[:] = ["whole"]
    written = prepare(["mnist"], data_dir=tmp_path)
    assert [path.name for path in written] == ["mnist_train.npz", "mnist_test.npz"]
    assert len(digits.read_pack(written[0])) == 30
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        [kept.name, "raw", *(path.name for path in written)]
    )
    assert os.listdir(tmp_path / "raw") == [kept.name]  # whole before this command, as by hand
