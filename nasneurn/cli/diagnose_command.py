"""``nasneurn diagnose``: what the stems of a study change."""

from pathlib import Path
from typing import Annotated

import typer

from nasneurn.cli.options import DataDir, Device, FigureFormat, TrustCode, out_folder


def diagnose_command(
    folder: Annotated[Path, typer.Argument(help="The folder of a study.")],
    pairs: Annotated[
        list[str] | None,
        typer.Option(help="source:target of the study; commas between, or repeated."),
    ] = None,
    stems: Annotated[
        list[str] | None,
        typer.Option(help="Stems of the study, beside none; commas between, or repeated."),
    ] = None,
    images: Annotated[
        int, typer.Option(help="Most test images of each domain that are looked at.")
    ] = 500,
    corrupted: Annotated[
        int, typer.Option(help="How many of them also under corruptions; 0 leaves these out.")
    ] = 200,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of tables and figures.", callback=out_folder),
    ] = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    trust_code: TrustCode = False,
    figure_format: FigureFormat = "png",
) -> None:
    """Measure what the stems of a study change: in images, in features and in answers.

    Nothing is trained. Features, confusions, rescued images and corruptions need a study that was
    run with --save-predictions --save-weights.
    """
    from nasneurn.questions import diagnose

    found = diagnose(
        folder,
        pairs=pairs or (),
        stems=stems or (),
        images=images,
        corrupted=corrupted,
        out=out,
        data_dir=data_dir,
        device=device,
        trust_code=trust_code,
        figure_format=figure_format,
    )
    for line in found.summary():
        typer.echo(line)
    typer.echo(f"written to {out or folder / 'diagnosis'}")
