"""What is said of a study: by the command that has run it, by ``print``, and to a program."""

import json
import math
import sys
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from shlex import quote
from typing import Any

from rich.console import RenderableType

from nasneurn.analysis.rank_correlation import rank_correlations
from nasneurn.configuration import read_yaml
from nasneurn.errors import InputError
from nasneurn.networks.found import choices_name
from nasneurn.progress import plain_console
from nasneurn.report.terminal import overall_view, quality_view
from nasneurn.studies.folder import Study

#: So many lines of tables are what ``print`` shows of a study with many settings.
LINES = 24


def print_study(study: Study) -> None:
    """Print what each stem does to accuracy across domains, what was found, and where files are."""
    console = plain_console()
    console.print(overall_view(study.accuracy))
    if study.has("quality"):
        console.print(quality_view(rank_correlations(study.quality), study.control))
    found = study.found
    lines = [
        f"{one.words}: {choices_name(one.choices)}, "
        f"{one.flops / 1e6:.1f} M multiply-adds, {one.params / 1e3:.0f} k parameters, "
        f"held-out source accuracy {100 * (one.held_out_accuracy or 0):.1f}%"
        for one in found
    ]
    if found:
        # Typed again, a found network is named as its file names it.
        first = quote(f"{study.found_path}#{found[0].name}")
        lines.append(f"the first of these in a study of its own: nasneurn bench --models {first}")
    failed = len(study.failures)
    if failed:
        lines.append(f"{failed} failed: {study.failures_path}; --retry-failed tries them again")
    for line in [*lines, f"written to {study.folder}"]:
        console.print(line, highlight=False, soft_wrap=True)


def study_text(study: Study) -> str:
    """What ``print`` shows of a study: what it is, how much is done, and what the stems do.

    Of tables that cannot be read it says so: a debugger asks for this text, too.
    """
    lines: list[str] = []
    try:
        lines.extend(_about(study))  # line by line
    except InputError as error:
        lines.append(f"cannot be read: {error}")
    return "\n".join(lines)


def _about(study: Study) -> Iterator[str]:
    if not study.config_path.is_file():
        yield f"Study {study.folder}: not begun"
        return
    config = read_yaml(study.config_path)
    words = [str(config[name]) for name in ("kind", "suite") if name in config]
    budget = [f"budget {config['budget']}"] if "budget" in config else []
    yield f"Study {study.folder}: {', '.join([*words, *budget])}"
    outcomes = study.store.outcomes()
    rows = study.accuracy if study.has("accuracy") else None
    trainings = rows["training"].nunique() if rows is not None and "training" in rows else 0
    done, failed = len(outcomes.done), len(outcomes.failed)
    what = "trainings" if done == trainings else "units of work"
    told = f"{done} {what} done, {failed} failed"
    yield told if done == trainings else f"{told}; the tables have {trainings} trainings"
    if rows is not None and len(rows):
        lines = list(_as_text(overall_view(rows)))
        yield from lines[:LINES]
        if len(lines) > LINES:
            yield f"{len(lines) - LINES} more lines left out: study.accuracy has all rows"
    if found := study.found:
        yield f"{len(found)} networks found: study.found has them"


def _as_text(view: RenderableType) -> Iterator[str]:
    """A view in lines of 80 columns, of letters that standard output can take."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    bytes_ = BytesIO()
    file = TextIOWrapper(bytes_, encoding=encoding, errors="backslashreplace", write_through=True)
    # Otherwise it would draw by itself in a notebook.
    plain_console(
        file=file, width=80, color_system=None, force_terminal=False, force_jupyter=False
    ).print(view)
    for line in bytes_.getvalue().decode(encoding).splitlines():
        yield line.rstrip()


def study_json(study: Study) -> str:
    """The result of a study as JSON: its folder, rows, failures and found architectures."""
    content = {
        "folder": str(study.folder),
        "accuracy": study.accuracy.to_dict(orient="records"),
        "failures": study.failures.to_dict(orient="records"),
        "found": [one.model_dump(mode="json") for one in study.found],
    }
    return json.dumps(_with_gaps(content), allow_nan=False)


def _with_gaps(content: Any) -> Any:
    """The same with None for what is not a number, which JSON cannot hold."""
    if isinstance(content, dict):
        return {name: _with_gaps(value) for name, value in content.items()}
    if isinstance(content, list):
        return list(map(_with_gaps, content))
    return None if isinstance(content, float) and not math.isfinite(content) else content
