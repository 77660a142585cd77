"""Options with any value end in a plan or in one line that says what is wrong.

``NASNEURN_FUZZ_OPTIONS=3000 pytest tests/test_fuzz_options.py -rP`` tries so many values.
"""

import contextlib
import io
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nasneurn import cli
from nasneurn.studies.run import StudyRun

CASES = int(os.environ.get("NASNEURN_FUZZ_OPTIONS", "100"))

#: What stands before the option; a study is planned, and not run.
COMMANDS = {
    "bench": ["bench", "--sources", "optdigits"],
    "search": ["search"],
    "search-quality": ["search-quality"],
    "ablate": ["ablate", "--groups", "phase"],
    "experiment": ["experiment", "same-domain", "--suite", "builtin"],
    "align": ["align", "--models", "vgg11,vgg16", "--no-figures"],
    "advise": ["advise", "--source", "print", "--target", "street"],
}
#: Files and folders have tests of their own; the last two start processes.
LEFT_OUT = {"--out", "--config", "--help", "--data-dir", "--engine", "--jobs"}

NASTY = [
    "", " ", "-1", "0", "1", "1.5", "1e9", "nan", "inf", "-inf", "1" * 23, "1_000", "0x10", "٣",
    "None", "null", "true", "[]", "{}", "*", "?", ",", ",,", "a,b", "+", "a+b", "=", "x=", "=1",
    "x=1=2", ":", "neurn:", "neurn:k", "neurn:k=", "neurn:k=nan", "neurn:k=4", "neurn:k=3,k=5",
    "none", "all", "../../etc/passwd", "/dev/null", "~", "$HOME", "%s", "{0}", "[/nope]",
    "a" * 5000, "🙂", "é", "\udcff", "os:system", "no.such:Thing", "epochs=0", "epochs=-1",
    "epochs=nan", "learning_rate=inf", "batch_size=0", "steps=1e400", "seeds", "0,0", "0-3", "-0",
    "1,2,x",
]  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(NASTY),
    # No numbers but those above: one that can be meant, as of pixels, may take its time.
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs", "N"]), max_size=20),
)


class Planned(Exception):
    """A study came as far as its first training."""


def options() -> list[tuple[str, str]]:
    """All options that take a value, by command."""
    group = typer.main.get_command(cli.app)
    return [
        (name, parameter.opts[0])
        for name in COMMANDS
        for parameter in group.commands[name].params  # type: ignore[attr-defined]
        if parameter.opts[0].startswith("--")
        and not getattr(parameter, "is_flag", False)
        and parameter.opts[0] not in LEFT_OUT
    ]


@pytest.fixture(scope="module")
def planning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Commands end where their first training would begin."""

    def run(*_: object) -> None:
        raise Planned

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StudyRun, "run", run)
        patch.setattr(cli, "raise_on_signals", lambda: None)
        patch.delenv("NASNEURN_DATA", raising=False)
        yield tmp_path_factory.mktemp("planned")


def ended(words: list[str]) -> tuple[str, str]:
    """How a command ended (``planned``, ``told`` or ``done``), and what it said of errors."""
    errors = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["nasneurn", *words])
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            try:
                cli.main()
            except Planned:
                return "planned", ""
            except SystemExit as end:
                return ("told" if end.code == 2 else f"done {end.code or 0}"), errors.getvalue()
    raise AssertionError("the command came back")


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_without_the_option_each_command_comes_through(command: str, planning: Path) -> None:
    out = [] if command == "advise" else ["--out", str(planning / command)]
    how, errors = ended([*COMMANDS[command], *out])
    assert how in ("planned", "done 0"), errors


@pytest.mark.slow
def test_options_with_any_value_end_in_a_plan_or_in_one_line(planning: Path) -> None:
    counts: Counter[str] = Counter()
    folders = iter(range(10**9))

    @settings(
        max_examples=CASES, deadline=None, database=None, derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    @given(st.sampled_from(options()), VALUES)
    def tried(option: tuple[str, str], value: str) -> None:
        command, name = option
        words = [*COMMANDS[command], f"{name}={value}"]
        if command != "advise":
            words += ["--out", str(planning / str(next(folders)))]
        how, errors = ended(words)
        counts[how] += 1
        assert how in ("planned", "told", "done 0"), errors
        if how == "told":
            lines = [line for line in errors.splitlines() if line.startswith("nasneurn: ")]
            assert len(lines) == 1, errors
            assert "Traceback" not in errors

    tried()
    print(f"{sum(counts.values())} values of {len(options())} options: {dict(counts)}")
