"""``nasneurn doctor``: what is here, what is missing, and the command that gets it."""

import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from nasneurn.cli.options import DataDir

if TYPE_CHECKING:
    from nasneurn.doctor.remarks import Remark


def doctor_command(data_dir: DataDir = None) -> None:
    """Look at versions, machine, data, caches, extras and devices, and say what is missing.

    The exit code is 0 unless something that is needed is broken.
    """
    broken = 0
    for title, remarks in _parts(data_dir):
        typer.echo(title)
        for one in remarks:
            typer.echo(_wrapped(f"  {one.state:<8}", one.text))
            broken += one.state == "broken"
    if broken:
        typer.echo(f"{broken} broken", err=True)
        raise typer.Exit(1)


def _wrapped(begin: str, text: str) -> str:
    """A remark; on a terminal in lines that fit it, below each other."""
    if not sys.stdout.isatty():
        return begin + text
    return textwrap.fill(
        text,
        width=max(shutil.get_terminal_size().columns, 40),
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _parts(data_dir: DataDir) -> "Iterator[tuple[str, Iterator[Remark]]]":
    """The parts in the order of what they take; PyTorch, which takes long to import, comes last."""
    from nasneurn.doctor.packages import examine_extras, examine_packages

    yield "packages", examine_packages()
    yield "optional extras", examine_extras()
    from nasneurn.doctor.machine import examine_machine

    yield "machine", examine_machine()
    from nasneurn.doctor.holdings import examine_caches, examine_data

    yield "caches", examine_caches()
    yield "data", examine_data(data_dir)
    from nasneurn.doctor.torch_devices import examine_devices

    yield "devices", examine_devices()
