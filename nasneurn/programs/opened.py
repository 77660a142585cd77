"""Studies from their folders and files, and planned ones run."""

import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from inspect import signature, unwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from nasneurn.choices import refuse_code
from nasneurn.configuration import read_yaml
from nasneurn.errors import InputError
from nasneurn.files import folder_named
from nasneurn.programs.outlook import foresee
from nasneurn.programs.shown import ShownStudy
from nasneurn.studies.folder import check_begun
from nasneurn.studies.run import Execution, StudyRun

if TYPE_CHECKING:
    from nasneurn.studies.config import StudyConfig

P = ParamSpec("P")
Found = TypeVar("Found")

#: The configuration of each kind of study.
KINDS = {
    "bench": "nasneurn.studies.bench_config:BenchConfig",
    "search": "nasneurn.search.search_config:SearchConfig",
    "search-quality": "nasneurn.search.quality_config:QualityConfig",
}


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
    refuse_code(path, config.code, trust_code)
    folder = path.parent if out is None else folder_named(out)
    return StudyRun(config, folder, execution or Execution(), trust_code=trust_code)


def read_config(path: Path) -> "StudyConfig":
    """The configuration of a study of any kind.

    Raises:
        InputError: the file holds none.
    """
    kind = read_yaml(path).get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"{path}: kind is {kind!r}, must be one of {', '.join(KINDS)}")
    module, _, name = KINDS[kind].partition(":")
    config: StudyConfig = getattr(import_module(module), name).read(path)
    return config


def finish(run: StudyRun) -> ShownStudy:
    """Run a planned study, and write its tables and figures.

    Raises:
        InputError: it cannot run, or nothing of it gave a result.
    """
    from nasneurn.report.remake import remake

    study = done(run)
    remake(study, run.execution.figure_format)
    return study


def done(run: StudyRun) -> ShownStudy:
    """Run a planned study, and see that it has rows.

    Raises:
        InputError: it cannot run, or nothing of it gave a result.
    """
    study = ShownStudy(run.run(foresee).folder)
    others = study.locks.told()
    if study.accuracy.empty:
        why = others or f"see {study.failures_path}; --retry-failed tries again what failed"
        raise InputError(f"no training of {study.folder} gave a result; {why}")
    if others:
        print(f"nasneurn: {others}", file=sys.stderr)
    return study


def concluding(
    end: Callable[[StudyRun], Found],
) -> Callable[[Callable[P, StudyRun]], Callable[P, Found]]:
    """A decorator: what plans a study gives what ``end`` makes of it, and has it run for that.

    The arguments are those of the plan, for people and type checkers alike; :func:`plan_of` has the
    plan alone.
    """
    found = end.__annotations__["return"]

    def concluded(plan: Callable[P, StudyRun]) -> Callable[P, Found]:
        @wraps(plan)
        def run(*args: P.args, **kwargs: P.kwargs) -> Found:
            return end(plan(*args, **kwargs))

        run.__annotations__ = {**plan.__annotations__, "return": found}
        run.__signature__ = signature(plan).replace(return_annotation=found)  # type: ignore[attr-defined]
        return run

    return concluded


def plan_of(run: Callable[P, Any]) -> Callable[P, StudyRun]:
    """What plans the study that a function of :func:`concluding` gives the results of."""
    planned: Callable[P, StudyRun] = unwrap(run)
    return planned


def load_results(folder: Path | str) -> ShownStudy:
    """The study of a folder, finished or not.

    Args:
        folder: the ``--out`` of the command that began it.

    Raises:
        InputError: the folder holds none.
    """
    if not str(folder):
        raise InputError("folder is empty; name that of a study, or . for the current one")
    study = ShownStudy(folder)
    check_begun(study)
    return study
