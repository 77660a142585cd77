"""How the loops are compiled, and where the result is kept."""

import hashlib
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, cast

from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]

# No reassociation in the merges: `a + (b - a) * w` is exact for a == b only as it stands. Nowhere
# the leave to assume that no NaN occurs: it would hide one.
MERGE = {"contract", "nsz"}
SUM = {"contract", "nsz", "reassoc"}


def fingerprint(folder: Path) -> str:
    """Of all Python files in a folder."""
    sources = (path.read_bytes() for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(b"".join(sources)).hexdigest()[:12]


#: Of all files of the kernel, for the names under which numba keeps what it has compiled: it
#: would look only at the file of the kernel itself, and not at those of the loops that it calls.
FINGERPRINT = fingerprint(Path(__file__).parent)


def loops(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba's njit for functions that own no memory: they are given all their arrays.

    Slices of arrays then go uncounted. Counting them, by atomic instructions, took more than a
    quarter of the time of a small image.
    """
    return cast(Callable[[Callable[..., Any]], Any], njit(**{**options, "_nrt": False}))


def compiled(kernel: Callable[..., None]) -> Callable[..., None]:
    """Compile a kernel, for this process alone where numba can not keep a cache on disk."""
    kernel.__qualname__ += f"_{FINGERPRINT}"
    try:
        cached = loops(nogil=True, cache=True)(kernel)
    except RuntimeError:  # no folder to write to
        return cast(Callable[..., None], loops(nogil=True)(kernel))
    uncached: Callable[..., None] | None = None

    @wraps(kernel)
    def call(*arguments: Any) -> None:
        nonlocal uncached
        if uncached is None:
            try:
                cached(*arguments)
                return
            except OSError:  # it could not be written after all
                uncached = loops(nogil=True)(kernel)
        uncached(*arguments)

    return call
