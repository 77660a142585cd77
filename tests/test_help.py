"""``--help`` shows what is usual for each option; completion; the first line comes soon."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from nasneurn import cli
from nasneurn.cli.first_line import with_first_line
from nasneurn.cli.usual_values import STUDY, USUAL

#: Options that, not given, do nothing at all.
OFF = {
    "splits", "changes", "protocol", "config_file", "photos", "images", "pair", "compare",
    "shuffles", "max_params", "max_flops", "where", "version", "install_completion",
    "show_completion", "help",
}  # fmt: skip
#: Options whose help is Typer's.
GIVEN = {"install_completion", "show_completion", "help"}


def commands() -> Iterator[tuple[str, Any]]:
    group: Any = typer.main.get_command(cli.app)
    for name, command in group.commands.items():
        yield from getattr(command, "commands", {name: command}).items()


@pytest.mark.parametrize("name", sorted(dict(commands())))
def test_each_option_shows_its_default(name: str) -> None:
    command = dict(commands())[name]
    untold = [
        parameter.name
        for parameter in command.params
        if parameter.default in (None, ())
        and not parameter.required
        and parameter.name not in OFF
        and not isinstance(parameter.show_default, str)
    ]
    assert not untold
    there = {parameter.name for parameter in command.params}
    assert USUAL.get(name, {}).keys() - STUDY.keys() <= there


@pytest.mark.parametrize("name", sorted(dict(commands())))
def test_help_is_whole_sentences_that_tell_no_default_twice(name: str) -> None:
    command = dict(commands())[name]
    parameters = [one for one in command.params if one.name not in GIVEN]
    assert not [one.name for one in parameters if not str(one.help).endswith(".")]
    told = [one.name for one in parameters if re.search(r"by default|; else|default\)", one.help)]
    assert not told


def test_help_names_all_stems_and_algorithms_that_there_are() -> None:
    from nasneurn.algorithms import ALGORITHMS
    from nasneurn.located import Located
    from nasneurn.stems import STEMS

    options = {one.name: one.help for one in dict(commands())["bench"].params}
    for registry, option in ((STEMS, "stems"), (ALGORITHMS, "algorithms")):
        # Other tests of this process may have registered more.
        names = {name for name in registry if isinstance(registry.maker(name), Located)}
        assert len(names) > 5
        assert names <= set(re.findall(r"\w+", options[option]))


def test_no_command_tells_the_defaults_of_another() -> None:
    seeds = {
        name: parameter.show_default
        for name, command in commands()
        for parameter in command.params
        if parameter.name == "seeds"
    }
    assert seeds == {
        "bench": "2", "experiment": "5", "search": "1", "search-quality": "1", "ablate": "3",
    }  # fmt: skip


def test_usual_values_are_those_of_the_code() -> None:
    from inspect import signature

    from nasneurn.api import bench_run
    from nasneurn.studies.ablations import SMALL
    from nasneurn.studies.named_protocols import named_protocol

    usual = named_protocol(None)
    told = USUAL["bench"]
    assert (told["models"], told["suite"], told["sources"], told["budget"], told["adaptation"]) == (
        usual.models, usual.suite, usual.sources, usual.budget, usual.adaptation,
    )  # fmt: skip
    assert told["seeds"] == str(usual.seeds)
    parameters = signature(bench_run).parameters
    for name in ("weights", "algorithms", "placements"):
        assert told[name] == parameters[name].default
    assert USUAL["ablate"]["seeds"] == str(SMALL.seeds)
    assert USUAL["ablate"]["sources"].startswith(SMALL.sources)


def test_what_goes_on_with_a_study_may_be_told_to_trust_its_code() -> None:
    """Its folder may be from elsewhere."""
    parameters = {name: {one.name for one in command.params} for name, command in commands()}
    going_on = {name for name, there in parameters.items() if {"out", "retry_failed"} <= there}
    assert going_on == {"bench", "experiment", "search", "search-quality", "ablate"}
    assert not [name for name in going_on if "trust_code" not in parameters[name]]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_options(shell: str) -> None:
    words = {
        "bash": {"COMP_WORDS": "nasneurn do", "COMP_CWORD": "1"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "nasneurn do"},
        "fish": {
            "_TYPER_COMPLETE_ARGS": "nasneurn do", "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
    }[shell]  # fmt: skip
    environment = {**os.environ, **words, "_NASNEURN_COMPLETE": f"complete_{shell}"}
    code = "import sys; sys.argv = ['nasneurn']; from nasneurn.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert "doctor" in done.stdout
    assert "bench" not in done.stdout


def test_a_person_who_waits_sees_a_line_before_libraries_are_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def slow(option: int = 1) -> None:
        print("done", file=sys.stderr)

    command = with_first_line("bench", slow)
    command()
    assert capsys.readouterr().err == "done\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    command()
    assert capsys.readouterr().err == "nasneurn bench: loading libraries\ndone\n"
    assert with_first_line("status", slow) is slow


def test_no_command_loads_libraries_before_its_first_line() -> None:
    code = (
        "import sys\n"
        "from nasneurn.cli import COMMANDS\n"
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'nni', 'timm', 'scipy', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)), len(COMMANDS))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] ")
