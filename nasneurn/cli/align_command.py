"""``nasneurn align``: architectures compared as sequences of layers."""

import gc
from pathlib import Path
from typing import Annotated

import typer

from nasneurn.cli.options import TrustCode


def align_command(
    models: Annotated[
        list[str] | None,
        typer.Option(
            help="all (the 44), timm, names, globs, a .txt of names, package.module:Name, a found "
            "architecture.json#NAME; commas between, or repeated."
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
    trust_code: TrustCode = False,
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
        console().print(
            pair_view(
                gather(pair, jobs=jobs, strict=True, trust_code=trust_code), options, fold=fold
            )
        )
        return
    prepare_folder(out)
    architectures = gather(
        models or ["all"], jobs=jobs, strict=strict, figures=figures, trust_code=trust_code
    )
    outcome = compute(architectures, options)
    written = write_tables(outcome, out)
    console().print(representatives_view(outcome))
    if figures:
        written += write_figures(outcome, out)
    typer.echo(f"wrote {', '.join(str(path) for path in written)}")
