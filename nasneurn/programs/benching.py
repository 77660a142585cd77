"""A grid of trainings as a study."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nasneurn.files import folder_named
from nasneurn.programs.given_words import Words, seeds_of, words
from nasneurn.programs.opened import concluding, finish, plan_of
from nasneurn.studies.bench_config import plan_bench
from nasneurn.studies.named_protocols import named_protocol
from nasneurn.studies.run import Execution, StudyRun


@concluding(finish)
def bench(
    models: Words | None = None,
    *,
    protocol: str | None = None,
    weights: Words = "scratch",
    stems: Words = ("none", "neurn"),
    placements: Words = "front",
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
    read_images: bool = True,
) -> StudyRun:
    """Train networks after stems on source domains, and measure them on every domain.

    The same call continues where it was stopped; several processes may work on one folder.

    Args:
        models: networks by name; see :func:`nasneurn.networks.resolve_architectures`. By default
            ``digits_convnet``.
        protocol: a protocol of :data:`nasneurn.studies.named_protocols.PROTOCOLS`, which says what
            models, suite, sources, seeds and budget are if they are not given.
        weights: what they start from: ``scratch``, ``pretrained``, files, several of these.
        stems: what is in front of them, by name with options.
        algorithms: how they are trained, by name with options.
        placements: where stems stand, of :data:`nasneurn.networks.placement.PLACEMENTS`.
        suite: "builtin" (the default), "digits", "digits-resized", these two also with "+syn", or
            a folder ``ROOT/<domain>/<class>/<images>``.
        image_size: side of the images; 32 by default, of a folder 224.
        splits: the split file of a folder.
        sources: domains to train on, each by itself, by default all; "+" joins several to one
            source; ``leave-one-out`` is for each domain all the others joined.
        targets: domains to measure on.
        seeds: how many, from 0 up, or the seeds themselves; by default 2.
        budget: the protocol to start from, by default quick.
        changes: fields of it with other values, such as ``{"epochs": 3}``.
        adaptation: ``fit`` (the default) takes strides away for small images, or ``as-published``.
        precision: auto (bf16 on a GPU, else 32), 32 or bf16.
        out: the folder of the results.
        extend: add what is new to the study that the folder holds.
        trust_code: also import code that a file of found architectures names.
        execution: where it runs.
        read_images: without it images are not read for their digests, and where these are not known
            the study can be shown and not run.

    Returns:
        The study: its folder, with tables as DataFrames.

    Raises:
        InputError: the folder holds another study, something cannot be used, or all failed.
    """
    execution = execution or Execution()
    usual = named_protocol(protocol)
    config = plan_bench(
        models=words(usual.models if models is None else models),
        weights=words(weights),
        stems=words(stems),
        placements=words(placements),
        algorithms=words(algorithms),
        suite=str(usual.suite if suite is None else suite),
        image_size=image_size,
        splits=splits,
        sources_named=words(usual.sources if sources is None else sources),
        targets=words(targets),
        seeds=seeds_of(usual.seeds if seeds is None else seeds),
        budget=usual.budget if budget is None else budget,
        changes={**usual.changes, **(changes or {})},
        adaptation=usual.adaptation if adaptation is None else adaptation,
        precision=precision,
        trust_code=trust_code,
        data_dir=execution.data_dir,
        device=execution.device,
        read_images=read_images,
    )
    return StudyRun(config, folder_named(out), execution, extend=extend, trust_code=trust_code)


#: A study that is planned and not yet run.
bench_run = plan_of(bench)
