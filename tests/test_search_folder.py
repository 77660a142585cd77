"""What a search takes from the folder that it extends, and which studies have its tables."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_bench
from in_process import refusal, run_command

from nasneurn.api import load_results, search_run
from nasneurn.cli import search_commands
from nasneurn.errors import InputError
from nasneurn.studies.run import Execution, StudyRun

EXAMPLES = Path(__file__).parents[1] / "examples"
OWN = "own_stem:EdgeDetect"


@pytest.fixture
def own_stem(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.syspath_prepend(EXAMPLES)
    yield OWN
    sys.modules.pop(OWN.partition(":")[0], None)


def begun(out: Path, stems: str, quality: int | None = None) -> StudyRun:
    pytest.importorskip("nni")
    run = search_run(stems=stems, quality=quality, out=out, execution=Execution(device="cpu"))
    run._write_config()
    return run


def test_a_search_with_code_of_ones_own_is_extended_where_it_is_trusted(
    own_stem: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    begun(out, own_stem)
    extended: dict[str, Any] = {
        "stems": "neurn", "out": out, "extend": True, "execution": Execution(device="cpu"),
    }  # fmt: skip
    with pytest.raises(InputError, match="--trust-code"):
        search_run(**extended)
    stems = search_run(**extended, trust_code=True).config.stems
    assert sorted(map(str, stems)) == ["neurn", own_stem]


@pytest.mark.parametrize(("command", "quality"), [("search", None), ("search-quality", 12)])
def test_the_commands_pass_trust_on(
    command: str,
    quality: int | None,
    own_stem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    begun(out, own_stem, quality)
    planned: list[StudyRun] = []
    monkeypatch.setattr(search_commands, "run_and_print", lambda run, **_: planned.append(run))
    words = [command, "--stems", "neurn", "--device", "cpu", "--extend", "--out", out]
    assert "--trust-code" in refusal(monkeypatch, capfd, *words)
    assert run_command(monkeypatch, *words, "--trust-code") == 0
    (run,) = planned
    assert sorted(map(str, run.config.stems)) == ["neurn", own_stem]


def test_a_bench_says_that_it_is_no_search(tmp_path: Path) -> None:
    StudyRun(tiny_bench.tiny_config(), tmp_path, Execution(device="cpu"))._write_config()
    study = load_results(tmp_path)
    for name, wanted in (("evolution", "search"), ("quality", "measured search")):
        with pytest.raises(InputError) as told:
            getattr(study, name)
        assert str(told.value) == f"{tmp_path} holds a bench, no {wanted}: it has no {name}"


def test_a_search_says_what_it_does_not_have(tmp_path: Path) -> None:
    begun(tmp_path, "neurn")
    study = load_results(tmp_path)
    with pytest.raises(InputError, match=r"has no evolution\.csv yet; nasneurn status tells"):
        _ = study.evolution
    with pytest.raises(InputError, match="holds a search, no measured search: it has no control"):
        _ = study.control
