"""The forms of NeuRN beside each other, as a study."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasneurn.files import folder_named
from nasneurn.programs.benching import bench_run
from nasneurn.programs.given_words import Words, words
from nasneurn.programs.opened import concluding, done, plan_of
from nasneurn.studies.ablations import grids_of, parse_groups, usual_of, variants_in, variants_of
from nasneurn.studies.bench_config import BenchConfig
from nasneurn.studies.run import Execution, StudyRun

if TYPE_CHECKING:
    from nasneurn.report.ablation_files import Ablation


def _compared(run: StudyRun) -> "Ablation":
    """Run the study, and write what its folder has by now of variants: of other groups, too."""
    from nasneurn.report.ablation_files import ablation_of, write_ablation
    from nasneurn.rows import sources
    from nasneurn.studies.parts import tested_part
    from nasneurn.studies.responses import response_table

    study = done(run)
    config = BenchConfig.read(study.config_path)
    learned = tuple(domain for source in config.sources for domain in sources(source))
    domains = {
        target: tested_part(run.suite, target, learned, config.protocol)
        for target in config.targets
    }
    variants = variants_in(config.grids)
    found = ablation_of(study, response_table(run.suite, domains, variants, run.device))
    write_ablation(found, run.execution.figure_format)
    return found


@concluding(_compared)
def ablate(
    groups: Words = "all",
    *,
    models: Words | None = None,
    protocol: str | None = None,
    weights: Words = "scratch",
    algorithms: Words = "erm",
    suite: str | Path | None = None,
    image_size: int | None = None,
    splits: Path | None = None,
    sources: Words | None = None,
    targets: Words = "all",
    seeds: int | str | Sequence[int] | None = None,
    budget: str | None = None,
    changes: Mapping[str, Any] | None = None,
    precision: str = "auto",
    out: Path | str = Path("results/ablate"),
    trust_code: bool = False,
    execution: Execution | None = None,
    read_images: bool = True,
) -> StudyRun:
    """Train networks behind the forms of NeuRN, and compare each with plain NeuRN and with none.

    A study of :func:`bench`, with tables of its own. The same call continues where it was stopped,
    and with other groups adds these to the folder.

    Args:
        groups: those of :data:`nasneurn.studies.ablations.GROUPS`.
        models, protocol, suite, sources, seeds, budget, changes: as in :func:`bench`; without
            protocol and budget, those of :data:`nasneurn.studies.ablations.SMALL`.
        weights, algorithms, image_size, splits, targets, precision: as in :func:`bench`.
        out: the folder of the results.
        trust_code, execution, read_images: as in :func:`bench`.

    Returns:
        The study, and its comparisons as DataFrames.

    Raises:
        InputError: the folder holds another study, something cannot be used, or all failed.
    """
    execution, usual = execution or Execution(), usual_of(protocol, budget)
    foreign = suite is not None and protocol is None
    plans = [
        bench_run(
            usual.models if models is None else models,
            weights=weights,
            stems=stems,
            placements=placements,
            algorithms=algorithms,
            suite=usual.suite if suite is None else suite,
            image_size=image_size,
            splits=splits,
            sources=("all" if foreign else usual.sources) if sources is None else sources,
            targets=targets,
            seeds=usual.seeds if seeds is None else seeds,
            budget=usual.budget if budget is None else budget,
            changes={**usual.changes, **(changes or {})},
            adaptation=usual.adaptation,
            precision=precision,
            out=out,
            extend=True,
            trust_code=trust_code,
            execution=execution,
            read_images=read_images,
        )
        for placements, stems in grids_of(variants_of(parse_groups(words(groups)))).items()
    ]
    config = plans[0].config
    for plan in plans[1:]:
        config = plan.config.added_to(config)
    return StudyRun(config, folder_named(out), execution, extend=True, trust_code=trust_code)


#: An ablation that is planned and not yet run.
ablation_run = plan_of(ablate)
