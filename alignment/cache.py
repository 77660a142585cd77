"""Serialized architectures on disk, so that torch is needed once for each.

One file an architecture, in a folder named after the versions that shaped it; the version of Keras,
which few need, is in the names of the files of its models. The first line of a file is the SHA-256
of its second; a file that does not hold what it says is taken for absent and written again. Files
appear whole or not at all, so any number of processes may share the folder.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from alignment.errors import AlignmentError
from alignment.layers import Architecture, Layer
from alignment.outputs import write_with
from alignment.regular_files import opened
from alignment.zoo import Request

#: Raise it whenever the same model would be serialized differently.
SERIALIZER_VERSION = 3


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"


class SequenceCache:
    """The serialized architectures below ``folder``; with None nothing is kept.

    A folder that cannot be written is no error: the work is then done again each time.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        libraries = "-".join(f"{name}{_version(name)}" for name in ("timm", "torch", "torchvision"))
        self._home = folder / f"s{SERIALIZER_VERSION}-{libraries}" if folder else None

    def path(self, request: Request) -> Path | None:
        """Where ``request`` is kept."""
        if self._home is None:
            return None
        size = f"@{request.size}" if request.size else ""
        readable = "".join(c if c.isalnum() or c in "-_." else "_" for c in request.model)
        key = f"{request.library}:{request.model}{size}#{request.classes}"
        if request.library == "keras":
            key += f" {_version('keras')} {request.shape}"
        # The digest tells apart names that differ only in letters that file names cannot have.
        digest = hashlib.sha256(key.encode()).hexdigest()[:8]
        return self._home / f"{readable[:80]}{size}-{digest}.json"

    def load(self, request: Request) -> Architecture | str | None:
        """The architecture; or why it cannot be serialized; or None if neither is known."""
        value = _read(self.path(request))
        try:
            if isinstance(value, dict) and "error" in value:
                return str(value["error"])
            if isinstance(value, dict):
                kinds = [Layer.from_row(row) for row in value["layers"]]
                classes = value["classes"]
                return Architecture(
                    request.name,
                    request.family or str(value["family"]),
                    tuple(kinds[index] for index in value["order"]),
                    tuple(str(classes[index]) for index in value["listing"]),
                    tuple(int(place) for place in value["canonical"]),
                )
        except (KeyError, IndexError, TypeError, ValueError):
            return None
        return None

    def store(self, request: Request, answer: Architecture | str) -> None:
        """Keep what :meth:`load` is to give back."""
        if isinstance(answer, str):
            _write(self.path(request), {"error": answer})
            return
        distinct = {layer: index for index, layer in enumerate(dict.fromkeys(answer.layers))}
        classes = {name: index for index, name in enumerate(dict.fromkeys(answer.listing))}
        value = {
            "family": answer.family,
            "layers": [layer.as_row() for layer in distinct],
            "order": [distinct[layer] for layer in answer.layers],
            "classes": list(classes),
            "listing": [classes[name] for name in answer.listing],
            "canonical": list(answer.canonical),
        }
        _write(self.path(request), value)

    def load_catalogue(self) -> list[str] | None:
        """The names that timm knows; None if they are not yet kept."""
        value = _read(self._home / "catalogue.json" if self._home else None)
        if not isinstance(value, list) or not value:
            return None
        return value if all(isinstance(name, str) for name in value) else None

    def store_catalogue(self, names: Sequence[str]) -> None:
        """Keep the names that timm knows."""
        _write(self._home / "catalogue.json" if self._home else None, list(names))


def _read(path: Path | None) -> object:
    if path is None:
        return None
    try:
        with opened(path) as file:
            digest, _, body = file.read().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        value: object = json.loads(body)
        return value
    except (OSError, ValueError):
        return None


def _write(path: Path | None, value: object) -> None:
    if path is None:
        return
    body = json.dumps(value, separators=(",", ":")).encode()
    content = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
    with suppress(OSError, AlignmentError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_with(path, lambda draft: draft.write_bytes(content))
