"""``nasneurn search`` and ``nasneurn search-quality``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nasneurn.cli.bench_commands import DryRun, run_and_print
from nasneurn.cli.options import (
    STEMS,
    Algorithms,
    AsJson,
    BudgetName,
    Changes,
    ConfigFile,
    DataDir,
    Device,
    Engine,
    Extend,
    FigureFormat,
    ImageSize,
    PrecisionName,
    RetryFailed,
    SaveWeights,
    Seeds,
    Sources,
    Splits,
    Suite,
    Targets,
    Tensorboard,
    TrustCode,
    Workers,
    changes_of,
    execution,
    out_folder,
    refuse_beside_config,
)

Stems = Annotated[
    list[str] | None,
    typer.Option(help=f"{STEMS} Here also search: the stem is searched with the network."),
]
Space = Annotated[
    str,
    typer.Option(
        help="spos, autoformer or module:Class of your own; with settings as spos:width=0.5."
    ),
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        help="Weights of winners: inherited from the supernet, scratch (trained anew), or both."
    ),
]
SelectUnder = Annotated[
    str | None,
    typer.Option(help="What candidates are scored on: held-out images, clean or under shifts."),
]
MaxFlops = Annotated[int | None, typer.Option(min=1, help="Most multiply-adds of a candidate.")]
MaxParams = Annotated[int | None, typer.Option(min=1, help="Most parameters of a candidate.")]


def search_command(
    context: typer.Context,
    space: Space = "spos",
    neurn: Annotated[
        bool | None,
        typer.Option("--neurn/--no-neurn", help="Short for --stems neurn, or for --stems none."),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Short for --stems none,neurn.")
    ] = False,
    stems: Stems = None,
    algorithms: Algorithms = None,
    suite: Suite = "builtin",
    image_size: ImageSize = None,
    splits: Splits = None,
    sources: Sources = None,
    targets: Targets = None,
    seeds: Seeds = None,
    budget: BudgetName = "quick",
    changes: Changes = None,
    select_under: SelectUnder = None,
    objective: Annotated[
        str, typer.Option(help="accuracy, or what is to be low as well: flops, params or latency.")
    ] = "accuracy",
    weights: Weights = None,
    max_flops: MaxFlops = None,
    max_params: MaxParams = None,
    precision: PrecisionName = "auto",
    config_file: ConfigFile = None,
    workers: Workers = 1,
    engine: Engine = None,
    devices: Annotated[
        int, typer.Option(min=1, help="Devices (GPUs) that train one supernet together.")
    ] = 1,
    nodes: Annotated[
        int, typer.Option(min=1, help="Machines that do so, each with --devices.")
    ] = 1,
    strategy: Annotated[
        str, typer.Option(help="Lightning's strategy for several devices; auto is DDP.")
    ] = "auto",
    retry_failed: RetryFailed = False,
    dry_run: DryRun = False,
    save_weights: SaveWeights = False,
    tensorboard: Tensorboard = False,
    figure_format: FigureFormat = "png",
    extend: Extend = False,
    trust_code: TrustCode = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results.", callback=out_folder)
    ] = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Search an architecture on source domains, and measure what is found on every domain.

    The same command continues where it was stopped; several may work on one folder.
    """
    from nasneurn.api import run_config, search_run
    from nasneurn.search.stem_choices import short_forms

    where = execution(
        workers=workers,
        engine=engine,
        device=device,
        data_dir=data_dir,
        retry_failed=retry_failed,
        save_weights=save_weights,
        tensorboard=tensorboard,
        figure_format=figure_format,
        devices=devices,
        nodes=nodes,
        strategy=strategy,
    )
    if config_file is not None:
        refuse_beside_config(context)
        run = run_config(config_file, out=out, trust_code=trust_code, execution=where)
    else:
        run = search_run(
            space,
            stems=short_forms(neurn=neurn, compare=compare, stems=stems or []),
            sources=sources,
            weights=weights or "inherited",
            select_under=select_under,
            objective=objective,
            max_flops=max_flops,
            max_params=max_params,
            out=out,
            extend=extend,
            trust_code=trust_code,
            execution=where,
            **_shared(
                algorithms, suite, image_size, splits, targets, seeds, budget, changes, precision
            ),
        )
    run_and_print(run, dry_run=dry_run, as_json=as_json)


def quality_command(
    context: typer.Context,
    space: Space = "spos",
    stems: Stems = None,
    suite: Suite = "builtin",
    image_size: ImageSize = None,
    splits: Splits = None,
    sources: Sources = None,
    targets: Targets = None,
    seeds: Seeds = None,
    budget: BudgetName = "quick",
    changes: Changes = None,
    architectures: Annotated[
        int, typer.Option(min=2, help="How many architectures of each supernet are trained alone.")
    ] = 12,
    select_under: SelectUnder = None,
    precision: PrecisionName = "auto",
    config_file: ConfigFile = None,
    workers: Workers = 1,
    engine: Engine = None,
    retry_failed: RetryFailed = False,
    dry_run: DryRun = False,
    tensorboard: Tensorboard = False,
    figure_format: FigureFormat = "png",
    extend: Extend = False,
    trust_code: TrustCode = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results.", callback=out_folder)
    ] = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well a supernet ranks architectures that are trained from scratch too.

    The same command continues where it was stopped; several may work on one folder.
    """
    from nasneurn.api import run_config, search_run

    where = execution(
        workers=workers,
        engine=engine,
        device=device,
        data_dir=data_dir,
        retry_failed=retry_failed,
        tensorboard=tensorboard,
        figure_format=figure_format,
    )
    if config_file is not None:
        refuse_beside_config(context)
        run = run_config(config_file, out=out, trust_code=trust_code, execution=where)
    else:
        run = search_run(
            space,
            stems=stems or "none,neurn",
            sources=sources,
            quality=architectures,
            select_under=select_under,
            out=out,
            extend=extend,
            trust_code=trust_code,
            execution=where,
            **_shared(None, suite, image_size, splits, targets, seeds, budget, changes, precision),
        )
    run_and_print(run, dry_run=dry_run, as_json=as_json)


def _shared(
    algorithms: list[str] | None,
    suite: str,
    image_size: int | None,
    splits: Path | None,
    targets: list[str] | None,
    seeds: list[str] | None,
    budget: str,
    changes: list[str] | None,
    precision: str,
) -> dict[str, Any]:
    return {
        "algorithms": algorithms or "erm",
        "suite": suite,
        "image_size": image_size,
        "splits": splits,
        "targets": targets or "all",
        "seeds": ",".join(seeds) if seeds else 1,
        "budget": budget,
        "changes": changes_of(changes),
        "precision": precision,
    }
