"""Hashes of files' bytes, kept by name, size and time: a file is read again when these change."""

import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nasneurn.domains.decoding import HASH_BYTES
from nasneurn.errors import InputError
from nasneurn.files import opened, written_atomically

Keys = npt.NDArray[np.uint64]
#: uint8 (N, HASH_BYTES).
Hashes = npt.NDArray[np.uint8]


def keys_of(files: Iterable[tuple[str, int, int]]) -> Keys:
    """One key a file, from its path below the root, size and time of change in nanoseconds."""
    digests = [
        hashlib.sha256(f"{path}\0{size}\0{time}".encode(errors="surrogateescape")).digest()[:8]
        for path, size, time in files
    ]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def content_digest(heading: Sequence[object], *arrays: npt.NDArray[Any]) -> str:
    """16 hex digits of the SHA-256 of arrays' bytes, after a heading that says what they are."""
    total = hashlib.sha256(json.dumps(heading).encode())
    for array in arrays:
        little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
        total.update(np.ascontiguousarray(little_endian).data)
    return total.hexdigest()[:16]


class FileHashes:
    """The hashes known of one root's files, in one file of 24 bytes a hash.

    A damaged file counts as empty, and is written anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys, self._hashes = self._read()

    def _read(self) -> tuple[Keys, Hashes]:
        try:
            # Reading checks zip's checksums, so that no flipped bit becomes another content.
            with opened(self._path) as file, np.load(file, allow_pickle=False) as arrays:
                keys, hashes = arrays["keys"], arrays["hashes"]
            if (
                (keys.dtype, hashes.dtype) == (np.uint64, np.uint8)
                and hashes.shape == (len(keys), HASH_BYTES)
                and bool(np.all(keys[1:] > keys[:-1]))
            ):
                return keys, hashes
        except Exception:  # whatever is wrong with the file, its hashes are found again
            pass
        return np.zeros(0, np.uint64), np.zeros((0, HASH_BYTES), np.uint8)

    def find(self, keys: Keys) -> tuple[Hashes, npt.NDArray[np.bool_]]:
        """The hashes of these keys, and which of them are known; unknown ones are zeros."""
        found = np.zeros((len(keys), HASH_BYTES), np.uint8)
        if len(self._keys) == 0:
            return found, np.zeros(len(keys), dtype=bool)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        known = self._keys[places] == keys
        found[known] = self._hashes[places[known]]
        return found, known

    def add(self, keys: Keys, hashes: Hashes) -> None:
        """Keep these hashes too; a cache that cannot be written only costs the time."""
        # Another process may have added some since.
        before_keys, before_hashes = self._read()
        together = np.concatenate([keys, self._keys, before_keys])
        self._keys, first = np.unique(together, return_index=True)
        self._hashes = np.concatenate([hashes, self._hashes, before_hashes])[first]
        content = io.BytesIO()
        np.savez(content, keys=self._keys, hashes=self._hashes)
        try:
            with written_atomically(self._path) as draft:
                draft.write_bytes(content.getbuffer())
        except InputError:
            pass
