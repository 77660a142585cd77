"""How a study is to run is checked before anything of it is there."""

from pathlib import Path
from typing import Any

import pytest
from in_process import refusal
from tiny_bench import tiny_config

import nasneurn
from nasneurn.errors import InputError
from nasneurn.studies.run import Execution, StudyRun

ONE_AT_A_TIME = "--engine here does one thing at a time; leave --workers out, or say --engine local"


@pytest.mark.parametrize("command", ["bench", "search", "search-quality"])
def test_one_engine_has_one_worker(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if command != "bench":
        pytest.importorskip("nni")
    out = tmp_path / "out"
    words = [command, "--sources", "optdigits", "--engine", "here", "--workers", "4", "--dry-run"]
    assert refusal(monkeypatch, capfd, *words, "--out", out) == f"nasneurn: {ONE_AT_A_TIME}"
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"engine": "here", "workers": 4}, ONE_AT_A_TIME),
        ({"engine": "locl"}, "engine is 'locl', must be one of here, local, ray"),
        ({"workers": 0}, "workers is 0, must be a whole number, 1 or more"),
        ({"workers": -1}, "workers is -1, must be"),
        ({"workers": "two"}, "workers is 'two', must be"),
        ({"workers": 1.5}, "workers is 1.5, must be"),
        ({"figure_format": "gif"}, "figure format is 'gif'"),
    ],
)
def test_mistakes_are_told_before_there_is_a_folder(
    options: dict[str, Any], told: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError) as refused:
        nasneurn.bench(
            "digits_convnet",
            sources="optdigits",
            out=out,
            execution=Execution(device="cpu", **options),
        )
    assert str(refused.value).startswith(told)
    assert not out.exists()


def test_one_worker_may_be_anywhere(tmp_path: Path) -> None:
    for engine in ("here", "local", None):
        run = StudyRun(tiny_config(), tmp_path / "out", Execution(device="cpu", engine=engine))
        assert run.execution.workers == 1
