"""The ``nasneurn`` command: parse, call, print. Nothing heavy is imported before it is needed."""

import os
import sys
from typing import Annotated

import typer

from nasneurn.errors import InputError

app = typer.Typer(
    name="nasneurn",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Benchmark architectures, hand-made and searched, on domain generalization.",
)
data_app = typer.Typer(no_args_is_help=True, help="Look at the domains and prepare their files.")
app.add_typer(data_app, name="data")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"nasneurn {version('nasneurn')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; a mistake in the input is one line on stderr and exit code 2."""
    try:
        app()
    except InputError as error:
        if os.environ.get("NASNEURN_DEBUG"):
            raise
        print(f"nasneurn: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("nasneurn: interrupted; run the same command again to continue", file=sys.stderr)
        sys.exit(130)
