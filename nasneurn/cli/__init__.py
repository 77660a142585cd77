"""The ``nasneurn`` command: parse, call, print. Nothing heavy is imported before it is needed."""

import atexit
import gc
import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from alignment.errors import AlignmentError
from nasneurn.errors import InputError
from nasneurn.interruption import Interrupted, raise_on_signals
from search_spaces.errors import SpaceError

#: What a person can mend: told in one line, with exit code 2.
INPUT_ERRORS = (InputError, SpaceError, AlignmentError)

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


# --- options that several commands take ----------------------------------------------------------

DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of the prepared npz files; by default $NASNEURN_DATA."),
]
Space = Annotated[str, typer.Option(help="spos, autoformer, or package.module:Class of one's own.")]
Suite = Annotated[str, typer.Option(help="builtin, digits or a folder.")]
ImageSize = Annotated[
    int | None, typer.Option(help="Side of the images: 32 by default, of a folder 224.")
]
SearchSources = Annotated[
    list[str] | None,
    typer.Option(help="A domain to search on; may be repeated; 'all' for every domain."),
]
SeedList = Annotated[list[int] | None, typer.Option(help="A seed; may be repeated.")]
BudgetName = Annotated[str, typer.Option(help="quick, standard or paper.")]
BudgetChanges = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a field of the budget: field=value; may be repeated."),
]
Stems = Annotated[
    list[str] | None, typer.Option(help="Stems: NAME or NAME:option=value; commas or repeated.")
]
Engine = Annotated[str | None, typer.Option(help="here, local (worker processes) or ray.")]
Workers = Annotated[
    int, typer.Option(min=1, help="Pieces of work at once; more than one means --engine local.")
]
Seeds = Annotated[int, typer.Option(min=1, help="How many seeds, from 0 up.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


# --- data: the domains ---------------------------------------------------------------------------


@data_app.command("prepare")
def data_prepare(
    names: Annotated[list[str], typer.Argument(help="Of: mnist, mnistm, svhn, usps.")],
    photos: Annotated[
        Path | None, typer.Option(help="Folder of BSDS500's train photos; mnistm is made on them.")
    ] = None,
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option("--force", help="Make files again that exist.")] = False,
    seed: Annotated[int, typer.Option(help="Chooses mnistm's crops of the photos.")] = 0,
) -> None:
    """Download real digit domains, and make MNIST-M, as npz files."""
    from nasneurn.domains.prepare import prepare

    written = prepare(names, data_dir=data_dir, photos=photos, force=force, seed=seed)
    for path in written:
        typer.echo(path)
    if not written:
        typer.echo("all files exist; --force makes them again", err=True)


@data_app.command("list")
def data_list(
    suite: Annotated[
        str | None, typer.Option(help="builtin, digits or a folder; by default the first two.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the domains that are there, and what is missing."""
    from nasneurn.domains.inventory import print_inventory, take_inventory

    print_inventory(take_inventory(suite, data_dir), as_json=as_json)


@data_app.command("preview")
def data_preview(
    suite: Suite = "builtin",
    stem: Annotated[str, typer.Option(help="The stem that the second rows pass.")] = "neurn",
    out: Annotated[Path, typer.Option(help="The PNG file.")] = Path("domains.png"),
    data_dir: DataDir = None,
) -> None:
    """Draw a contact sheet: every domain, as it is and through a stem."""
    from nasneurn.domains import load_suite
    from nasneurn.domains.preview import contact_sheet

    typer.echo(contact_sheet(load_suite(suite, data_dir=data_dir), out, stem))


# --- search: supernet, evolution, transfer -------------------------------------------------------


@app.command("search")
def search_command(
    space: Space = "spos",
    neurn: Annotated[
        bool, typer.Option("--neurn/--no-neurn", help="With the NeuRN stem, or with no stem.")
    ] = True,
    compare: Annotated[
        bool, typer.Option("--compare", help="Both without and with the stem, paired.")
    ] = False,
    stem: Annotated[
        str | None, typer.Option(help="Another stem than NeuRN: NAME or NAME:option=value,...")
    ] = None,
    search_stem: Annotated[
        bool,
        typer.Option("--search-stem", help="Choose the stem together with the architecture."),
    ] = False,
    suite: Suite = "builtin",
    image_size: ImageSize = None,
    source: SearchSources = None,
    seed: SeedList = None,
    budget: BudgetName = "quick",
    changes: BudgetChanges = None,
    select_under: Annotated[
        str | None,
        typer.Option(help="What scores candidates: clean or shifts; with --search-stem shifts."),
    ] = None,
    objective: Annotated[
        str, typer.Option(help="accuracy alone, or lower too: flops, params or latency.")
    ] = "accuracy",
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Also train the winner from scratch.")
    ] = False,
    max_flops: Annotated[
        int | None, typer.Option(min=1, help="Most multiply-adds of a candidate.")
    ] = None,
    max_params: Annotated[
        int | None, typer.Option(min=1, help="Most parameters of a candidate.")
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option("--config", help="Run the search of a config.yaml, in place of the options."),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(help="Of a supernet's training: auto (bf16 on a GPU, else 32), 32 or bf16."),
    ] = "auto",
    workers: Workers = 1,
    engine: Engine = None,
    devices: Annotated[
        int, typer.Option(min=1, help="Devices that train one supernet together.")
    ] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines with so many devices each.")] = 1,
    strategy: Annotated[
        str, typer.Option(help="Lightning's strategy for several devices; auto is DDP.")
    ] = "auto",
    out: Annotated[Path | None, typer.Option(help="The folder of the results.")] = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Search an architecture on source domains, and measure it on every domain.

    The same command continues where it was stopped.
    """
    from nasneurn.domains import load_suite
    from nasneurn.report.search_table import print_search, search_json
    from nasneurn.search import SearchConfig, budget_named, choose_stems, search
    from nasneurn.studies.config import choose_precision

    config = SearchConfig.read(config_file) if config_file else None
    if config is None:
        domains = load_suite(suite, data_dir=data_dir, size=image_size)
        sources = domains.domains if source == ["all"] else tuple(source or domains.domains[:1])
        config = SearchConfig.checked(
            space=space,
            suite=suite,
            image_size=domains.size,
            sources=sources,
            stems=choose_stems(neurn=neurn, compare=compare, stem=stem, search_stem=search_stem),
            seeds=tuple(seed or [0]),
            budget_name=budget,
            budget=budget_named(budget, space).changed(changes or []),
            retrain=retrain,
            max_flops=max_flops,
            max_params=max_params,
            select_under=select_under or ("shifts" if search_stem else "clean"),
            objective=objective,
            precision=choose_precision(precision, device),
        )
    outputs = search(
        config,
        out or Path("results") / config.folder_name,
        device=device,
        data_dir=data_dir,
        engine=engine,
        workers=workers,
        devices=devices,
        nodes=nodes,
        strategy=strategy,
    )
    if as_json:
        typer.echo(json.dumps(search_json(outputs)))
    else:
        print_search(outputs)


@app.command("search-quality")
def search_quality_command(
    space: Space = "spos",
    stems: Stems = None,
    suite: Suite = "builtin",
    image_size: ImageSize = None,
    source: SearchSources = None,
    seed: SeedList = None,
    budget: BudgetName = "quick",
    changes: BudgetChanges = None,
    architectures: Annotated[
        int, typer.Option(min=2, help="Architectures of each supernet trained from scratch.")
    ] = 12,
    workers: Workers = 1,
    engine: Engine = None,
    out: Annotated[Path | None, typer.Option(help="The folder of the results.")] = None,
    device: Device = "auto",
    data_dir: DataDir = None,
) -> None:
    """Measure how well a supernet ranks architectures that are trained from scratch too.

    The same command continues where it was stopped.
    """
    from nasneurn.domains import load_suite
    from nasneurn.report.quality_table import print_quality
    from nasneurn.search import SearchConfig, budget_named, measure_quality
    from nasneurn.studies.config import parse_stems

    domains = load_suite(suite, data_dir=data_dir, size=image_size)
    config = SearchConfig.checked(
        space=space,
        suite=suite,
        image_size=domains.size,
        sources=domains.domains if source == ["all"] else tuple(source or domains.domains[:1]),
        stems=parse_stems(stems or ["none,neurn"]),
        seeds=tuple(seed or [0]),
        budget_name=budget,
        budget=budget_named(budget, space).changed(changes or []),
    )
    outputs = measure_quality(
        config,
        architectures,
        out or Path("results") / config.folder_name.replace("search-", "search-quality-", 1),
        device=device,
        data_dir=data_dir,
        engine=engine,
        workers=workers,
    )
    print_quality(outputs)


# --- bench: the grid of architectures, stems, domain pairs and seeds -----------------------------


@app.command("bench")
def bench_command(
    models: Annotated[
        list[str] | None,
        typer.Option(
            help="representatives (of the alignment and the searches), names of timm or the zoo, "
            "torchvision:NAME, globs, a found architecture.json; commas between, or repeated."
        ),
    ] = None,
    stems: Stems = None,
    suite: Suite = "builtin",
    image_size: ImageSize = None,
    source: Annotated[
        list[str] | None, typer.Option(help="A domain to train on; may be repeated; default all.")
    ] = None,
    seeds: Seeds = 5,
    budget: BudgetName = "quick",
    train_images: Annotated[
        int | None, typer.Option(min=1, help="Most training images, in place of the budget's.")
    ] = None,
    max_epochs: Annotated[
        int | None, typer.Option(min=1, help="Most epochs, in place of the budget's.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=2, help="Images of a step, in place of the budget's.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="auto (bf16 on a GPU, else 32), 32 or bf16.")
    ] = "auto",
    config_file: Annotated[
        Path | None,
        typer.Option("--config", help="Run the grid of a config.yaml, in place of the options."),
    ] = None,
    workers: Workers = 1,
    engine: Engine = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try failed trainings again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list the trainings, with an estimate of time.")
    ] = False,
    extend: Annotated[
        bool,
        typer.Option("--extend", help="Add these models, stems, sources and seeds to the grid."),
    ] = False,
    compiled: Annotated[
        bool, typer.Option("--compile", help="By torch.compile: pays in long trainings on a GPU.")
    ] = False,
    out: Annotated[Path, typer.Option(help="The folder of the results.")] = Path("results/bench"),
    device: Device = "auto",
    data_dir: DataDir = None,
) -> None:
    """Train architectures behind stems on source domains, and measure them on every domain.

    The same command continues where it was stopped; several may work on one folder.
    """
    from nasneurn.studies import bench
    from nasneurn.studies.config import BenchConfig, plan

    config = BenchConfig.read(config_file) if config_file else None
    if config is None:
        config = plan(
            models=models or ["representatives"],
            stems=stems or ["none,neurn"],
            suite=suite,
            image_size=image_size,
            sources=source or ["all"],
            seeds=seeds,
            budget=budget,
            changes={
                "train_images": train_images,
                "max_epochs": max_epochs,
                "batch_size": batch_size,
            },
            precision=precision,
            device=device,
            data_dir=data_dir,
        )
    bench(
        config,
        out,
        engine=engine,
        workers=workers,
        device=device,
        data_dir=data_dir,
        compiled=compiled,
        retry_failed=retry_failed,
        dry_run=dry_run,
        extend=extend,
    )


@app.command("recipe")
def recipe_command(
    name: Annotated[str, typer.Argument(help="vgg19-transfer, patch-size or same-domain.")],
    models: Annotated[
        list[str] | None, typer.Option(help="Other architectures than the recipe's.")
    ] = None,
    suite: Annotated[str | None, typer.Option(help="Another suite than the recipe's.")] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Other sources than the recipe's.")
    ] = None,
    seeds: Seeds = 5,
    budget: BudgetName = "paper",
    workers: Workers = 1,
    engine: Engine = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list the trainings, with an estimate of time.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="The folder of the results.")] = None,
    device: Device = "auto",
    data_dir: DataDir = None,
) -> None:
    """Run one of the paper's first experiments by its name."""
    from nasneurn.studies import bench
    from nasneurn.studies.config import plan
    from nasneurn.studies.paper_experiments import recipe_named

    recipe = recipe_named(name)
    config = plan(
        models=models or recipe.models,
        stems=recipe.stems,
        suite=suite or recipe.suite,
        image_size=None,
        sources=source or (recipe.sources if suite is None else ["all"]),
        seeds=seeds,
        budget=budget,
        changes={},
        precision="auto",
        device=device,
        data_dir=data_dir,
    )
    bench(
        config,
        out or Path("results") / name,
        engine=engine,
        workers=workers,
        device=device,
        data_dir=data_dir,
        dry_run=dry_run,
    )


@app.command("status")
def status_command(
    folder: Annotated[Path, typer.Argument(help="The folder of a grid.")],
) -> None:
    """Show how far a grid is, also while it runs."""
    from nasneurn.report.bench_terminal import print_status
    from nasneurn.studies.outputs import BenchOutputs

    print_status(BenchOutputs(folder))


@app.command("figures")
def figures_command(
    folder: Annotated[Path, typer.Argument(help="The folder of a grid or a search.")],
) -> None:
    """Make the tables and figures of a folder again from its rows, without training."""
    from nasneurn.report.remake import remake

    for path in remake(folder):
        typer.echo(path)


# --- align: architectures compared ---------------------------------------------------------------


@app.command("align")
def align_command(
    models: Annotated[
        list[str] | None,
        typer.Option(
            help="all (the 44), timm, names, globs, a .txt of names, a found architecture.json; "
            "commas between, or repeated."
        ),
    ] = None,
    pair: Annotated[
        tuple[str, str] | None, typer.Option(help="Show two architectures side by side.")
    ] = None,
    scheme: Annotated[str, typer.Option(help="layer, geometry or block.")] = "layer",
    match: Annotated[int, typer.Option(help="Score of two equal tokens.")] = 1,
    mismatch: Annotated[int, typer.Option(help="Score of two different tokens.")] = -1,
    partial: Annotated[
        int | None, typer.Option(help="Score of one kind with another geometry.")
    ] = None,
    gap: Annotated[int, typer.Option(help="Score of a gap's first token, 0 or below.")] = -1,
    gap_extend: Annotated[
        int | None, typer.Option(help="Score of its further tokens; by default that of --gap.")
    ] = None,
    borders: Annotated[str, typer.Option(help="classic, or zero as in the paper.")] = "classic",
    normalization: Annotated[
        str, typer.Option("--normalize", help="range, longer, shorter, mean or geometric.")
    ] = "range",
    representatives: Annotated[
        int | None, typer.Option(help="How many to choose; by default 10.")
    ] = None,
    clustering: Annotated[str, typer.Option(help="medoids or hierarchical.")] = "medoids",
    prefer: Annotated[
        str, typer.Option(help="medoid, or cheap: the cheapest --within of it.")
    ] = "medoid",
    within: Annotated[float, typer.Option(help="A distance, from 0 to 1.")] = 0.1,
    out: Annotated[Path, typer.Option(help="The folder of the results.")] = Path("results/align"),
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw them.")] = True,
    fold: Annotated[
        bool, typer.Option("--fold/--no-fold", help="Fold long runs of --pair.")
    ] = True,
    jobs: Annotated[
        int | None, typer.Option(help="Processes that trace, threads that score; all cores.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail for an architecture that cannot be traced.")
    ] = False,
) -> None:
    """Align architectures: scores, similarities, a heatmap and representatives.

    The first time each architecture is traced without weights, and kept.
    """
    from alignment import Options, Scoring, compute, write_figures, write_tables
    from alignment.outputs import prepare_folder
    from alignment.sequences import available_cores
    from alignment.terminal import console, pair_view, representatives_view
    from nasneurn.networks.traced import gather

    # Modules and figures make many objects and little garbage; searching them takes a tenth of
    # the command's time.
    gc.set_threshold(50_000)
    options = Options(
        scheme=scheme,
        scoring=Scoring(match, mismatch, gap, gap_extend, borders),
        partial=partial,
        normalization=normalization,
        representatives=representatives,
        clustering=clustering,
        prefer=prefer,
        within=within,
        threads=available_cores() if jobs is None else jobs,
    )
    options.check()
    if pair is not None:
        console().print(pair_view(gather(pair, jobs=jobs, strict=True), options, fold=fold))
        return
    prepare_folder(out)
    architectures = gather(models or ["all"], jobs=jobs, strict=strict, figures=figures)
    outcome = compute(architectures, options)
    written = write_tables(outcome, out)
    console().print(representatives_view(outcome))
    if figures:
        written += write_figures(outcome, out)
    typer.echo(f"wrote {', '.join(str(path) for path in written)}")


# --- the command itself --------------------------------------------------------------------------


def _end_quickly() -> None:
    """Leave out Python's last search for garbage, half a second long behind seaborn."""
    if "torch" not in sys.modules:  # of whose extensions some complain of what is left
        gc.freeze()


def main() -> None:
    """Run the command; a mistake in the input is one line on stderr and exit code 2."""
    raise_on_signals()
    atexit.register(_end_quickly)
    try:
        status = app(standalone_mode=False)
    except INPUT_ERRORS as error:
        if os.environ.get("NASNEURN_DEBUG"):
            raise
        _fail(str(error))
    except Interrupted:
        print("nasneurn: interrupted; run the same command again to continue", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        # Typer's usage errors; their class lies in click or inside typer, by typer's version.
        if not hasattr(error, "format_message"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # type: ignore[attr-defined]
            sys.exit(2)
        _fail(error.format_message())
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> NoReturn:
    print(f"nasneurn: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
