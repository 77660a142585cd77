"""What a program calls: studies, searches and alignments, with results as objects.

Nothing here prints but progress; the command line prints what these functions return.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasneurn.configuration import read_yaml
from nasneurn.errors import InputError
from nasneurn.studies.bench_config import plan_bench
from nasneurn.studies.folder import Study, check_begun
from nasneurn.studies.named_protocols import named_protocol
from nasneurn.studies.run import Execution, StudyRun

if TYPE_CHECKING:
    from alignment.outcome import Alignment
    from nasneurn.networks.given import Models
    from nasneurn.studies.config import StudyConfig

#: The configuration of each kind of study.
KINDS = {
    "bench": "nasneurn.studies.bench_config:BenchConfig",
    "search": "nasneurn.search.search_config:SearchConfig",
    "search-quality": "nasneurn.search.quality_config:QualityConfig",
}

#: One word or several, as a program finds it handy.
Words = str | Sequence[str]


def _words(value: Words | int) -> list[str]:
    return [str(value)] if isinstance(value, str | int) else [str(one) for one in value]


def _seeds(value: int | str | Sequence[int] | Sequence[str]) -> list[str]:
    # A list of one seed is that seed, and not how many.
    return _words(value) if isinstance(value, int | str) else [*map(str, value), ","]


def bench(
    models: Words | None = None,
    *,
    protocol: str | None = None,
    weights: Words = "scratch",
    stems: Words = ("none", "neurn"),
    algorithms: Words = "erm",
    suite: str | Path | None = None,
    image_size: int | None = None,
    splits: Path | None = None,
    sources: Words | None = None,
    targets: Words = "all",
    seeds: int | str | Sequence[int] | None = None,
    budget: str | None = None,
    changes: Mapping[str, Any] | None = None,
    adaptation: str | None = None,
    precision: str = "auto",
    out: Path | str = Path("results/bench"),
    extend: bool = False,
    trust_code: bool = False,
    execution: Execution | None = None,
) -> Study:
    """Train networks after stems on source domains, and measure them on every domain.

    The same call continues where it was stopped; several processes may work on one folder.

    Args:
        models: networks by name; see :func:`nasneurn.networks.resolve_architectures`. By default
            ``digits_convnet``.
        protocol: a protocol of :data:`nasneurn.studies.named_protocols.PROTOCOLS`, which says what
            models, suite, sources, seeds and budget are if they are not given.
        weights: what they start from: ``scratch``, ``pretrained``, files, several of these.
        stems, algorithms: what is in front of them and how they are trained, with options.
        suite: "builtin" (the default), "digits", "digits-resized" or a folder
            ``ROOT/<domain>/<class>/<images>``.
        image_size: side of the images; 32 by default, of a folder 224.
        splits: the split file of a folder.
        sources: domains to train on, each by itself, by default all; "+" joins several to one
            source; ``leave-one-out`` is for each domain all the others joined.
        targets: domains to measure on.
        seeds: how many, from 0 up, or the seeds themselves; by default 2.
        budget, changes: the protocol to start from, by default quick; fields with other values.
        adaptation: ``fit`` (the default) takes strides away for small images, or ``as-published``.
        precision: auto (bf16 on a GPU, else 32), 32 or bf16.
        out: the folder of the results.
        extend: add what is new to the study that the folder holds.
        trust_code: also import code that a file of found architectures names.
        execution: where it runs.

    Returns:
        The study: its folder, with tables as DataFrames.

    Raises:
        InputError: the folder holds another study, something cannot be used, or all failed.
    """
    run = bench_run(
        models,
        protocol=protocol,
        weights=weights,
        stems=stems,
        algorithms=algorithms,
        suite=suite,
        image_size=image_size,
        splits=splits,
        sources=sources,
        targets=targets,
        seeds=seeds,
        budget=budget,
        changes=changes,
        adaptation=adaptation,
        precision=precision,
        out=out,
        extend=extend,
        trust_code=trust_code,
        execution=execution,
    )
    return finish(run)


def bench_run(
    models: Words | None = None,
    *,
    stems: Words,
    protocol: str | None = None,
    algorithms: Words = "erm",
    suite: str | Path | None = None,
    sources: Words | None = None,
    targets: Words = "all",
    seeds: int | str | Sequence[int] | None = None,
    budget: str | None = None,
    changes: Mapping[str, Any] | None = None,
    out: Path | str = Path("results/bench"),
    extend: bool = False,
    trust_code: bool = False,
    execution: Execution | None = None,
    read_images: bool = True,
    **options: Any,
) -> StudyRun:
    """A study that is planned and not yet run; arguments as those of :func:`bench`."""
    execution = execution or Execution()
    usual = named_protocol(protocol)
    config = plan_bench(
        models=_words(models or usual.models),
        stems=_words(stems),
        algorithms=_words(algorithms),
        suite=str(suite or usual.suite),
        sources_named=_words(sources or usual.sources),
        targets=_words(targets),
        seeds=_seeds(usual.seeds if seeds is None else seeds),
        budget=budget or usual.budget,
        changes={**usual.changes, **(changes or {})},
        adaptation=options.pop("adaptation", None) or usual.adaptation,
        trust_code=trust_code,
        data_dir=execution.data_dir,
        device=execution.device,
        read_images=read_images,
        **{"image_size": None, "splits": None, "precision": "auto", **options},
    )
    return StudyRun(config, Path(out), execution, extend=extend, trust_code=trust_code)


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
) -> Study:
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

    Raises:
        InputError: NNI is missing, the folder holds another study, or something cannot be used.
        SpaceError: the space cannot be searched.
    """
    return finish(
        search_run(
            space,
            stems=stems,
            suite=suite,
            sources=sources,
            seeds=seeds,
            budget=budget,
            changes=changes,
            weights=weights,
            quality=quality,
            out=out,
            extend=extend,
            execution=execution,
            **options,
        )
    )


def search_run(
    space: str,
    *,
    stems: Words,
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
    """A search that is planned and not yet run; arguments as those of :func:`search`."""
    from nasneurn.domains import load_suite
    from nasneurn.networks.spaces import need_nni
    from nasneurn.search.quality_config import QualityConfig
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
        stems=_words(stems),
        algorithms=_words(chosen.pop("algorithms", "erm")),
        suite=str(suite),
        sources_named=_words(sources),
        targets=_words(chosen.pop("targets", "all")),
        seeds=_seeds(seeds),
        budget=budget,
        changes=changes or {},
        weights=_words(weights),
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
    return StudyRun(config, folder, execution, extend=extend)


def run_config(
    path: Path | str,
    *,
    out: Path | str | None = None,
    trust_code: bool = False,
    execution: Execution | None = None,
) -> StudyRun:
    """The study of a ``config.yaml``, not yet run.

    Args:
        path: the file.
        out: the folder of the results; by default that of the file.
        trust_code: also import the code that the file names.

    Raises:
        InputError: the file is no configuration, its images are others here, or it names code
            without ``trust_code``.
    """
    path = Path(path)
    config = read_config(path)
    if config.code and not trust_code:
        raise InputError(
            f"{path} names code that is not of this package ({', '.join(config.code)}); "
            "say --trust-code if you trust the file and that code"
        )
    folder = path.parent if out is None else Path(out)
    return StudyRun(config, folder, execution or Execution(), trust_code=trust_code)


def read_config(path: Path) -> "StudyConfig":
    """The configuration of a study of any kind.

    Raises:
        InputError: the file holds none.
    """
    kind = read_yaml(path).get("kind")
    if kind not in KINDS:
        raise InputError(f"{path}: kind is {kind!r}, must be one of {', '.join(KINDS)}")
    module, _, name = KINDS[kind].partition(":")
    config: StudyConfig = getattr(import_module(module), name).read(path)
    return config


def finish(run: StudyRun) -> Study:
    """Run a planned study, and write its tables and figures.

    Raises:
        InputError: it cannot run, or nothing of it gave a result.
    """
    from nasneurn.report.remake import remake

    study = run.run()
    if study.accuracy.empty:
        raise InputError(f"no training of {study.folder} gave a result; see {study.failures_path}")
    remake(study)
    return study


def load_study(folder: Path | str) -> Study:
    """The study of a folder, finished or not.

    Raises:
        InputError: the folder holds none.
    """
    study = Study(folder)
    check_begun(study)
    return study


def align(
    models: "Models" = "all",
    preset: str | None = None,
    *,
    jobs: int | None = None,
    strict: bool = False,
    trust_code: bool = False,
    input_shape: tuple[int, int, int] | None = None,
    **options: Any,
) -> "Alignment":
    """Align architectures as sequences of layers: scores, similarities and representatives.

    Args:
        models: ``all`` (the published 44), ``timm``, names, globs, files of names, found
            architectures, saved Keras models; any ``nn.Module`` or ``keras.Model``; one, a list of
            these, or a dictionary from the names that outputs are to call them.
        preset: ``paper`` or ``recommended``, the options to start from; by default the paper's
            for ``all``, and the recommended ones for others.
        jobs: processes that trace and threads that score; all cores by default.
        strict: raise for an architecture that cannot be traced, instead of a warning.
        trust_code: also import code that a file of found architectures names.
        input_shape: (C, H, W) of the images for modules, networks of one's own and Keras models;
            by default (3, 224, 224) for modules.
        options: those of :class:`alignment.options.Options` and
            :class:`alignment.needleman_wunsch.Scoring` by name, as ``scheme="layer"`` or
            ``gap=-1``; what is None is the preset's.

    Returns:
        The outcome. It holds DataFrames (``scores``, ``similarity``, ``tokens``,
        ``representatives``, ``nearest(name)``), draws (``plot_heatmap()``, ``plot_tree()``), and
        writes for other tools (``to_newick()``, ``to_graphml()``).

    Raises:
        AlignmentError: an option or a model that cannot be used.
        InputError: a file of found architectures that cannot be used.
    """
    from alignment.presets import default_preset, preset_options
    from alignment.run import compute
    from alignment.sequences import available_cores
    from nasneurn.networks.given import gather_given, words_of

    if "normalize" in options:  # as the command calls it
        options["normalization"] = options.pop("normalize")
    chosen = preset_options(
        preset or default_preset(words_of(models) or []),
        {**options, "threads": available_cores() if jobs is None else jobs},
    )
    chosen.check()
    architectures = gather_given(
        models, jobs=jobs, strict=strict, trust_code=trust_code, input_shape=input_shape
    )
    return compute(architectures, chosen)
