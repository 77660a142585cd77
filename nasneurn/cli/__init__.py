"""The ``nasneurn`` command: parse, call, print. Nothing heavy is imported before it is needed."""

import atexit
import gc
import os
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, NoReturn

import typer

from alignment.errors import AlignmentError
from nasneurn.cli.ablate_command import ablate_command
from nasneurn.cli.advise_command import advise_command, predict_command
from nasneurn.cli.align_command import align_command
from nasneurn.cli.bench_commands import bench_command, experiment_command
from nasneurn.cli.correlate_command import correlate_command
from nasneurn.cli.data_commands import app as data_app
from nasneurn.cli.diagnose_command import diagnose_command
from nasneurn.cli.doctor_command import doctor_command
from nasneurn.cli.export_command import export_command
from nasneurn.cli.figure_settings import with_figure_settings
from nasneurn.cli.first_line import with_first_line
from nasneurn.cli.report_command import report_command
from nasneurn.cli.search_commands import quality_command, search_command
from nasneurn.cli.study_commands import figures_command, status_command
from nasneurn.cli.usual_values import with_usual
from nasneurn.errors import InputError, one_line
from nasneurn.files import shown
from nasneurn.interruption import Interrupted, raise_on_signals, was_interrupted
from nasneurn.paths import lend_caches
from nasneurn.streams import make_lasting, unwritten
from search_spaces.errors import SpaceError

#: What a person can mend: told in one line, with exit code 2.
INPUT_ERRORS = (InputError, SpaceError, AlignmentError)

#: Letters of an error that are shown: a value in it may have any number.
LONGEST = 2000

app = typer.Typer(
    name="nasneurn",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Benchmark architectures, hand-made and searched, on domain generalization.",
)
#: By the heading under which ``--help`` has them.
HEADINGS: dict[str, dict[str, Callable[..., None]]] = {
    "Train and measure": {
        "bench": bench_command,
        "search": search_command,
        "search-quality": quality_command,
        "ablate": ablate_command,
        "experiment": experiment_command,
    },
    "Look at studies": {
        "status": status_command,
        "report": report_command,
        "figures": figures_command,
        "diagnose": diagnose_command,
        "correlate": correlate_command,
        "predict": predict_command,
    },
    "More": {
        "advise": advise_command,
        "align": align_command,
        "export": export_command,
        "doctor": doctor_command,
    },
}
COMMANDS = {name: one for commands in HEADINGS.values() for name, one in commands.items()}
for heading, commands in HEADINGS.items():
    for name, command in commands.items():
        made = with_first_line(name, with_figure_settings(name, with_usual(name, command)))
        app.command(name, rich_help_panel=heading)(made)
app.add_typer(data_app, name="data", rich_help_panel="More")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"nasneurn {version('nasneurn')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def _end_quickly() -> None:
    """Leave out Python's last search for garbage, half a second long after seaborn."""
    if "torch" not in sys.modules:  # of whose extensions some complain of what is left
        gc.freeze()


def _refuse_empty_out(words: Sequence[str]) -> None:
    """Refuse ``--out ""``, which Typer would give to a command as the current folder."""
    if "--out=" in words or ("--out", "") in pairwise(words):
        raise InputError("--out is empty; name a file or a folder, or . for the current folder")


def main() -> None:
    """Run the command; a mistake in the input is one line on stderr and exit code 2."""
    raise_on_signals()
    atexit.register(_end_quickly)
    make_lasting()
    lend_caches()
    os.environ["MPLBACKEND"] = "Agg"  # which needs no screen; no command opens a window
    try:
        _refuse_empty_out(sys.argv)
        status = _status_unless_interrupted()
    except INPUT_ERRORS as error:
        if os.environ.get("NASNEURN_DEBUG"):
            raise
        _fail(str(error))
    except OSError as error:
        # A full disk, a folder that may not be read, a path that is too long: no fault of the code.
        if os.environ.get("NASNEURN_DEBUG") or error.strerror is None:
            raise
        _fail(f"{shown(error.filename)}: {error.strerror}" if error.filename else error.strerror)
    except Exception as error:
        if _is_of_memory(error) and not os.environ.get("NASNEURN_DEBUG"):
            _fail(f"memory does not suffice: {one_line(error)}")
        # Typer's usage errors; their class lies in click or inside typer, by typer's version.
        if not hasattr(error, "format_message"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # type: ignore[attr-defined]
            sys.exit(2)
        _fail(error.format_message())
    sys.exit((status if isinstance(status, int) else 0) or _status_of_output())


def _is_of_memory(error: Exception) -> bool:
    if "torch" not in sys.modules:
        return isinstance(error, MemoryError)
    from nasneurn.training.memory import out_of_memory

    return out_of_memory(error)


def _status_unless_interrupted() -> object:
    """What the command gives back; a signal ends it as one, also where an import fails by it."""
    try:
        return app(standalone_mode=False)
    except (Interrupted, Exception):
        if not was_interrupted():
            raise
        print("nasneurn: interrupted; run the same command again to continue", file=sys.stderr)
        sys.exit(130)


def _status_of_output() -> int:
    """0, or what says that results could not be printed; they are in their files all the same."""
    error = unwritten(sys.stdout)
    if error is None:
        return 0
    if isinstance(error, BrokenPipeError):  # `| head`, which wants no more
        return 128 + 13  # as of commands that the signal SIGPIPE ends
    _fail(f"standard output cannot be written ({error.strerror})")


def _fail(message: str) -> NoReturn:
    line = " ".join(message.split())
    half = LONGEST // 2  # the reason stands at the end
    short = line if len(line) <= LONGEST else f"{line[:half]} ... {line[-half:]}"
    print(f"nasneurn: {short}", file=sys.stderr)
    sys.exit(2)
