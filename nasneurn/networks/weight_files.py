"""Files of weights: read without running anything that they hold, and put into a network."""

import hashlib
import json
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import safe_open
from torch import Tensor, nn

from nasneurn.errors import InputError, listed, one_line
from nasneurn.files import opened, reading
from nasneurn.networks.weights import SUFFIXES, file_label

Weights = dict[str, Tensor]

#: Where checkpoints keep the state dict, in the order in which these are looked for.
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "network", "net")
#: What stands before the names in the state dicts of wrapped networks: by DDP, ``torch.compile``
#: and Lightning modules; ``1.`` is a network here whose images are enlarged. It is taken off where
#: it stands before all names.
PREFIXES = ("module.", "_orig_mod.", "_model.", "model.", "network.", "net.", "1.")
#: How many keys a message lists.
LISTED = 3


def digest_of(path: Path) -> str:
    """The SHA-256 of a file of weights, in hexadecimal digits.

    Raises:
        InputError: it is no file, has another suffix than one of weights, is empty or larger than
            the memory.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: weights must be *{', *'.join(SUFFIXES)}")
    with reading(path):
        if path.is_dir():
            raise InputError(f"{path}: is a folder, must be a file of weights")
        size, room = path.stat().st_size, psutil.virtual_memory().total
        if not size:
            raise InputError(f"{path}: is empty, must hold weights")
        if size > room:
            raise InputError(
                f"{path}: has {size / 1e9:.0f} GB, more than this machine's memory of "
                f"{room / 1e9:.0f} GB"
            )
        with opened(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def read_weights(path: Path, label: str | None = None) -> Weights:
    """The tensors of a file by name, out of what checkpoints wrap them in.

    Args:
        path: safetensors, or what ``torch.save`` wrote; no code in it is run.
        label: what :func:`nasneurn.networks.weights.file_label` called it before.

    Raises:
        InputError: it cannot be read, holds something else, values that are not finite, or is not
            the file that was called so.
    """
    found = file_label(path, digest_of(path))
    if label is not None and found != label:
        raise InputError(
            f"{path} is not the file that it was ({label} -> {found}); bring that back, or choose "
            "another --out"
        )
    weights = _state_dict(_content(path), path)
    for name, value in weights.items():
        if value.layout != torch.strided or value.is_complex() or value.is_quantized:
            raise InputError(
                f"{path}: {name} is sparse, complex or quantized; plain numbers are needed"
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise InputError(f"{path}: {name} holds values that are not finite; choose another")
    return weights


def _content(path: Path) -> Any:
    try:
        if path.suffix.lower() == ".safetensors":
            with safe_open(path, "pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        with warnings.catch_warnings(action="ignore"):  # what is wrong is told once, below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        what = f"code or objects ({code[1]})" if code else "something else than tensors"
        raise InputError(f"{path}: holds {what}, and is not read; save its state dict") from None
    except Exception as error:  # of damaged files, these libraries raise anything
        told = one_line(error)
        raise InputError(
            f"{path}: cannot be read as weights, it is cut off or neither a .safetensors nor a "
            f"state dict ({told})"
        ) from None


def _state_dict(content: Any, path: Path) -> Weights:
    while isinstance(content, Mapping):
        inner = (content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping))
        found = next(inner, None)
        if found is None:
            break
        content = found
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: holds a {type(content).__name__}, must hold a state dict")
    weights = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not weights:
        held = listed(map(str, content), LISTED) if content else "nothing"
        raise InputError(f"{path}: holds no state dict, but {held}")
    return weights


def classes_in(path: Path) -> tuple[str, ...] | None:
    """The classes of the logits, in order, where a file says them: one that a study has saved."""
    model = said_in(path, "model")
    classes = model.get("classes") if isinstance(model, dict) else None
    return tuple(map(str, classes)) if isinstance(classes, list) else None


def said_in(path: Path, entry: str) -> Any:
    """What a file says of itself: ``training`` or ``model``, as a study saves it; else None."""
    try:
        with safe_open(path, "pt") as file:
            return json.loads((file.metadata() or {})[entry])
    except Exception:  # other files say nothing of it, each in its own way
        return None


def fitted(
    weights: Mapping[str, Tensor],
    network: nn.Module,
    heads: Sequence[str],
    told: str,
    *,
    new_heads: bool = False,
) -> tuple[Weights, tuple[str, ...]]:
    """Those of the weights that a network takes, which must have all its names and shapes.

    Args:
        heads: the layers that give the logits. The weights need have none, or one for another
            number of classes.
        told: how a message begins: ``FILE: not weights of NETWORK``.
        new_heads: the classes are others, so that those of the weights are of no use.

    Returns:
        The weights by the network's names, and the heads that these leave as they are.

    Raises:
        InputError: with the first names and shapes that do not fit.
    """
    wanted = {name: value for name, value in network.state_dict().items() if _is_tensor(value)}
    given = _without_prefix(dict(weights), wanted)
    fresh = tuple(head for head in heads if new_heads or _other_classes(given, wanted, head))
    apart = {name for head in fresh for name in (*given, *wanted) if _is_in(name, head)}
    given = {name: value for name, value in given.items() if name not in apart}
    # Old files lack what counts the batches of a batch norm.
    missing = [
        name
        for name in wanted
        if name not in given and name not in apart and not name.endswith("num_batches_tracked")
    ]
    unexpected = [name for name in given if name not in wanted]
    shapes = [
        f"{name} is {tuple(value.shape)}, must be {tuple(wanted[name].shape)}"
        for name, value in given.items()
        if name in wanted and value.shape != wanted[name].shape
    ]
    faults = [f"they lack {listed(missing, LISTED)}"] if missing else []
    faults += [f"they have {listed(unexpected, LISTED)}"] if unexpected else []
    faults += shapes[:1]
    faults += [
        f"{name} holds {value.dtype}, must hold {wanted[name].dtype}"
        for name, value in given.items()
        if name in wanted and wanted[name].is_floating_point() and not value.is_floating_point()
    ][:1]
    if faults:
        raise InputError(f"{told}: {'; '.join(faults)}")
    return {name: value for name, value in given.items() if name in wanted}, fresh


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)  # and no extra state


def _is_in(name: str, module: str) -> bool:
    return name.startswith(f"{module}.")


def _other_classes(given: Weights, wanted: Weights, head: str) -> bool:
    """Whether weights lack a head, or have one of the same kind for other classes."""
    theirs = {name: given[name].shape for name in given if _is_in(name, head)}
    ours = {name: wanted[name].shape for name in wanted if _is_in(name, head)}
    if not theirs:
        return True
    return theirs != ours and all(
        name in theirs and theirs[name][1:] == shape[1:] and len(theirs[name]) == len(shape)
        for name, shape in ours.items()
    )


def _without_prefix(given: Weights, wanted: Mapping[str, Tensor]) -> Weights:
    prefix = next(_prefixes(given, wanted), None)
    if prefix is None:
        return given
    return _without_prefix({key.removeprefix(prefix): given[key] for key in given}, wanted)


def _prefixes(given: Weights, wanted: Mapping[str, Tensor]) -> Iterator[str]:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in given) and not all(
            name.startswith(prefix) for name in wanted
        ):
            yield prefix
