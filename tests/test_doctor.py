"""``nasneurn doctor``, and what ``data prepare`` says before it downloads."""

import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from in_process import run_command
from test_domains_digits import write_pack

from nasneurn.cli import data_commands
from nasneurn.doctor import holdings, machine, packages, torch_devices
from nasneurn.doctor.packages import EXTRAS
from nasneurn.domains import planned_downloads
from nasneurn.domains.planned_downloads import SIZES

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: object) -> tuple[int, list[str]]:
        code = run_command(monkeypatch, "doctor", *arguments)
        return code, capsys.readouterr().out.splitlines()

    return call


def test_all_that_is_well_ends_with_0(doctor: Any, tmp_path: Path, fresh_cache: Path) -> None:
    write_pack(tmp_path, "mnist_train")
    write_pack(tmp_path, "mnist_test")
    code, lines = doctor("--data-dir", tmp_path)
    assert code == 0
    parts = ["packages", "optional extras", "machine", "caches", "data", "devices"]
    assert [line for line in lines if not line.startswith(" ")] == parts
    text = "\n".join(lines)
    assert f"digits in {tmp_path}: mnist\n" in text
    assert "nasneurn data prepare mnistm svhn usps" in text
    assert str(fresh_cache) in text
    assert "NeuRN runs" in text
    assert "broken" not in text


def test_what_is_needed_and_broken_ends_with_1(
    doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = packages.version

    def version(name: str) -> str:
        if name == "pandas":
            raise PackageNotFoundError(name)
        return "0.1" if name == "torch" else real(name)

    monkeypatch.setattr(packages, "version", version)
    monkeypatch.setattr(torch_devices, "examine_devices", lambda: iter(()))
    code, lines = doctor()
    assert code == 1
    broken = [line for line in lines if line.startswith("  broken")]
    assert len(broken) == 2
    assert "pandas is not installed" in broken[0]
    assert "torch 0.1 is installed, and >=2" in broken[1]


def test_a_missing_extra_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packages, "version", version)
    told = [one for one in packages.examine_extras() if one.text.startswith("ray: ")]
    assert [one.state for one in told] == ["missing"]
    assert told[0].text.endswith("pip install 'nasneurn[ray]'")


def test_extras_are_those_of_the_project() -> None:
    extras = PROJECT["optional-dependencies"]
    for name, (_, needed, command) in EXTRAS.items():
        if "nasneurn[" in command:
            listed = " ".join(extras[name])
            assert all(one in listed for one in needed)
    told = {name for name, (_, _, command) in EXTRAS.items() if "nasneurn[" in command}
    assert extras.keys() - told <= {"test", "docs", "benchmarks"}


def test_the_first_line_needs_no_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from nasneurn.cli.doctor_command import _parts\n"
        "parts = _parts(None)\n"
        "for _ in range(3):\n    title, remarks = next(parts)\n    list(remarks)\n"
        "print(title, sorted({'torch', 'pandas', 'nni', 'timm'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "machine []\n"


def test_a_torch_that_cannot_be_imported_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    (remark,) = torch_devices.examine_devices()
    assert remark.state == "broken"
    assert "PyTorch cannot be imported" in remark.text


def test_a_damaged_file_and_little_room_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split in ("train", "test"):
        (tmp_path / f"usps_{split}.npz").write_bytes(b"no zip")
    texts = [one.text for one in holdings.examine_data(tmp_path) if one.state == "missing"]
    assert any("not a whole npz file" in text for text in texts)
    monkeypatch.setattr(machine, "LEAST_DISK", 1e18)
    monkeypatch.setattr(machine, "LEAST_MEMORY", 1e18)
    states = {one.text.split(":")[0].split()[0]: one.state for one in machine.examine_machine()}
    assert states["memory"] == states["working"] == states["cache"] == "missing"


# ---------------------------------------------------------------- data prepare


def test_what_is_downloaded_is_told_with_its_size(tmp_path: Path) -> None:
    mnist, svhn = planned_downloads.planned_downloads(["svhn", "mnist", "mnistm"], tmp_path)
    assert (mnist.domain, svhn.domain) == ("mnist", "svhn")
    assert mnist.bytes == 9_912_422 + 28_881 + 1_648_877 + 4_542
    assert svhn.bytes == 182_040_794 + 64_275_384
    assert set(mnist.files) | set(svhn.files) <= SIZES.keys()
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "train_32x32.mat").write_bytes(b"")
    (raw / "test_32x32.mat.part").write_bytes(bytes(375_384))
    (left,) = planned_downloads.planned_downloads(["svhn"], tmp_path)
    assert (left.files, left.bytes) == (("test_32x32.mat",), 63_900_000)
    for split in ("train", "test"):
        write_pack(tmp_path, f"svhn_{split}")
    assert planned_downloads.planned_downloads(["svhn"], tmp_path) == []
    assert planned_downloads.planned_downloads(["svhn", "mars"], tmp_path, force=True) == []


def test_each_raw_file_has_a_size() -> None:
    from nasneurn.domains.prepare import SOURCES

    names = {
        file.name
        for source in SOURCES.values()
        for split in ("train", "test")
        for file in source.files(split)
    }
    assert names == SIZES.keys()


@pytest.mark.parametrize(
    ("terminal", "words", "answer", "downloads"),
    [
        (False, (), None, True),
        (True, (), True, True),
        (True, (), False, False),
        (True, ("--yes",), None, True),
    ],
)
def test_it_is_asked_for_on_a_terminal_alone(
    terminal: bool,
    words: tuple[str, ...],
    answer: bool | None,
    downloads: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made: list[Any] = []
    asked: list[str] = []

    def prepare(names: Any, **options: Any) -> list[Path]:
        made.append(names)
        return [tmp_path / "usps_train.npz"]

    def confirm(text: str, **options: Any) -> bool | None:
        asked.append(text)
        return answer

    monkeypatch.setattr("nasneurn.domains.prepare.prepare", prepare)
    monkeypatch.setattr(data_commands.typer, "confirm", confirm)
    for stream in (data_commands.sys.stdin, data_commands.sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
    code = run_command(monkeypatch, "data", "prepare", "usps", "--data-dir", tmp_path, *words)
    assert (code, bool(made)) == (0 if downloads else 1, downloads)
    assert asked == (["Download 8.4 MB?"] if answer is not None else [])
    told = capsys.readouterr().err
    assert "usps: downloads 8.4 MB from https://www.csie.ntu.edu.tw/" in told
    assert f"(usps.bz2, usps.t.bz2) to {tmp_path / 'raw'}" in told


def test_missing_data_says_how_their_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("bench", "--suite", "digits", "--data-dir", tmp_path, "--out", tmp_path / "out")
    assert run_command(monkeypatch, *arguments) == 2
    told = capsys.readouterr().err
    for word in ("--data-dir", "NASNEURN_DATA", "nasneurn data prepare mnist"):
        assert word in told
