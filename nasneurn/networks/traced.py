"""Architectures as sequences of layers for the alignment: known ones, found ones, one's own."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alignment.layers import Architecture
from nasneurn.choices import split_choices
from nasneurn.errors import InputError
from nasneurn.networks.found import FoundArchitecture, choose_found, read_found
from nasneurn.networks.names import is_own, own_architecture
from nasneurn.networks.own import create_own
from nasneurn.paths import cache_dir

if TYPE_CHECKING:
    from torch import nn


def gather(
    models: Sequence[str],
    *,
    jobs: int | None = None,
    strict: bool = False,
    figures: bool = False,
    trust_code: bool = False,
) -> list[Architecture]:
    """The architectures that ``models`` name, in that order.

    Args:
        models: what :func:`alignment.zoo.resolve` takes, several in one string with commas
            between; networks of one's own, ``package.module:Name``; or ``.json`` files of found
            architectures, with ``#NAME`` for one of them.
        jobs: processes to trace in.
        strict: raise for an architecture that cannot be traced, instead of a warning.
        figures: some will be drawn: what draws them is loaded while other processes trace.
        trust_code: also build spaces that a file names by import path.

    Raises:
        InputError: a file of found architectures that cannot be used.
        AlignmentError: anything else that cannot.
    """
    from alignment.sequences import catalogue, missing_requests, serialize
    from alignment.zoo import resolve
    from nasneurn.progress import meter

    words = split_choices(models)
    files = [word for word in words if word.partition("#")[0].endswith(".json")]
    own = [word for word in words if word not in files and is_own(word)]
    names = [word for word in words if word not in files and word not in own]
    folder = cache_dir() / "alignment"
    architectures: list[Architecture] = []
    # Only files and no names is fine; nothing at all is for `resolve` to refuse.
    if names or not (files or own):
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
    architectures += [_of_own(word) for word in own]
    for word in files:
        path, _, wanted = word.partition("#")
        found = read_found(Path(path), trust_code=trust_code)
        architectures += [_of_search(one, path) for one in choose_found(found, wanted, Path(path))]
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


#: Side of the images for a network of one's own, in the alignment.
OWN_IMAGE_SIZE = 32


def _of_own(word: str) -> Architecture:
    """A network of one's own, with ten classes."""
    import torch

    named = own_architecture(word)
    with torch.device("meta"):
        network = create_own(named.own, 10, OWN_IMAGE_SIZE)
    return _serialized(network, named.name, "own", OWN_IMAGE_SIZE, named.name)


def _of_search(found: FoundArchitecture, path: str) -> Architecture:
    """A found architecture without its stem: the same network stands behind one or not."""
    import torch

    with torch.device("meta"):
        network = found.space_choice.network(found.choices)
    return _serialized(network, found.name, "found", found.space_choice.image_size, path)


def _serialized(network: "nn.Module", name: str, family: str, size: int, what: str) -> Architecture:
    from alignment.sequences import serialize_model

    try:
        return serialize_model(network, name, family=family, image_shape=(3, size, size))
    except (KeyError, TypeError, ValueError, AssertionError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{what}: {name} cannot be traced: {reason}") from error
