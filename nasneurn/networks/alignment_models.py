"""What ``nasneurn align`` is given, as architectures: known ones, and those that a search found."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alignment.layers import Architecture
from nasneurn.errors import InputError
from nasneurn.paths import cache_dir


def gather(
    models: Sequence[str],
    *,
    jobs: int | None = None,
    strict: bool = False,
    figures: bool = False,
) -> list[Architecture]:
    """The architectures that ``models`` name, in that order.

    Args:
        models: what :func:`alignment.zoo.resolve` takes, several in one string with commas
            between, or ``.json`` files of architectures that a search found.
        jobs: processes to trace in.
        strict: raise for an architecture that cannot be traced, instead of a warning.
        figures: some will be drawn: what draws them is loaded while other processes trace.

    Raises:
        InputError: a file of found architectures that cannot be used.
        AlignmentError: anything else that cannot.
    """
    from alignment.sequences import catalogue, missing_requests, serialize
    from alignment.zoo import resolve
    from nasneurn.progress import meter

    words = [word.strip() for model in models for word in model.split(",") if word.strip()]
    files = [word for word in words if word.endswith(".json")]
    names = [word for word in words if not word.endswith(".json")]
    folder = cache_dir() / "alignment"
    architectures: list[Architecture] = []
    # Only files and no names is fine; nothing at all is for `resolve` to refuse.
    if names or not files:
        requests = resolve(names, lambda: catalogue(folder))
        missing = missing_requests(requests, folder)
        if missing:
            with meter("architectures", missing) as progress:
                answer = serialize(
                    requests,
                    folder,
                    jobs=jobs,
                    strict=strict,
                    step=progress.advance,
                    meanwhile=lambda: _get_ready(figures),
                )
        else:
            answer = serialize(requests, folder, jobs=jobs, strict=strict)
        for name, reason in answer.failures:
            print(f"nasneurn: left out: {name} {reason}", file=sys.stderr)
        architectures += answer.architectures
    for path in files:
        architectures += found_architectures(Path(path))
    return architectures


def _get_ready(figures: bool) -> None:
    """Have the kernels compiled (or read from numba's cache), and the drawing library loaded."""
    import numpy as np

    from alignment.kernels import fold_repeats
    from alignment.needleman_wunsch import score

    score([0], [0])
    fold_repeats(np.zeros(1, np.int32))
    if figures:
        import alignment.figures  # noqa: F401


def found_architectures(path: Path) -> list[Architecture]:
    """The architectures in a file that a search wrote, without their stems.

    A stem is left out because it is a choice of its own: the same network is behind it or not.

    Raises:
        InputError: the file cannot be read, or does not describe architectures of a known space.
    """
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as found architectures ({error})") from error
    if isinstance(records, dict):
        records = [records]
    if not isinstance(records, list) or not records:
        raise InputError(f"{path}: holds no list of found architectures")
    architectures: list[Architecture] = []
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            raise InputError(f"{path}: record {index} is no object")
        name = "-".join(str(record[part]) for part in ("space", "run") if part in record)
        taken = {one.name for one in architectures}
        if name in taken:
            name = f"{name}-{index + 1}"
        architectures.append(_serialize_found(path, index, record, name))
    return architectures


def _serialize_found(path: Path, index: int, record: dict[str, Any], name: str) -> Architecture:
    import torch

    from alignment.sequences import serialize_model

    try:
        # Known to NNI alone; all other architectures are aligned without it.
        from nasneurn.networks.spaces import SpaceChoice
        from nasneurn.search.config import StemChoice

        settings, architecture = dict(record["settings"]), dict(record["architecture"])
        choice = SpaceChoice(str(record["space"]), settings, StemChoice(name="none"))
        size = int(settings.get("image_size") or settings.get("img_size") or 32)
        with torch.device("meta"):
            network = choice.network(architecture)
        return serialize_model(
            network, name or f"found-{index + 1}", family="found", image_shape=(3, size, size)
        )
    except (KeyError, TypeError, ValueError, AssertionError, RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: record {index} cannot be built: {reason}") from error
