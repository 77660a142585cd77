"""``nasneurn ablate``: the forms of NeuRN beside each other."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nasneurn.cli.bench_commands import DryRun, Models, StartingWeights
from nasneurn.cli.options import (
    Algorithms,
    BudgetOrUsual,
    Changes,
    DataDir,
    Device,
    Engine,
    FigureFormat,
    ImageSize,
    PrecisionName,
    ProtocolName,
    RetryFailed,
    SavePredictions,
    SaveWeights,
    Seeds,
    Sources,
    Splits,
    SuiteOrUsual,
    Targets,
    Tensorboard,
    TrustCode,
    Workers,
    changes_of,
    execution,
    out_folder,
)


def ablate_command(
    groups: Annotated[
        list[str] | None,
        typer.Option(
            help="What is varied: patch, scope, mode, border, placement, scale, colour, phase, "
            "order; commas between."
        ),
    ] = None,
    models: Models = None,
    protocol: ProtocolName = None,
    weights: StartingWeights = None,
    algorithms: Algorithms = None,
    suite: SuiteOrUsual = None,
    image_size: ImageSize = None,
    splits: Splits = None,
    sources: Sources = None,
    targets: Targets = None,
    seeds: Seeds = None,
    budget: BudgetOrUsual = None,
    changes: Changes = None,
    precision: PrecisionName = "auto",
    workers: Workers = 1,
    engine: Engine = None,
    retry_failed: RetryFailed = False,
    save_predictions: SavePredictions = False,
    save_weights: SaveWeights = False,
    tensorboard: Tensorboard = False,
    figure_format: FigureFormat = "png",
    trust_code: TrustCode = False,
    dry_run: DryRun = False,
    out: Annotated[Path, typer.Option(help="Folder of the results.", callback=out_folder)] = Path(
        "results/ablate"
    ),
    device: Device = "auto",
    data_dir: DataDir = None,
) -> None:
    """Train networks behind the forms of NeuRN, and compare each with plain NeuRN and with none.

    Without options: a small network from one built-in domain, three seeds, in some minutes. The
    same command continues where it was stopped, and with other groups adds them to the folder.
    """
    from nasneurn.api import ablate, ablation_run

    where = execution(
        workers=workers,
        engine=engine,
        device=device,
        data_dir=data_dir,
        retry_failed=retry_failed,
        save_predictions=save_predictions,
        save_weights=save_weights,
        tensorboard=tensorboard,
        figure_format=figure_format,
    )
    options: dict[str, Any] = {
        "models": models,
        "protocol": protocol,
        "weights": weights or "scratch",
        "algorithms": algorithms or "erm",
        "suite": suite,
        "image_size": image_size,
        "splits": splits,
        "sources": sources,
        "targets": targets or "all",
        "seeds": ",".join(seeds) if seeds else None,
        "budget": budget,
        "changes": changes_of(changes),
        "precision": precision,
        "out": out,
        "trust_code": trust_code,
        "execution": where,
    }
    if dry_run:
        from nasneurn.cli.bench_commands import run_and_print

        run_and_print(ablation_run(groups or "all", **options, read_images=False), dry_run=True)
        return

    found = ablate(groups or "all", **options)
    for line in found.summary():
        typer.echo(line)
    typer.echo(f"written to {out}")
