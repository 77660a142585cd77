"""Where results cannot be written is told before any work, and no device is replaced."""

import errno
import os
import stat
from pathlib import Path
from typing import NoReturn

import pytest
from in_process import refusal

import nasneurn
from alignment.errors import AlignmentError
from alignment.outputs import write_table
from nasneurn import files
from nasneurn.errors import InputError
from nasneurn.files import check_file_target, check_folder_target, written_atomically

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kinds of files of POSIX")

#: Commands whose results are a folder, and those of which they are a file, before the path.
FOLDERS = [
    ["bench", "--out"],
    ["experiment", "vgg19-transfer", "--out"],
    ["search", "--out"],
    ["search-quality", "--out"],
    ["ablate", "--out"],
    ["diagnose", "study", "--out"],
    ["predict", "study", "--out"],
    ["correlate", "study", "--out"],
    ["align", "--models", "resnet18", "--out"],
    ["data", "prepare", "mnist", "--data-dir"],
]
FILES = [["report", "study", "--out"], ["export", "weights", "--out"], ["data", "preview", "--out"]]


def a_file(folder: Path) -> Path:
    path = folder / "file"
    path.write_text("mine")
    return path


def below_a_file(folder: Path) -> Path:
    return a_file(folder) / "below"


def link_loop(folder: Path) -> Path:
    (folder / "one").symlink_to(folder / "other")
    (folder / "other").symlink_to(folder / "one")
    return folder / "one"


def long_path(folder: Path) -> Path:
    return folder / "/".join(["x" * 99] * 50)


def long_name(folder: Path) -> Path:
    return folder / ("x" * 300)


def device(folder: Path) -> Path:
    return Path("/dev/null")


def among_processes(folder: Path) -> Path:
    """Where root may write by all that the system says, and nobody can."""
    if not Path("/proc").is_dir():
        pytest.skip("no /proc")
    return Path("/proc/x")


def among_devices(folder: Path) -> Path:
    """The same in another place."""
    if not Path("/sys/kernel").is_dir():
        pytest.skip("no /sys")
    return Path("/sys/x/y")


def link_to_a_device(folder: Path) -> Path:
    (folder / "null").symlink_to("/dev/null")
    return folder / "null"


def link_to_what_is_open(folder: Path) -> Path:
    """As /dev/stdout is one, which a file in its place would take from all programs."""
    (folder / "open").symlink_to("/proc/self/fd/1")
    return folder / "open"


def link_by_a_folder(folder: Path) -> Path:
    (folder / "fd").symlink_to("/proc/self/fd")
    (folder / "output").symlink_to("fd/1")
    return folder / "output"


def link_to_nothing(folder: Path) -> Path:
    (folder / "nowhere").symlink_to("gone")
    return folder / "nowhere"


def named_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def a_folder(folder: Path) -> Path:
    (folder / "folder").mkdir()
    return folder / "folder"


ANY = [below_a_file, link_loop, long_path, long_name, device, link_to_a_device, named_pipe]
ANY += [among_processes, among_devices]
LINKS = [link_to_what_is_open, link_by_a_folder, link_to_nothing]
PLACES = [(command, where) for command in FOLDERS for where in [a_file, *ANY]]
PLACES += [(command, where) for command in FILES for where in [a_folder, *ANY, *LINKS]]


def words(value: object) -> str:
    return value.__name__ if callable(value) else " ".join(map(str, value))  # type: ignore[call-overload]


@pytest.mark.parametrize(("command", "where"), PLACES, ids=words)
def test_what_cannot_be_written_is_one_line(
    command: list[str],
    where: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert callable(where)
    monkeypatch.chdir(tmp_path)
    path = where(tmp_path)
    before = [(one, one.lstat().st_mode) for one in sorted(tmp_path.rglob("*"))]
    line = refusal(monkeypatch, capfd, *command, path)
    assert "cannot be written (" in line
    assert len(line) < 2100
    assert [(one, one.lstat().st_mode) for one in sorted(tmp_path.rglob("*"))] == before
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("command", [one for one in (*FOLDERS, *FILES) if one[-1] == "--out"])
def test_an_empty_path_is_no_folder(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in ([*command, ""], [*command[:-1], "--out="]):
        assert "--out is empty" in refusal(monkeypatch, capfd, *words)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.tempfile, "TemporaryFile", full)
    for check in (check_folder_target, check_file_target):
        with pytest.raises(InputError, match="No space left"):
            check(tmp_path / "new")


def test_the_usual_folder_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("kind: bench")
    (tmp_path / "diagnosis").write_text("mine")
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InputError, match=r"diagnosis: cannot be written \(Not a directory"):
        nasneurn.diagnose(tmp_path)
    with pytest.raises(InputError, match=r"report.html: cannot be written \(Is a directory"):
        nasneurn.report(tmp_path)


#: Functions of the package that write what they find, and what they take first.
CALLS = {
    "diagnose": "study",
    "predict": "study",
    "correlate": "study",
    "report": "study",
    "export": "study/weights.safetensors",
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_tells_first_where_nothing_can_be_written(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "config.yaml").write_text("kind: bench")
    function, given = getattr(nasneurn, call), tmp_path / CALLS[call]
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"^out is empty; name a f"):
        function(given, out="")
    for out in (Path(os.devnull), Path(os.devnull, "x")):
        with pytest.raises(InputError, match=r"cannot be written \("):
            function(given, out=out)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "where",
    [a_folder, link_to_a_device, named_pipe, link_loop, below_a_file, long_path, long_name, *LINKS],
)
def test_a_file_never_takes_the_place_of_something_else(where: object, tmp_path: Path) -> None:
    assert callable(where)
    path = where(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="cannot be written"), written_atomically(path) as draft:
        draft.write_text("new")
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(InputError, match="cannot be written"):
        check_file_target(path)


@pytest.mark.parametrize("where", [a_folder, link_to_a_device, named_pipe, below_a_file, *LINKS])
def test_a_table_of_an_alignment_does_neither(where: object, tmp_path: Path) -> None:
    assert callable(where)
    path = where(tmp_path)
    before = [(one, one.lstat().st_mode) for one in sorted(tmp_path.rglob("*"))]
    with pytest.raises(AlignmentError, match="cannot be written"):
        write_table(path, ["a"], [[1]])
    assert [(one, one.lstat().st_mode) for one in sorted(tmp_path.rglob("*"))] == before


@pytest.mark.parametrize("chain", [1, 3])
@pytest.mark.parametrize("writer", ["nasneurn", "alignment"])
def test_of_a_link_the_file_behind_it_is_written(writer: str, chain: int, tmp_path: Path) -> None:
    real = tmp_path / "there" / "real.csv"
    real.parent.mkdir()
    real.write_text("old")
    (tmp_path / "here").mkdir()
    path = tmp_path / "here" / "0.csv"
    path.symlink_to("../there/real.csv")
    for number in range(1, chain):
        other = path.with_name(f"{number}.csv")
        other.symlink_to(path.name)
        path = other
    before = sorted(tmp_path.rglob("*"))
    if writer == "alignment":
        write_table(path, ["a"], [[1]])
    else:
        check_file_target(path)
        with written_atomically(path) as draft:
            draft.write_text("a\n1\n")
    assert path.is_symlink()
    assert not real.is_symlink()
    assert real.read_text() == "a\n1\n"
    assert sorted(tmp_path.rglob("*")) == before


def test_names_as_long_as_names_can_be(tmp_path: Path) -> None:
    for name in ("x" * 251 + ".csv", "ü" * 127, "x." + "y" * 253):
        check_file_target(tmp_path / name)
        with written_atomically(tmp_path / name) as draft:
            draft.write_text("new")
        assert (tmp_path / name).read_text() == "new"


def test_what_can_be_written_is_not_made_yet(tmp_path: Path) -> None:
    check_folder_target(tmp_path / "a" / "b")
    check_file_target(tmp_path / "a" / "b.csv")
    assert not list(tmp_path.iterdir())
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    check_folder_target(tmp_path / "link" / "below")
    (tmp_path / "nowhere").symlink_to("gone")
    with pytest.raises(InputError, match="nowhere: cannot be written"):
        check_folder_target(tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "nowhere", "there"]


@pytest.mark.parametrize("relative", [".", "", "..", "a/../b"])
def test_relative_paths(relative: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_folder_target(Path(relative))
    if relative != "a/../b":
        with pytest.raises(InputError, match="cannot be written"):
            check_file_target(Path(relative))


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write everything")
def test_a_folder_that_may_be_read_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        for check in (check_folder_target, check_file_target):
            with pytest.raises(InputError, match="Permission denied"):
                check(tmp_path / "new")
    finally:
        tmp_path.chmod(0o700)
