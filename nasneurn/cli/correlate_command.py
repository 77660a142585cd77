"""``nasneurn correlate``: does alignment say who gains by a stem?"""

from pathlib import Path
from typing import Annotated

import typer

from nasneurn.cli.options import FigureFormat, TrustCode, out_folder
from nasneurn.errors import InputError


def correlate_command(
    studies: Annotated[list[Path], typer.Argument(help="Folders of studies, one or several.")],
    stem: Annotated[str, typer.Option(help="The stem whose gain is looked at.")] = "neurn",
    control: Annotated[str, typer.Option(help="The stem that gains are measured from.")] = "none",
    profile_distance: Annotated[
        str,
        typer.Option(help="Distance between gains: euclidean, or correlation (1 - correlation)."),
    ] = "euclidean",
    where: Annotated[
        list[str] | None,
        typer.Option(help="Take only rows with COLUMN=VALUE; may be repeated."),
    ] = None,
    neighbours: Annotated[int, typer.Option(help="Nearest architectures that predict a gain.")] = 3,
    random_features: Annotated[
        bool,
        typer.Option(
            "--random-features/--no-random-features",
            help="Also compare networks by their features with random weights, which runs each.",
        ),
    ] = True,
    permutations: Annotated[int, typer.Option(help="Permutations of each test.")] = 9999,
    out: Annotated[Path, typer.Option(help="Folder of the results.", callback=out_folder)] = Path(
        "results/correlate"
    ),
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw figures.")] = True,
    jobs: Annotated[int | None, typer.Option(help="Processes that trace architectures.")] = None,
    trust_code: TrustCode = False,
    figure_format: FigureFormat = "png",
) -> None:
    """Test whether alignment, or something simpler, predicts which architectures gain by a stem.

    Nothing is trained. Distances between architectures are compared with distances between their
    gains over pairs of domains.
    """
    from nasneurn.questions import correlate

    found = correlate(
        studies,
        stem=stem,
        control=control,
        kind=profile_distance,
        where=_columns(where or []),
        neighbours=neighbours,
        random_features=random_features,
        permutations=permutations,
        out=out,
        figures=figures,
        jobs=jobs,
        trust_code=trust_code,
        figure_format=figure_format,
    )
    for line in found.summary():
        typer.echo(line)
    typer.echo(f"wrote tables and figures to {out}")


def _columns(words: list[str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for column, value in map(_column, words):
        if column in chosen:
            raise InputError(f"--where gives {column!r} twice; one value of a column is looked at")
        chosen[column] = value
    return chosen


def _column(word: str) -> tuple[str, str]:
    column, equals, value = word.partition("=")
    if not column or not equals:
        raise InputError(f"--where is {word!r}; it is COLUMN=VALUE, such as algorithm=erm")
    return column, value
