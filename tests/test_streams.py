"""Standard streams that are full, closed, without a reader or without a letter end no command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

VERSION = [sys.executable, "-m", "nasneurn", "--version"]
POSIX = pytest.mark.skipif(os.name != "posix", reason="descriptors of POSIX")


def lasting(body: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run code in a process whose streams are lasting."""
    code = f"import os, sys\nfrom nasneurn.streams import make_lasting, unwritten\n{body}"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, text=True, stderr=subprocess.PIPE, timeout=60, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is needed")
def test_a_full_device_is_told_in_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(VERSION, stdout=full, stderr=subprocess.PIPE, text=True)
    told = "nasneurn: standard output cannot be written (No space left on device)\n"
    assert (done.returncode, done.stderr) == (2, told)


@POSIX
def test_a_reader_that_has_gone_is_told_by_the_exit_code_alone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(VERSION, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@POSIX
def test_work_goes_on_without_a_reader_or_room() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    body = (
        "make_lasting()\n"
        "for stream in (sys.stdout, sys.stderr):\n"
        "    print('x' * 100_000, file=stream, flush=True)\n"
        "os._exit(7 if isinstance(unwritten(sys.stdout), BrokenPipeError) else 1)"
    )
    code = f"import os, sys\nfrom nasneurn.streams import make_lasting, unwritten\n{body}"
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=writer)
    os.close(writer)
    assert done.returncode == 7


@POSIX
@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_no_file_gets_the_number_of_a_closed_stream(
    tmp_path: Path, closed: tuple[int, ...]
) -> None:
    body = (
        "make_lasting()\n"
        "result = open(sys.argv[1], 'w')\n"
        "print('lost'); print('lost', file=sys.stderr)\n"
        "os.write(1, b'x'); os.write(2, b'x')\n"
        "sys.stdout.flush(); sys.stderr.flush()\n"
        "result.write('kept')\n"
    )
    code = f"import os, sys\nfrom nasneurn.streams import make_lasting\n{body}"
    words = " ".join(f"{number}>&-" for number in closed)
    command = ["sh", "-c", f'"$@" {words}', "sh", sys.executable, "-c", code, tmp_path / "result"]
    done = subprocess.run(command, capture_output=True)
    assert (done.returncode, (tmp_path / "result").read_text()) == (0, "kept")


def test_letters_that_a_stream_lacks_are_written_as_others() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    body = "make_lasting(); print('Öl 1 ✓ \\udcff')"
    done = lasting(body, stdout=subprocess.PIPE, env=environment)
    assert (done.stdout, done.stderr, done.returncode) == ("\\xd6l 1 \\u2713 \\udcff\n", "", 0)


def test_what_is_printed_is_as_before() -> None:
    body = "make_lasting(); print('Öl\\n\\n1', end=''); print('!', file=sys.stderr)"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = lasting(body, stdout=subprocess.PIPE, env=environment, encoding="utf-8")
    assert (done.stdout, done.stderr) == ("Öl\n\n1", "!\n")


@POSIX
def test_a_pipe_that_does_not_wait_loses_nothing() -> None:
    body = "os.set_blocking(1, False); make_lasting(); print('x' * 300_000)"
    done = lasting(body, stdout=subprocess.PIPE)
    assert (len(done.stdout), done.returncode) == (300_001, 0)
