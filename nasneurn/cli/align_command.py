"""``nasneurn align``: architectures compared as sequences of layers."""

import gc
from pathlib import Path
from typing import Annotated, Any

import typer

from nasneurn.cli.align_options import (
    Borders,
    Branches,
    Clustering,
    Compare,
    Gap,
    GapExtend,
    InputShape,
    Match,
    MaxFlops,
    MaxParams,
    Mismatch,
    Models,
    Normalize,
    Order,
    Pair,
    Partial,
    Prefer,
    Preset,
    Representatives,
    Scheme,
    Shuffles,
    Similarity,
    TreeSupport,
    Within,
    read_count,
    read_shape,
)
from nasneurn.cli.options import FigureFormat, TrustCode, flags, given_options

#: Options that say nothing of two architectures side by side.
NOT_OF_A_PAIR = (
    "models", "representatives", "max_params", "max_flops", "clustering", "prefer", "within",
    "order", "compare", "support", "out", "figure_format", "strict",
)  # fmt: skip


def align_command(
    context: typer.Context,
    models: Models = None,
    pair: Pair = None,
    preset: Preset = None,
    scheme: Scheme = None,
    match: Match = None,
    mismatch: Mismatch = None,
    partial: Partial = None,
    gap: Gap = None,
    gap_extend: GapExtend = None,
    borders: Borders = None,
    normalization: Normalize = None,
    similarity: Similarity = None,
    branches: Branches = None,
    representatives: Representatives = None,
    max_params: MaxParams = None,
    max_flops: MaxFlops = None,
    clustering: Clustering = None,
    prefer: Prefer = None,
    within: Within = None,
    order: Order = None,
    compare: Compare = None,
    shuffles: Shuffles = None,
    support: TreeSupport = False,
    input_shape: InputShape = None,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results/align"),
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw figures.")] = True,
    figure_format: FigureFormat = "png",
    fold: Annotated[
        bool, typer.Option("--fold/--no-fold", help="Show only the ends of long runs in --pair.")
    ] = True,
    jobs: Annotated[
        int | None, typer.Option(help="Processes that trace, and threads that score.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail where an architecture cannot be traced.")
    ] = False,
    trust_code: TrustCode = False,
) -> None:
    """Compare architectures as sequences of layers: similarities, a heatmap, representatives.

    Each architecture is traced once, without weights, and kept in the cache.
    """
    from alignment import compute
    from alignment.cores import available_cores
    from alignment.errors import check_known
    from alignment.measures import null_of
    from alignment.outcome import NAMED, ORDERS
    from alignment.outputs import FIGURE_FORMATS, check_own, prepare_folder
    from alignment.presets import default_preset, preset_options
    from alignment.report import write_all
    from alignment.terminal import console, pair_view, representatives_view
    from alignment.tree_support import support_of
    from nasneurn.errors import InputError
    from nasneurn.networks.traced import gather, gather_pair

    # Modules and figures make many objects and little garbage; searching them takes a tenth of
    # the command's time.
    gc.set_threshold(50_000)
    given = given_options(context)
    if pair is not None:
        if idle := [name for name in given if name in NOT_OF_A_PAIR]:
            raise InputError(f"--pair shows two side by side and no more; leave out {flags(idle)}")
        preset = preset or "recommended"
        # Two have no rows to correlate.
        similarity = similarity or "normalized"
    models = models or ["all"]
    preset = preset or default_preset(models)
    changes: dict[str, Any] = {
        "scheme": scheme,
        "match": match,
        "mismatch": mismatch,
        "partial": partial,
        "gap": gap,
        "gap_extend": gap_extend,
        "borders": borders,
        "normalization": normalization,
        "similarity": similarity,
        "branches": branches,
        "representatives": representatives,
        "max_params": read_count("--max-params", max_params),
        "max_flops": read_count("--max-flops", max_flops),
        "clustering": clustering,
        "prefer": prefer,
        "within": within,
        "threads": available_cores() if jobs is None else jobs,
    }
    options = preset_options(preset, changes)
    options.check()
    if within is not None and options.prefer != "cheap":
        raise InputError("--within is of --prefer cheap; say that, or leave out --within")
    if normalization is not None and options.similarity == "corrected":
        raise InputError(
            "--normalize is of scores as they are; leave it out with --similarity corrected"
        )
    drawn = [name for name in ("support", "order", "figure_format") if name in given]
    if drawn and not figures:
        raise InputError(f"{flags(drawn)}: of figures, and --no-figures draws none; leave out one")
    if not fold and pair is None:
        raise InputError("--no-fold is of --pair; leave it out")
    if order is not None:
        check_known("order", order, ORDERS)
    check_known("figure format", figure_format, FIGURE_FORMATS)
    gathered: dict[str, Any] = {
        "jobs": jobs,
        "trust_code": trust_code,
        "input_shape": read_shape(input_shape),
    }
    if pair is not None:
        two = gather_pair(pair, **gathered)
        console().print(pair_view(two, options, fold=fold, shuffles=shuffles))
        return
    others = None
    if compare is not None:
        from alignment.printed import read_matrix

        others = read_matrix(compare)
    prepare_folder(out)
    check_own(out)
    architectures = gather(models, strict=strict, figures=figures, **gathered)
    if support and len(architectures) > NAMED:
        raise InputError(
            f"--support is drawn in the tree, and of {len(architectures)} architectures none is "
            f"drawn; name {NAMED} or fewer, or leave out --support"
        )
    if others is not None:
        others = others.of([one.name for one in architectures])
    outcome = compute(architectures, options)
    console().print(representatives_view(outcome))
    written = write_all(
        outcome,
        out,
        models=models,
        figures=figures,
        order=order,
        support=support_of(outcome) if support else None,
        null=null_of(outcome.tokenized, options, shuffles) if shuffles is not None else None,
        figure_format=figure_format,
    )
    if others is not None:
        from alignment.fidelity import compare as compared
        from alignment.fidelity_files import write_fidelity

        fidelity = compared(architectures, others, options)
        typer.echo(str(fidelity))
        written += write_fidelity(fidelity, out, figures=figures, figure_format=figure_format)
    typer.echo(f"wrote {', '.join(map(str, dict.fromkeys(written)))}")
