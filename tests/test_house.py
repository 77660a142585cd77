"""What holds for the house as a whole: who knows NNI, short files, and a quick start."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from in_process import only_line, refusal

ROOT = Path(__file__).parents[1]


def test_only_one_file_knows_nnis_insides() -> None:
    for path in (ROOT / "nasneurn").rglob("*.py"):
        names = {
            node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module
        }
        assert not any(name.split(".")[0] == "nni" for name in names), path
    for path in (ROOT / "search_spaces").glob("*.py"):
        inside = "nni.nas.oneshot" in path.read_text()
        assert inside == (path.name == "nni_fixes.py"), path


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["search", "--help"]])
def test_the_command_starts_without_heavy_imports(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from nasneurn.cli import main\n"
        f"sys.argv = ['nasneurn', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'nni', 'timm', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "study"),
    [
        ("status", "bench-digits"),
        ("status", "search-digits/spos"),
        ("figures", "search-digits/spos"),
        ("report", "search-digits/spos"),
    ],
)
def test_what_reads_tables_alone_loads_no_library_of_networks(
    command: str, study: str, tmp_path: Path
) -> None:
    copied = shutil.copytree(ROOT / "results" / study, tmp_path / study)
    code = (
        "import sys\n"
        "from nasneurn.cli import main\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        "heavy = {'torch', 'torchvision', 'timm', 'nni', 'pytorch_lightning'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    words = [sys.executable, "-c", code, command, str(copied)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_files_are_short_and_modules_have_names_of_their_own() -> None:
    for package in ("alignment", "nasneurn", "search_spaces"):
        names: dict[str, Path] = {}
        for path in (ROOT / package).rglob("*.py"):
            lines = len(path.read_text().splitlines())
            assert lines <= 400, f"{path.relative_to(ROOT)} has {lines} lines"
            # What may be brought has a conformance suite in each of its rooms.
            if path.name not in ("__init__.py", "__main__.py", "conformance.py"):
                assert path.name not in names, f"{path} and {names[path.name]} have one name"
                assert path.stem not in ("utils", "helpers", "misc", "common")
                names[path.name] = path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["serch"], "No such command 'serch'"),
        (["search", "--budget", "quik"], "did you mean 'quick'?"),
        (["search", "--seeds", "x"], "seeds are 'x'"),
        (["search", "--sources", "mars"], "source 'mars' is not a domain of builtin"),
        (["search", "--max-flops", "5"], "the smallest of the space has"),
        (["search", "--stems", "neurm"], "neurn"),
        (["search", "--stems", "neurn:k=4"], "4"),
        (["search", "--stems", "randconv:kernel_sizes=[1,3"], "is no value"),
        (["search", "--no-neurn", "--compare"], "--no-neurn means no stem"),
        (["search", "--space", "darts"], "space is 'darts', must be one of spos"),
        (["search", "--space", "autoformer", "--max-flops", "5"], "the smallest of the space has"),
        (["search", "--space", "autoformer:patch_size=5"], "do not tile"),
        (["search", "--set", "supernet.sampling=sandwich"], "accumulate is 1"),
        (["search", "--set", "supernet.step=5"], "did you mean 'steps'?"),
        (["search", "--set", "steps=[1"], "is no value"),
        (["search", "--set", "population=5"], "say --set supernet.population"),
        (["search", "--objective", "speed"], "objective is 'speed'"),
        (["search-quality", "--stems", "neurm"], "neurn"),
        (["search", "--suite", "/no/such/folder"], "/no/such/folder"),
        (["search", "--device", "tpu"], "device is 'tpu'"),
        (["bench", "--set", "epochs=1", "--set", "epochs=2"], "gives 'epochs' twice"),
        (["bench", "--set", "epochs=0"], "epochs is 0"),
        (["bench", "--config", "no.yaml"], "no.yaml"),
        (["bench", "--algorithms", "erm:x=1"], "the algorithm erm has none"),
        (["experiment", "vgg19-transfr"], "did you mean 'vgg19-transfer'?"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told in refusal(monkeypatch, capfd, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["serch"], "No such command 'serch'"),
        (["bench", "--set", "epochs=0"], "epochs is 0"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2_of_the_process(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "nasneurn", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert told in only_line(done.stdout, done.stderr)
    assert list(tmp_path.iterdir()) == []
