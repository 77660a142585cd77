"""``nasneurn bench`` and ``nasneurn experiment``: grids of networks, stems, domains and seeds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nasneurn.cli.options import (
    AdaptationName,
    Algorithms,
    AsJson,
    BudgetName,
    BudgetOrUsual,
    Changes,
    ConfigFile,
    DataDir,
    Device,
    Engine,
    Extend,
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
    Stems,
    SuiteOrUsual,
    Targets,
    Tensorboard,
    TrustCode,
    Workers,
    changes_of,
    execution,
    out_folder,
    refuse_beside_config,
)

if TYPE_CHECKING:
    from nasneurn.studies.run import StudyRun

Models = Annotated[
    list[str] | None,
    typer.Option(
        help="Networks: digits_convnet, a name of timm or of the paper's 44, torchvision:NAME, "
        "module:Name of your own, a pattern such as 'vgg1?', architecture.json#NAME that a search "
        "found, or representatives; commas between, or repeated."
    ),
]
StartingWeights = Annotated[
    list[str] | None,
    typer.Option(
        "--weights", help="What networks start from: scratch, pretrained or a file; commas between."
    ),
]
Placements = Annotated[
    list[str] | None,
    typer.Option(
        help="Where stems stand: front, inside, own_scale, concatenate, mix, "
        "mix_from_image, mix_from_stem, after_first, training, testing; commas between."
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Train nothing: check all, and list trainings and the time they take."
    ),
]


def bench_command(
    context: typer.Context,
    models: Models = None,
    protocol: ProtocolName = None,
    weights: StartingWeights = None,
    stems: Stems = None,
    placements: Placements = None,
    algorithms: Algorithms = None,
    suite: SuiteOrUsual = None,
    image_size: ImageSize = None,
    splits: Splits = None,
    sources: Sources = None,
    targets: Targets = None,
    seeds: Seeds = None,
    budget: BudgetOrUsual = None,
    changes: Changes = None,
    adaptation: AdaptationName = None,
    precision: PrecisionName = "auto",
    config_file: ConfigFile = None,
    workers: Workers = 1,
    engine: Engine = None,
    retry_failed: RetryFailed = False,
    dry_run: DryRun = False,
    extend: Extend = False,
    compiled: Annotated[
        bool,
        typer.Option("--compile", help="Use torch.compile, which pays in long trainings on a GPU."),
    ] = False,
    save_predictions: SavePredictions = False,
    save_weights: SaveWeights = False,
    tensorboard: Tensorboard = False,
    figure_format: FigureFormat = "png",
    trust_code: TrustCode = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results.", callback=out_folder),
    ] = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Train networks behind stems on source domains, and measure them on every domain.

    Without options: a small convolutional network without and with NeuRN on the built-in domains,
    two seeds, in some minutes. The same command continues where it was stopped; several may work
    on one folder.
    """
    from nasneurn.api import bench_run, run_config

    where = execution(
        workers=workers,
        engine=engine,
        device=device,
        data_dir=data_dir,
        retry_failed=retry_failed,
        compiled=compiled,
        save_predictions=save_predictions,
        save_weights=save_weights,
        tensorboard=tensorboard,
        figure_format=figure_format,
    )
    if config_file is not None:
        refuse_beside_config(context)
        run = run_config(config_file, out=out, trust_code=trust_code, execution=where)
    else:
        run = bench_run(
            models,
            protocol=protocol,
            weights=weights or "scratch",
            stems=stems or "none,neurn",
            placements=placements or "front",
            algorithms=algorithms or "erm",
            suite=suite,
            image_size=image_size,
            splits=splits,
            sources=sources,
            targets=targets or "all",
            seeds=",".join(seeds) if seeds else None,
            budget=budget,
            changes=changes_of(changes),
            adaptation=adaptation,
            precision=precision,
            out=out or Path("results/bench"),
            extend=extend,
            trust_code=trust_code,
            execution=where,
            read_images=not dry_run,
        )
    run_and_print(run, dry_run=dry_run, as_json=as_json)


def run_and_print(run: "StudyRun", *, dry_run: bool = False, as_json: bool = False) -> None:
    """Run a planned study and print what came of it; or only print the plan."""
    from nasneurn.api import finish
    from nasneurn.report.result import print_study, study_json

    if dry_run:
        _print_plan(run)
        return
    study = finish(run)
    if as_json:
        typer.echo(study_json(study))
    else:
        print_study(study)


def _print_plan(run: "StudyRun") -> None:
    """Check what a run checks before its first training, and print what is left to do."""
    from nasneurn.programs.outlook import foresee, longer_with, stops_early
    from nasneurn.report.terminal import print_plan
    from nasneurn.studies.estimate import estimates, expected_seconds
    from nasneurn.studies.training_unit import Training

    left, workers = run.left(run.study.store.outcomes()), run.execution.workers
    run.check(left)
    if all(isinstance(unit, Training) for unit in left):
        try:
            expected = expected_seconds(run, left)
        except Exception:  # as in the run, which an estimate does not end
            foresee(run, left)
            return
        print_plan(estimates(run, left, expected), workers, stops_early=stops_early(run))
        if told := longer_with(expected.untimed):
            typer.echo(told)
    else:  # what supernets find is not known yet
        foresee(run, left)


def experiment_command(
    name: Annotated[str, typer.Argument(help="vgg19-transfer, patch-size or same-domain.")],
    models: Models = None,
    suite: Annotated[str | None, typer.Option(help="A suite in place of the experiment's.")] = None,
    sources: Sources = None,
    seeds: Seeds = None,
    budget: BudgetName = "paper",
    changes: Changes = None,
    precision: PrecisionName = "auto",
    workers: Workers = 1,
    engine: Engine = None,
    retry_failed: RetryFailed = False,
    dry_run: DryRun = False,
    extend: Extend = False,
    save_predictions: SavePredictions = False,
    save_weights: SaveWeights = False,
    tensorboard: Tensorboard = False,
    trust_code: TrustCode = False,
    figure_format: FigureFormat = "png",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results.", callback=out_folder)
    ] = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Run one of the paper's first experiments by its name."""
    from nasneurn.api import bench_run
    from nasneurn.studies.paper_experiments import experiment_named

    experiment = experiment_named(name)
    run = bench_run(
        models or experiment.models,
        stems=experiment.stems,
        suite=experiment.suite if suite is None else suite,
        sources=sources or (experiment.sources if suite is None else "all"),
        seeds=",".join(seeds) if seeds else 5,
        budget=budget,
        changes=changes_of(changes),
        adaptation="as-published",  # as the paper has them
        precision=precision,
        out=out or Path("results") / name,
        extend=extend,
        trust_code=trust_code,
        execution=execution(
            workers=workers,
            engine=engine,
            device=device,
            data_dir=data_dir,
            retry_failed=retry_failed,
            save_predictions=save_predictions,
            save_weights=save_weights,
            tensorboard=tensorboard,
            figure_format=figure_format,
        ),
        read_images=not dry_run,
    )
    run_and_print(run, dry_run=dry_run, as_json=as_json)
