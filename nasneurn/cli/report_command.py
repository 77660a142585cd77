"""``nasneurn report``: studies as one page, or as Markdown or LaTeX."""

from pathlib import Path
from typing import Annotated

import typer

from nasneurn.cli.options import TrustCode, out_file


def report_command(
    studies: Annotated[
        list[Path], typer.Argument(help="Folders of studies or alignments, one or several.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write.", callback=out_file),
    ] = None,
    format: Annotated[str, typer.Option(help="html, md or tex.")] = "html",
    trust_code: TrustCode = False,
) -> None:
    """Write one page of a study or an alignment: headline, what was run, tables and figures.

    The page needs no network. Nothing is trained; of an unfinished study it shows what is done.
    """
    from nasneurn.questions import report

    path, contents = report(studies, out=out, format=format, trust_code=trust_code)
    for content in contents:
        for line in [*content.missing, *content.headline]:
            typer.echo(f"{content.name}: {line}" if len(contents) > 1 else line)
    typer.echo(f"written to {path}")
