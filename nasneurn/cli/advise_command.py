"""``nasneurn predict`` and ``nasneurn advise``: what a stem gains, told without training."""

from pathlib import Path
from typing import Annotated

import typer

from nasneurn.cli.options import (
    AsJson,
    DataDir,
    Device,
    FigureFormat,
    Splits,
    TrustCode,
    out_folder,
)


def predict_command(
    studies: Annotated[list[Path], typer.Argument(help="Folders of studies, one or several.")],
    stems: Annotated[
        list[str] | None, typer.Option(help="Stems whose gain is predicted; commas between.")
    ] = None,
    control: Annotated[str, typer.Option(help="The stem that gains are measured from.")] = "none",
    images: Annotated[
        int, typer.Option(min=20, help="Most images of each domain that are looked at.")
    ] = 500,
    out: Annotated[Path, typer.Option(help="Folder of the results.", callback=out_folder)] = Path(
        "results/predict"
    ),
    data_dir: DataDir = None,
    device: Device = "auto",
    trust_code: TrustCode = False,
    figure_format: FigureFormat = "png",
) -> None:
    """Fit a model of what stems gain on pairs of domains, and judge it on unknown domains.

    The model sees unlabelled images of source and target alone. A study of --suite builtin+shifts
    gives many pairs. Nothing is trained.
    """
    from nasneurn.questions import predict

    found = predict(
        studies,
        stems=stems or (),
        control=control,
        images=images,
        out=out,
        data_dir=data_dir,
        device=device,
        trust_code=trust_code,
        figure_format=figure_format,
    )
    for line in found.summary():
        typer.echo(line)
    typer.echo(f"written to {out}; nasneurn advise --model {out / 'model.json'} advises by it")


def advise_command(
    source: Annotated[
        str, typer.Option(help="A domain of the suite, or a folder of images without labels.")
    ],
    target: Annotated[str, typer.Option(help="The same, where the network is to work.")],
    stem: Annotated[str, typer.Option(help="The stem in question.")] = "neurn",
    suite: Annotated[
        str | None,
        typer.Option(
            help="builtin, digits, digits-resized or a folder of <domain>/<class>/<images>, whose "
            "domains are named."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A model.json that nasneurn predict wrote.")
    ] = None,
    splits: Splits = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    trust_code: TrustCode = False,
    as_json: AsJson = False,
) -> None:
    """Say whether a stem will gain on a pair of domains, before any training.

    No label is looked at, neither of the source nor of the target.
    """
    import json

    from nasneurn.questions import advise

    found = advise(
        source,
        target,
        stem=stem,
        suite=suite,
        model=model,
        splits=splits,
        data_dir=data_dir,
        device=device,
        trust_code=trust_code,
    )
    for name in found.unreadable:
        typer.echo(f"left out, not a readable image: {name}", err=True)
    if as_json:
        typer.echo(json.dumps(found.as_dict()))
        return
    typer.echo(found.sentence)
    typer.echo("The known pairs that are most like it:")
    for pair in found.nearest:
        typer.echo(
            f"  {pair.suite}: {pair.source} to {pair.target}, {pair.gain:+.1f} points "
            f"(distance {pair.distance:.2f})"
        )
