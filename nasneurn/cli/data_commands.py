"""``nasneurn data``: the domains."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from nasneurn.cli.figure_settings import with_figure_settings
from nasneurn.cli.first_line import with_first_line
from nasneurn.cli.options import AsJson, DataDir, Suite, out_file, out_folder
from nasneurn.cli.usual_values import with_usual
from nasneurn.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Look at the domains and prepare their files.")


def prepare_command(
    names: Annotated[
        list[str], typer.Argument(help="mnist, mnistm, svhn, usps or syn; one or several.")
    ],
    photos: Annotated[
        Path | None,
        typer.Option(help="Folder of BSDS500's training photos, of which mnistm is made."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder of SYN, for syn: its two .mat files, or train and test with folders 0 to "
            "9 of images."
        ),
    ] = None,
    data_dir: DataDir = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also make files again that exist.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of mnistm's crops of the photos.")] = 0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a download.")] = False,
) -> None:
    """Download real digit domains, and make MNIST-M, as npz files.

    It says first what it downloads and how large that is, and on a terminal asks whether it may.
    """
    from nasneurn.domains.planned_downloads import planned_downloads
    from nasneurn.domains.prepare import prepare
    from nasneurn.paths import data_dir as usual_data_dir

    out_folder(usual_data_dir(data_dir))
    planned = planned_downloads(names, data_dir, force=force)
    for one in planned:
        typer.echo(
            f"nasneurn: {one.domain}: downloads {_megabytes(one.bytes)} from {one.home} "
            f"({', '.join(one.files)}) to {one.to}",
            err=True,
        )
    if planned and not yes and sys.stdin.isatty() and sys.stderr.isatty():
        total = _megabytes(sum(one.bytes for one in planned))
        if not _allowed(f"Download {total}?"):
            typer.echo("nothing is downloaded", err=True)
            raise typer.Exit(1)
    written = prepare(
        names, data_dir=data_dir, photos=photos, images=images, force=force, seed=seed
    )
    for path in written:
        typer.echo(path)
    if not written:
        typer.echo("all files exist; --force makes them again", err=True)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _allowed(question: str) -> bool:
    """Whether a person says yes; the end of their input is a no."""
    try:
        return typer.confirm(question, default=True, err=True)
    except typer.Abort:
        typer.echo(err=True)  # which leaves the line of the question
        return False


def list_command(
    suite: Annotated[
        str | None, typer.Option(help="builtin, digits or a folder of <domain>/<class>/<images>.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the domains that are there, and what is missing."""
    from nasneurn.domains.inventory import print_inventory, take_inventory

    print_inventory(take_inventory(suite, data_dir), as_json=as_json)


def preview_command(
    suite: Suite = "builtin",
    stem: Annotated[str, typer.Option(help="The stem of the second rows.")] = "neurn",
    out: Annotated[Path, typer.Option(help="The PNG file.", callback=out_file)] = Path(
        "domains.png"
    ),
    data_dir: DataDir = None,
) -> None:
    """Draw a contact sheet: every domain, as it is and through a stem."""
    from nasneurn.domains import load_suite
    from nasneurn.report.contact_sheet import contact_sheet

    if out.suffix.lower() != ".png":
        raise InputError(f"--out is {out}; the name of a PNG file ends in .png")
    typer.echo(contact_sheet(load_suite(suite, data_dir=data_dir), out, stem))


COMMANDS: dict[str, Callable[..., None]] = {
    "prepare": prepare_command,
    "list": list_command,
    "preview": preview_command,
}
for name, command in COMMANDS.items():
    made = with_figure_settings(f"data {name}", with_usual(name, command))
    app.command(name)(with_first_line(f"data {name}", made))
