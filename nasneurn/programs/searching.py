"""A search as a study."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasneurn.files import folder_named
from nasneurn.programs.given_words import Words, seeds_of, words
from nasneurn.programs.opened import concluding, finish, plan_of
from nasneurn.studies.run import Execution, StudyRun


@concluding(finish)
def search(
    space: str = "spos",
    *,
    stems: Words = "neurn",
    algorithms: Words = "erm",
    suite: str | Path = "builtin",
    image_size: int | None = None,
    splits: Path | None = None,
    sources: Words | None = None,
    targets: Words = "all",
    seeds: int | str | Sequence[int] = 1,
    budget: str = "quick",
    changes: Mapping[str, Any] | None = None,
    weights: Words = "inherited",
    objective: str = "accuracy",
    select_under: str | None = None,
    max_flops: int | None = None,
    max_params: int | None = None,
    quality: int | None = None,
    precision: str = "auto",
    out: Path | str | None = None,
    extend: bool = False,
    trust_code: bool = False,
    execution: Execution | None = None,
    read_images: bool = True,
) -> StudyRun:
    """Search an architecture on source domains, and measure what is found on every domain.

    The same call continues where it was stopped; several processes may work on one folder.

    Args:
        space: ``spos``, ``autoformer``, either with settings (``spos:width=0.5``), or
            ``package.module:Class`` of one's own.
        stems: stems by name; ``search`` chooses the stem together with the architecture.
        algorithms, suite, image_size, splits, targets, seeds, budget: as in :func:`bench`.
        sources: domains to search on, each by itself; the first of the suite by default.
        changes: fields of the protocol, and as ``supernet.FIELD`` those of the supernet's budget.
        weights: what the winners start from: ``inherited``, ``scratch`` or both.
        objective: what the evolution lowers beside the error: accuracy (nothing), flops, params
            or latency.
        select_under: what scores candidates: clean held-out images, or these under shifts.
        max_flops, max_params: bounds of the candidates, in multiply-adds and weights.
        quality: measure the search too, on so many architectures of each supernet.
        out: the folder of the results; by default named after the search, in ``results``.
        extend: add what is new to the search that the folder holds.
        trust_code: also import the code that this search names.
        precision, execution, read_images: as in :func:`bench`.

    Returns:
        The study: its folder, with tables as DataFrames.

    Raises:
        InputError: NNI is missing, the folder holds another study or names code without
            ``trust_code``, or something cannot be used.
        SpaceError: the space cannot be searched.
    """
    from nasneurn.domains import load_suite
    from nasneurn.networks.spaces import need_nni
    from nasneurn.search.quality_config import QualityConfig
    from nasneurn.search.search_checks import refuse_idle
    from nasneurn.search.search_config import SearchConfig, plan_search

    need_nni()
    execution = execution or Execution()
    if sources is None:
        sources = load_suite(
            str(suite), data_dir=execution.data_dir, size=image_size, splits=splits
        ).domains[:1]
    fields = plan_search(
        space=space,
        stems=words(stems),
        algorithms=words(algorithms),
        suite=str(suite),
        sources_named=words(sources),
        targets=words(targets),
        seeds=seeds_of(seeds),
        budget=budget,
        changes=changes or {},
        weights=words(weights),
        data_dir=execution.data_dir,
        device=execution.device,
        image_size=image_size,
        splits=splits,
        objective=objective,
        select_under=select_under,
        max_flops=max_flops,
        max_params=max_params,
        precision=precision,
        read_images=read_images,
    )
    config = (
        SearchConfig.checked(**fields)
        if quality is None
        else QualityConfig.checked(**{**fields, "architectures": quality})
    )
    folder = folder_named(out) if out is not None else Path("results") / config.folder_name
    run = StudyRun(config, folder, execution, extend=extend, trust_code=trust_code)
    assert isinstance(run.config, SearchConfig)
    refuse_idle(changes or {}, run.config)
    return run


#: A search that is planned and not yet run.
search_run = plan_of(search)
