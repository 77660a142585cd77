"""What a command says of a study that it has run: to a person, and to a program."""

import json
import math
from shlex import quote
from typing import Any

from nasneurn.analysis.rank_correlation import rank_correlations
from nasneurn.networks.found import choices_name
from nasneurn.progress import plain_console
from nasneurn.report.terminal import overall_view, quality_view
from nasneurn.studies.folder import Study


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
