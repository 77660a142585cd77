"""A search as a study."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasneurn.programs.given_words import Words, seeds_of, words
from nasneurn.programs.opened import finishing, plan_of
from nasneurn.studies.run import Execution, StudyRun


@finishing
def search(
    space: str = "spos",
    *,
    stems: Words = "neurn",
    suite: str | Path = "builtin",
    sources: Words | None = None,
    seeds: int | str | Sequence[int] = 1,
    budget: str = "quick",
    changes: Mapping[str, Any] | None = None,
    weights: Words = "inherited",
    quality: int | None = None,
    out: Path | str | None = None,
    extend: bool = False,
    execution: Execution | None = None,
    **options: Any,
) -> StudyRun:
    """Search an architecture on source domains, and measure what is found on every domain.

    The same call continues where it was stopped; several processes may work on one folder.

    Args:
        space: ``spos``, ``autoformer``, either with settings (``spos:width=0.5``), or
            ``package.module:Class`` of one's own.
        stems: stems by name; ``search`` chooses the stem together with the architecture.
        suite, seeds, budget: as in :func:`bench`.
        sources: domains to search on, each by itself; the first of the suite by default.
        changes: fields of the protocol, and as ``supernet.FIELD`` those of the supernet's budget.
        weights: what the winners start from: ``inherited``, ``scratch`` or both.
        quality: measure the search too, on so many architectures of each supernet.
        out: the folder of the results; by default named after the search, in ``results``.
        extend: add what is new to the search that the folder holds.
        execution: where it runs.
        options: ``algorithms``, ``targets``, ``image_size``, ``splits``, ``precision`` as in
            :func:`bench`; ``max_flops`` and ``max_params`` bound the candidates; ``select_under``
            (clean or shifts) is what scores them; ``objective`` (accuracy, flops, params, latency)
            what the evolution lowers beside the error.

    Returns:
        The study: its folder, with tables as DataFrames.

    Raises:
        InputError: NNI is missing, the folder holds another study, or something cannot be used.
        SpaceError: the space cannot be searched.
    """
    from nasneurn.domains import load_suite
    from nasneurn.networks.spaces import need_nni
    from nasneurn.search.quality_config import QualityConfig
    from nasneurn.search.search_checks import refuse_idle
    from nasneurn.search.search_config import SearchConfig, plan_search

    need_nni()
    execution = execution or Execution()
    chosen = {"image_size": None, "splits": None, "precision": "auto", **options}
    if sources is None:
        sources = load_suite(
            str(suite),
            data_dir=execution.data_dir,
            size=chosen["image_size"],
            splits=chosen["splits"],
        ).domains[:1]
    fields = plan_search(
        space=space,
        stems=words(stems),
        algorithms=words(chosen.pop("algorithms", "erm")),
        suite=str(suite),
        sources_named=words(sources),
        targets=words(chosen.pop("targets", "all")),
        seeds=seeds_of(seeds),
        budget=budget,
        changes=changes or {},
        weights=words(weights),
        data_dir=execution.data_dir,
        device=execution.device,
        **chosen,
    )
    config = (
        SearchConfig.checked(**fields)
        if quality is None
        else QualityConfig.checked(**{**fields, "architectures": quality})
    )
    folder = Path(out) if out is not None else Path("results") / config.folder_name
    run = StudyRun(config, folder, execution, extend=extend)
    assert isinstance(run.config, SearchConfig)
    refuse_idle(changes or {}, run.config)
    return run


#: A search that is planned and not yet run.
search_run = plan_of(search)
